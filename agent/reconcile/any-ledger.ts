import type { Failure } from './backoff.js';
import type { Changes } from './diff.js';
import type { ToldRow } from './table.js';

/** Whose idea a step was: the wish changed, or the kernel did behind our back. */
export type Cause = 'wanted' | 'mended';

/** A ledger with its types forgotten, as the reconciler sees it. Keys are canonical texts. */
export interface AnyLedger {
  readonly name: string;
  readonly failures: ReadonlyMap<string, Failure>;
  /** Rows in the kernel as last known; undefined before the first list. */
  readonly size: number | undefined;
  /** @param devices only what lies on these is stale, where the table can tell */
  invalidate(devices?: ReadonlySet<number>): void;
  /** Takes note of a row that the kernel tells of. @returns whether it is other than was known */
  tell(told: ToldRow): boolean;
  refresh(): void;
  /** Whether the kernel has what is known, asked without holding anything up; undefined: listing it takes no time. */
  compare(pause: () => Promise<boolean> | undefined): Promise<boolean> | undefined;
  changes(): Changes;
  cause(key: string, verb: 'upsert' | 'remove'): Cause;
  resting(key: string, verb: 'upsert' | 'remove', nowMs: number): boolean;
  upsert(keys: readonly string[], nowMs: number): void;
  remove(keys: readonly string[], nowMs: number): void;
  has(key: string): boolean;
  /** Whether rule 2 of relations can hold a removal back. */
  readonly shared: boolean;
  provides(key: string, side: 'desired' | 'actual'): readonly string[];
  refers(key: string): readonly string[];
  /** What the removal of a row in the kernel waits for. */
  after(key: string): readonly string[];
  allProvided(): readonly string[];
  /** Whether a row that is wanted provides the token. */
  wants(token: string): boolean;
  /** Whether a row in the kernel refers to it. */
  refersNow(token: string): boolean;
  /** Whether whatever it does may: nothing is asked then. */
  readonly alwaysJudges: boolean;
  /** Whether doing this may change a verdict. */
  judges(keys: readonly string[], verb: 'upsert' | 'remove'): boolean;
  settle(): void;
}
