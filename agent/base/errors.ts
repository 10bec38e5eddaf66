/**
 * The one error class of the agent (design: style.md, "Errors").
 * Bad input is a value, not an exception: see {@link Problem}. Expected kernel
 * answers (ENOENT, EEXIST) are asked by predicate. Everything else is this.
 */
export type ErrorCode =
  | 'CONFIG' // a flag, variable, file or key that cannot be used; message names it
  | 'KERNEL' // a system call or helper failed: `errno` says how
  | 'DATASTORE' // the API server answered with an error or not at all
  | 'CNI' // a CNI request that cannot be served
  | 'IPAM' // no address, or a store that cannot be read
  | 'INTERNAL'; // a state that the code holds to be impossible

export class CanalError extends Error {
  readonly code: ErrorCode;
  /** What it concerns: an object's name, a map and key, a device. */
  readonly subject: string | undefined;
  /** Positive errno where the kernel answered; otherwise undefined. */
  readonly errno: number | undefined;

  constructor(code: ErrorCode, message: string, detail: { subject?: string; errno?: number; cause?: unknown } = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'CanalError';
    this.code = code;
    this.subject = detail.subject;
    this.errno = detail.errno;
  }
}

/** Bad input as a value: the object (or its part) counts as absent or as a deny, and status shows this. */
export interface Problem {
  /** `Kind namespace/name`, as a user would write it. */
  readonly object: string;
  /** Path of the offending field, e.g. `spec.ingress[0].from[1].ipBlock.cidr`. */
  readonly field: string;
  readonly message: string;
}

const is = (errno: number) => (error: unknown): boolean => error instanceof CanalError && error.errno === errno;

export const isNotFound = is(2); // ENOENT
export const isExists = is(17); // EEXIST
export const isNoDevice = is(19); // ENODEV
export const isFull = (error: unknown): boolean => is(7)(error) || is(28)(error); // E2BIG: hash map full; ENOSPC: LPM trie full
