/**
 * How rows of different tables lean on each other, as tokens: `rows:17`,
 * `table:4`, `neighbour:3/10.244.1.0`. Three rules follow, and they are all that
 * the reconciler knows about dependence:
 *
 * 1. A row is not written while a row that provides one of the tokens it refers
 *    to could not be written. (No endpoint points at half a table.)
 * 2. A row is not removed while *every* token it provides is referred to by some
 *    row that is in the kernel, unless they are all provided by rows that are
 *    wanted, which then are the whole truth about them. (An entry (table, class)
 *    is in use only while an endpoint has the table and an address the class;
 *    a stray row among those of a rows id that is wanted goes at once.)
 * 3. A row is not removed in an apply in which a row that provides a token it
 *    goes *after* could not be written. (A backend's slot is emptied only once
 *    the frontend counts fewer.)
 */
export interface Relations<Key, Row> {
  provides?(key: Key, row: Row): readonly string[];
  refers?(key: Key, row: Row): readonly string[];
  /** Rule 3. */
  after?(key: Key, row: Row): readonly string[];
  /** Rule 2 leaves this table out: its rows go when nobody wants them, and what they refer to is not in use by that. For tables of very many rows. */
  readonly countsNoUse?: true;
  /** Whether these changes, about to be made in one phase, may change what some packet is told. Left out: they may. */
  judges?(rows: readonly RowChange<Key, Row>[]): boolean;
  /** What rows in the kernel are asked for together by; see {@link Ledger.grouped}. */
  group?(key: Key, row: Row): unknown;
  /** Within the table: rows of higher rank are written first and removed last (long prefixes, so that no address ever shows a class it neither had nor gets). */
  rank?(key: Key): number;
}

/** Undefined: no row. */
export interface RowChange<Key, Row> {
  readonly key: Key;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

/** Rules 1 and 3. */
export function blockedBy(tokens: readonly string[], missing: ReadonlySet<string>): string | undefined {
  return tokens.find((token) => missing.has(token));
}

/** Rule 2. Few rows that go are referred to, and only of these is it asked what is wanted. */
export function inUse(provides: readonly string[], referred: (token: string) => boolean, wanted: (token: string) => boolean): boolean {
  return provides.every((token) => referred(token)) && provides.some((token) => !wanted(token));
}
