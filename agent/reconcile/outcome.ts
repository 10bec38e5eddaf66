import type { TableName } from './order.js';

/** A row that is not as desired, as status shows it. */
export interface RowTrouble {
  readonly table: string;
  /** Empty: the whole table, which could not be listed. */
  readonly key: string;
  readonly message: string;
  /** The map had no room. */
  readonly full: boolean;
  /** The device had gone: as a rule its notice is under way, and with it the wish goes. */
  readonly gone: boolean;
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

/** Several passes as one: counts add up, each trouble is told once. */
export function mergeOutcomes(outcomes: readonly Outcome[]): Outcome {
  if (outcomes.length === 1) return outcomes[0]!;
  const writes = new Map<TableName, number>();
  for (const outcome of outcomes) for (const [table, n] of outcome.writes) writes.set(table, (writes.get(table) ?? 0) + n);
  const retries = outcomes.map((o) => o.retryAtMs).filter((ms) => ms !== undefined);
  return {
    writes,
    mended: outcomes.flatMap((o) => o.mended),
    troubles: [...new Map(outcomes.flatMap((o) => o.troubles).map((t) => [`${t.table} ${t.key}`, t])).values()],
    blocked: Math.max(...outcomes.map((o) => o.blocked)),
    judged: outcomes.some((o) => o.judged),
    retryAtMs: retries.length === 0 ? undefined : Math.min(...retries),
  };
}
