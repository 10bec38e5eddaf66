import { changesBetween } from '../base/versioned-map.js';
import type { Keyed } from '../reconcile/diff.js';
import type { Ledger } from '../reconcile/ledger.js';

/**
 * One ledger's wish out of two sources: rows of the node, given as a whole and
 * few, and rows of its pods, followed from one version of a map to the next.
 * Where both have a row for a key, the pod's is meant. After the first call a change costs itself.
 */
export class LayeredWish<Key, Row, K, V> {
  readonly #node = new Map<string, Keyed<Key, Row>>();
  readonly #pods = new Map<string, Keyed<Key, Row>>();
  #sources: { readonly node: unknown; readonly pods: ReadonlyMap<K, V> } | undefined;

  constructor(
    private readonly ledger: Ledger<Key, Row>,
    /** Rows of one entry of the pods' map. */
    private readonly rowsOf: (key: K, value: V) => readonly Keyed<Key, Row>[],
  ) {}

  /** @param source what the node's rows are made of: they are asked for only where it is another object than before */
  want(source: unknown, node: () => Iterable<Keyed<Key, Row>>, pods: ReadonlyMap<K, V>): void {
    const last = this.#sources;
    const touched = new Map<string, Key>();
    if (last === undefined || last.node !== source) this.#replaceNode(node(), touched);
    this.#followPods(last?.pods ?? new Map(), pods, touched);
    this.#sources = { node: source, pods };
    if (last === undefined) return this.ledger.want([...this.#node.values(), ...this.#pods.values()]);
    const put: Keyed<Key, Row>[] = [];
    const gone: Key[] = [];
    for (const [text, key] of touched) {
      const row = this.#pods.get(text) ?? this.#node.get(text);
      if (row === undefined) gone.push(key);
      else put.push(row);
    }
    this.ledger.patch(put, gone);
  }

  /** Somebody else has said what the ledger wants: the next call says all of it again. */
  forget(): void {
    this.#sources = undefined;
    this.#node.clear();
    this.#pods.clear();
  }

  #replaceNode(rows: Iterable<Keyed<Key, Row>>, touched: Map<string, Key>): void {
    const before = new Map(this.#node);
    this.#node.clear();
    for (const row of rows) this.#node.set(this.ledger.table.keyText(row.key), row);
    for (const [text, { key, row }] of this.#node) if (before.get(text)?.row !== row) touched.set(text, key);
    for (const [text, { key }] of before) if (!this.#node.has(text)) touched.set(text, key);
  }

  #followPods(before: ReadonlyMap<K, V>, now: ReadonlyMap<K, V>, touched: Map<string, Key>): void {
    for (const [key, was, is] of changesBetween(before, now)) {
      for (const row of was === undefined ? [] : this.rowsOf(key, was)) this.#note(row.key, undefined, touched);
      for (const row of is === undefined ? [] : this.rowsOf(key, is)) this.#note(row.key, row, touched);
    }
  }

  #note(key: Key, row: Keyed<Key, Row> | undefined, touched: Map<string, Key>): void {
    const text = this.ledger.table.keyText(key);
    touched.set(text, key);
    if (row === undefined) this.#pods.delete(text);
    else this.#pods.set(text, row);
  }
}
