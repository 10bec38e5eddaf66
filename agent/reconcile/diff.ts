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

/** The same of these keys only. */
export function diffOf<Key, Row>(keys: Iterable<string>, desired: Rows<Key, Row>, actual: Rows<Key, Row>, equal: (actual: Row, desired: Row) => boolean): Changes {
  const put: string[] = [];
  const gone: string[] = [];
  for (const key of keys) {
    const verb = verbFor(desired.get(key), actual.get(key), equal);
    if (verb !== undefined) (verb === 'upsert' ? put : gone).push(key);
  }
  return { put: put.sort(), gone: gone.sort() };
}

/** What must happen to one row; undefined: it is as it should be. */
export function verbFor<Key, Row>(wanted: Keyed<Key, Row> | undefined, there: Keyed<Key, Row> | undefined, equal: (actual: Row, desired: Row) => boolean): 'upsert' | 'remove' | undefined {
  if (wanted === undefined) return there === undefined ? undefined : 'remove';
  return there === undefined || !equal(there.row, wanted.row) ? 'upsert' : undefined;
}
