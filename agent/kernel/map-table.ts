import type { Family } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import type { Table } from '../reconcile/table.js';
import type { BpfMap } from './bpf-map.js';

/** How rows of the control plane look in a map. `K` and `V` are what the codecs take. */
export interface MapSchema<Key, Row, K, V> {
  /** Without the family. */
  readonly name: string;
  keyText(key: Key): string;
  equal(actual: Row, desired: Row): boolean;
  /** Which family's map a key belongs to; always 4 where there is one map for both. */
  familyOf(key: Key): Family;
  encodeKey(key: Key): K;
  encodeRow(row: Row, key: Key): V;
  /** @param family of the map that holds it */
  decodeKey(key: K, family: Family): Key;
  decodeRow(value: V): Row;
}

/** A BPF map, or one a family, as a table. All rows of our own maps are ours. */
export class MapTable<Key, Row, K, V> implements Table<Key, Row> {
  readonly name: string;

  /** @param maps by family; a key of a family without map fails with EAFNOSUPPORT */
  constructor(
    private readonly schema: MapSchema<Key, Row, K, V>,
    private readonly maps: ReadonlyMap<Family, BpfMap<K, V>>,
  ) {
    this.name = schema.name;
  }

  list(): Map<string, { readonly key: Key; readonly row: Row }> {
    const rows = new Map<string, { readonly key: Key; readonly row: Row }>();
    for (const [family, map] of this.maps) {
      for (const raw of map.list()) {
        const key = this.schema.decodeKey(raw.key, family);
        rows.set(this.schema.keyText(key), { key, row: this.schema.decodeRow(raw.value) });
      }
    }
    return rows;
  }

  async listLater(): Promise<Iterable<{ readonly key: Key; readonly row: Row }>> {
    const dumps = await Promise.all(Array.from(this.maps, async ([family, map]) => [family, await map.listLater()] as const));
    return this.#decoded(dumps);
  }

  keyText(key: Key): string {
    return this.schema.keyText(key);
  }

  equal(actual: Row, desired: Row): boolean {
    return this.schema.equal(actual, desired);
  }

  upsert(rows: readonly { readonly key: Key; readonly row: Row }[]): (Error | undefined)[] {
    return this.split(
      rows,
      (row) => row.key,
      (map, part) => map.upsert(
        part.map(({ key, row }) => ({ key: this.schema.encodeKey(key), value: this.schema.encodeRow(row, key) })),
        (i) => this.keyText(part[i]!.key),
      ),
    );
  }

  remove(keys: readonly Key[]): (Error | undefined)[] {
    return this.split(
      keys,
      (key) => key,
      (map, part) => map.remove(part.map((key) => this.schema.encodeKey(key)), (i) => this.keyText(part[i]!)),
    );
  }

  *#decoded(dumps: readonly (readonly [Family, Iterable<{ readonly key: K; readonly value: V }>])[]): Generator<{ readonly key: Key; readonly row: Row }> {
    for (const [family, raws] of dumps) for (const { key, value } of raws) yield { key: this.schema.decodeKey(key, family), row: this.schema.decodeRow(value) };
  }

  /** Hands each family's items to its map, in order, and puts the outcomes back where the items were. */
  private split<T>(
    items: readonly T[],
    keyOf: (item: T) => Key,
    apply: (map: BpfMap<K, V>, part: readonly T[]) => (Error | undefined)[],
  ): (Error | undefined)[] {
    const [[only, map] = []] = this.maps;
    if (this.maps.size === 1 && items.every((item) => this.schema.familyOf(keyOf(item)) === only)) return apply(map!, items);
    const outcomes = new Array<Error | undefined>(items.length).fill(undefined);
    const places = new Map<Family, number[]>();
    items.forEach((item, i) => {
      const family = this.schema.familyOf(keyOf(item));
      if (this.maps.has(family)) (places.get(family) ?? places.set(family, []).get(family)!).push(i);
      else outcomes[i] = new CanalError('KERNEL', `no map for IPv${family}`, { subject: `${this.name} ${this.keyText(keyOf(item))}`, errno: EAFNOSUPPORT });
    });
    for (const [family, indexes] of places) {
      const part = apply(this.maps.get(family)!, indexes.map((i) => items[i]!));
      indexes.forEach((place, i) => (outcomes[place] = part[i]));
    }
    return outcomes;
  }
}

const EAFNOSUPPORT = 97;
