import { changesBetween } from '../base/versioned-map.js';
import type { Keyed } from '../reconcile/diff.js';
import type { Ledger } from '../reconcile/ledger.js';

/** Rows made of the entries of a map, of which the next one is a version. */
export interface FollowedRows<Key, Row> {
  readonly map: ReadonlyMap<unknown, unknown>;
  readonly rowsOf: (key: unknown, value: unknown) => readonly Keyed<Key, Row>[];
}

/** @param rowsOf rows of one entry; always the same function for a layer */
export const followed = <Key, Row, K, V>(map: ReadonlyMap<K, V>, rowsOf: (key: K, value: V) => readonly Keyed<Key, Row>[]): FollowedRows<Key, Row> =>
  ({ map, rowsOf: rowsOf as FollowedRows<Key, Row>['rowsOf'] });

/**
 * One ledger's wish out of several sources: rows of the node, given as a whole
 * and few, and layers of rows (of other nodes, of its pods) followed from one
 * version of a map to the next. Where several have a row for a key, the last
 * layer's is meant. After the first call a change costs itself.
 */
export class LayeredWish<Key, Row> {
  readonly #node = new Map<string, Keyed<Key, Row>>();
  readonly #layers: { readonly rows: Map<string, Keyed<Key, Row>>; map: ReadonlyMap<unknown, unknown> }[] = [];
  #source: { readonly of: unknown } | undefined;

  constructor(private readonly ledger: Ledger<Key, Row>) {}

  /**
   * @param source what the node's rows are made of: they are asked for only where it is another object than before
   * @param layers the same ones, in the same order, each time
   */
  want(source: unknown, node: () => Iterable<Keyed<Key, Row>>, ...layers: readonly FollowedRows<Key, Row>[]): void {
    const last = this.#source;
    const touched = new Map<string, Key>();
    if (last === undefined || last.of !== source) this.#replaceNode(node(), touched);
    layers.forEach((layer, i) => this.#follow(i, layer, touched));
    this.#source = { of: source };
    if (last === undefined) return this.ledger.want([this.#node, ...this.#layers.map(({ rows }) => rows)].flatMap((rows) => [...rows.values()]));
    const put: Keyed<Key, Row>[] = [];
    const gone: Key[] = [];
    for (const [text, key] of touched) {
      const row = this.#meant(text);
      if (row === undefined) gone.push(key);
      else put.push(row);
    }
    this.ledger.patch(put, gone);
  }

  /** Somebody else has said what the ledger wants: the next call says all of it again. */
  forget(): void {
    this.#source = undefined;
    this.#node.clear();
    this.#layers.length = 0;
  }

  #meant(text: string): Keyed<Key, Row> | undefined {
    return this.#layers.findLast(({ rows }) => rows.has(text))?.rows.get(text) ?? this.#node.get(text);
  }

  #replaceNode(rows: Iterable<Keyed<Key, Row>>, touched: Map<string, Key>): void {
    const before = new Map(this.#node);
    this.#node.clear();
    for (const row of rows) this.#node.set(this.ledger.table.keyText(row.key), row);
    for (const [text, { key, row }] of this.#node) if (before.get(text)?.row !== row) touched.set(text, key);
    for (const [text, { key }] of before) if (!this.#node.has(text)) touched.set(text, key);
  }

  #follow(i: number, { map, rowsOf }: FollowedRows<Key, Row>, touched: Map<string, Key>): void {
    const layer = (this.#layers[i] ??= { rows: new Map(), map: new Map() });
    for (const [key, was, is] of changesBetween(layer.map, map)) {
      for (const row of was === undefined ? [] : rowsOf(key, was)) this.#note(layer.rows, row.key, undefined, touched);
      for (const row of is === undefined ? [] : rowsOf(key, is)) this.#note(layer.rows, row.key, row, touched);
    }
    layer.map = map;
  }

  #note(rows: Map<string, Keyed<Key, Row>>, key: Key, row: Keyed<Key, Row> | undefined, touched: Map<string, Key>): void {
    const text = this.ledger.table.keyText(key);
    touched.set(text, key);
    if (row === undefined) rows.delete(text);
    else rows.set(text, row);
  }
}
