/** Codes of the CNI specification (1 to 99) and our own (100 on). */
export const CniCode = {
  INCOMPATIBLE_VERSION: 1,
  UNSUPPORTED_FIELD: 2,
  UNKNOWN_CONTAINER: 3,
  INVALID_ENV: 4,
  IO: 5,
  DECODE: 6,
  INVALID_CONFIG: 7,
  TRY_LATER: 11,
  /** STATUS: no ADD can be served now. */
  UNAVAILABLE: 50,
  /** No address, or an address store that cannot be used. */
  IPAM: 100,
  /** The dataplane refused; nothing of the attempt is left. */
  DATAPLANE: 101,
  /** CHECK found the attachment not as ADD left it. */
  CHECK_FAILED: 102,
  /** A fault of the agent. */
  INTERNAL: 999,
} as const;

/** What goes back to the runtime as a CNI error object. `message` begins with the field or variable concerned where there is one. */
export class CniError extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly details = '',
  ) {
    super(message);
    this.name = 'CniError';
  }
}
