/** A row with its key. */
export interface Keyed<Key, Row> {
  readonly key: Key;
  readonly row: Row;
}

/** Rows by the canonical text of their key. */
export type Rows<Key, Row> = ReadonlyMap<string, Keyed<Key, Row>>;

/** Keys to write and keys to take away, each sorted, so that equal states give equal plans. */
export interface Changes {
  readonly put: readonly string[];
  readonly gone: readonly string[];
}

/** What must happen to make `actual` into `desired`. */
export function diff<Key, Row>(desired: Rows<Key, Row>, actual: Rows<Key, Row>, equal: (actual: Row, desired: Row) => boolean): Changes {
  const put: string[] = [];
  for (const [text, { row }] of desired) {
    const there = actual.get(text);
    if (there === undefined || !equal(there.row, row)) put.push(text);
  }
  const gone: string[] = [];
  for (const text of actual.keys()) if (!desired.has(text)) gone.push(text);
  return { put: put.sort(), gone: gone.sort() };
}
