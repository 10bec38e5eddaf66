import type { TableName } from './order.js';

/** A row that is not as desired, as status shows it. */
export interface RowTrouble {
  readonly table: string;
  /** Empty: the whole table, which could not be listed. */
  readonly key: string;
  readonly message: string;
  /** The map had no room. */
  readonly full: boolean;
}

/** What one apply did. */
export interface Outcome {
  /** Rows written or removed, by table; tables without any are left out. */
  readonly writes: ReadonlyMap<TableName, number>;
  /** Of these, rows that somebody else had changed: `route 10.244.1.0/24`. */
  readonly mended: readonly string[];
  readonly troubles: readonly RowTrouble[];
  /** Rows that wait for a row that failed. */
  readonly blocked: number;
  /** Whether a verdict may have changed. */
  readonly judged: boolean;
  /** Monotonic milliseconds at which the first failed row is due again; undefined: nothing failed. */
  readonly retryAtMs: number | undefined;
}

/** Kernel writes of an apply, all tables together. */
export function totalWrites(outcome: Outcome): number {
  let sum = 0;
  for (const n of outcome.writes.values()) sum += n;
  return sum;
}
