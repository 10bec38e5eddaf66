/** What the kernel says of a key of some table, by itself. */
export interface ToldRow<Key = unknown, Row = unknown> {
  readonly key: Key;
  /** Of the key, as in `list`. */
  readonly text: string;
  /** Undefined: there is none of ours under this key, but perhaps somebody else's. */
  readonly row: Row | undefined;
  /** ifindex of the device that it is about; 0: none. */
  readonly device: number;
}

/**
 * Every kind of kernel object (BPF map, tc attachment, link, route, neighbour,
 * FDB entry) is one table behind this interface. Rows are values; `key` and
 * `row` are compared by their canonical text, made by the table.
 *
 * Contract: all calls are idempotent; `upsert` of an equal row and `remove` of
 * an absent key succeed; nothing is retried here (reconcile does that); a
 * failure throws CanalError('KERNEL') with errno and subject `table key`, and
 * says nothing about other rows. "Is this row ours?" is answered by `list`
 * without memory: it returns only rows that carry our mark (a device name we
 * own, a protocol number, membership of our own map).
 */
export interface Table<Key, Row> {
  /** What metrics and logs call it: `route`, `fdb`, `canal_endpoint`. */
  readonly name: string;
  /** Rows of ours in the kernel now. */
  list(): Map<string, { readonly key: Key; readonly row: Row }>;
  /** The same as they were at some moment since the call, read beside the event loop and decoded row by row as asked for; there where tables get long. */
  listLater?(): Promise<Iterable<{ readonly key: Key; readonly row: Row }>>;
  /** The same of some devices only, for tables whose rows lie on devices: what a notice about these is worth looking at. Undefined: only `list` can tell. */
  listOn?(devices: ReadonlySet<number>): Map<string, { readonly key: Key; readonly row: Row }> | undefined;
  /** ifindex of the device that a row lies on; there where `listOn` is. */
  deviceOf?(row: Row): number;
  /** Canonical text of a key, as used in `list`. */
  keyText(key: Key): string;
  /** Whether the kernel's row is what was asked for (attributes we do not set are not compared). */
  equal(actual: Row, desired: Row): boolean;
  /** Makes these rows so, in order, batched where the kernel can. One outcome a row; `undefined` is success. */
  upsert(rows: readonly { readonly key: Key; readonly row: Row }[]): (Error | undefined)[];
  /** @param rows as they were listed or written last, where the caller knows: then nothing need be looked up */
  remove(keys: readonly Key[], rows?: readonly Row[]): (Error | undefined)[];
}
