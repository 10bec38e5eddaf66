/**
 * One version of a map that changes over time. Every version reads as an
 * immutable map of its own, and all of them share one storage: the newest has
 * the rows, each older one only what is different in it (Baker's rerooting),
 * and what nobody holds is collected. So a new version costs its changes, not
 * a copy, and {@link changesBetween} tells them at the same price. A value is never undefined.
 */
export class VersionedMap<K, V> implements ReadonlyMap<K, V> {
  readonly [Symbol.toStringTag] = 'Map';
  /** Of the newest version only. */
  #rows: Map<K, V> | undefined;
  /** Of all others: the version this one is told by, nearer to the rows, and the values of keys that are different here; undefined: absent. */
  #towards: VersionedMap<K, V> | undefined;
  #different: Map<K, V | undefined> = new Map();
  #size: number;

  constructor(rows: Map<K, V> = new Map()) {
    this.#rows = rows;
    this.#size = rows.size;
  }

  get size(): number {
    return this.#rows?.size ?? this.#size;
  }

  get(key: K): V | undefined {
    if (this.#rows !== undefined) return this.#rows.get(key);
    for (const at of this.#way()) {
      if (at.#rows !== undefined) return at.#rows.get(key);
      const value = at.#different.get(key);
      if (value !== undefined || at.#different.has(key)) return value;
    }
    return undefined;
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  /** In no order that means anything. */
  *entries(): MapIterator<[K, V]> {
    const different = new Map<K, V | undefined>();
    for (const at of this.#way()) {
      for (const [key, value] of at.#different) if (!different.has(key)) different.set(key, value);
      for (const row of at.#rows ?? []) if (!different.has(row[0])) yield row;
    }
    for (const [key, value] of different) if (value !== undefined) yield [key, value];
  }

  *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#rows?.[Symbol.iterator]() ?? this.entries();
  }

  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }

  /** This version with some rows changed; undefined: gone. The next version of this one does not have them. */
  with(rows: Iterable<readonly [K, V | undefined]>): VersionedMap<K, V> {
    const branch = new VersionedMap<K, V>();
    branch.#different = new Map(rows);
    branch.#rows = undefined;
    branch.#towards = this;
    branch.#size = this.size;
    for (const [key, value] of branch.#different) branch.#size += Number(value !== undefined) - Number(this.has(key));
    return branch;
  }

  /** Takes the rows over, to change them. @returns what this version must keep of what is changed */
  static handOver<K, V>(from: VersionedMap<K, V>): { readonly next: VersionedMap<K, V>; readonly rows: Map<K, V>; readonly before: Map<K, V | undefined> } {
    const rows = from.#rows!;
    const next = new VersionedMap(rows);
    from.#size = rows.size;
    from.#rows = undefined;
    from.#towards = next;
    return { next, rows, before: from.#different };
  }

  /** From this version to the one with the rows, whose differences are its editor's notes for the next and none of its own. */
  #way(): VersionedMap<K, V>[] {
    const way: VersionedMap<K, V>[] = [this];
    for (let at = this.#towards; at !== undefined; at = at.#towards) way.push(at);
    return way;
  }

  /** What a version had that the newest, one step away, may have otherwise: as mostly, and nothing must be looked up for it. */
  static oneStep<K, V>(a: VersionedMap<K, V>, b: VersionedMap<K, V>): ReadonlyMap<K, V | undefined> | undefined {
    return a.#towards === b && b.#rows !== undefined ? a.#different : undefined;
  }

  /** Keys that may differ between two versions; undefined where they do not come from one another. */
  static keysBetween<K, V>(a: VersionedMap<K, V>, b: VersionedMap<K, V>): Iterable<K> | undefined {
    const path = new Map<VersionedMap<K, V>, number>();
    for (let at: VersionedMap<K, V> | undefined = a; at !== undefined; at = at.#towards) path.set(at, path.size);
    const keys = new Set<K>();
    let meeting: VersionedMap<K, V> | undefined = b;
    for (; meeting !== undefined && !path.has(meeting); meeting = meeting.#towards) for (const key of meeting.#different.keys()) keys.add(key);
    if (meeting === undefined) return undefined;
    for (let at = a; at !== meeting; at = at.#towards!) for (const key of at.#different.keys()) keys.add(key);
    return keys;
  }
}

/** Makes one version of a map after another. */
export class MapEditor<K, V> {
  #newest: VersionedMap<K, V>;
  /** Versions given away are not changed any more; until the next one is asked for, this one is the editor's own. */
  #draft: { readonly rows: Map<K, V>; readonly before: Map<K, V | undefined> } | undefined;

  constructor(rows: Map<K, V> = new Map()) {
    this.#newest = new VersionedMap(rows);
  }

  get size(): number {
    return this.#newest.size;
  }

  get(key: K): V | undefined {
    return this.#newest.get(key);
  }

  has(key: K): boolean {
    return this.#newest.has(key);
  }

  /** Keys as they are now; not to be changed meanwhile. */
  keys(): Iterable<K> {
    return this.#newest.keys();
  }

  set(key: K, value: V): void {
    const was = this.get(key);
    if (was !== value) this.#write(key, was, value);
  }

  /** The same of a key that is not there. */
  add(key: K, value: V): void {
    this.#write(key, undefined, value);
  }

  delete(key: K): boolean {
    const was = this.get(key);
    if (was !== undefined) this.#write(key, was, undefined);
    return was !== undefined;
  }

  /** The map as it is now; the same one as long as nothing is written. */
  version(): VersionedMap<K, V> {
    this.#draft = undefined;
    return this.#newest;
  }

  #write(key: K, was: V | undefined, value: V | undefined): void {
    if (this.#draft === undefined) {
      const { next, ...draft } = VersionedMap.handOver(this.#newest);
      this.#newest = next;
      this.#draft = draft;
    }
    const { rows, before } = this.#draft;
    if (!before.has(key)) before.set(key, was);
    if (value === undefined) rows.delete(key);
    else rows.set(key, value);
  }
}

/** What became of a key: its value before and now; undefined: absent. */
export type Change<K, V> = readonly [key: K, before: V | undefined, now: V | undefined];

/** Keys whose values are not the same object in both. Costs the changes between versions of one map, and looks through both maps otherwise. */
export function* changesBetween<K, V>(before: ReadonlyMap<K, V>, now: ReadonlyMap<K, V>): Generator<Change<K, V>> {
  if (before === now) return;
  if (!(before instanceof VersionedMap && now instanceof VersionedMap)) {
    yield* compare(before, now);
    return;
  }
  const [older, newer] = [before as VersionedMap<K, V>, now as VersionedMap<K, V>];
  const had = VersionedMap.oneStep(older, newer);
  if (had !== undefined) {
    for (const [key, was] of had) {
      const is = newer.get(key);
      if (was !== is) yield [key, was, is];
    }
    return;
  }
  const keys = VersionedMap.keysBetween(older, newer);
  if (keys === undefined) {
    yield* compare(before, now);
    return;
  }
  for (const key of keys) {
    const [was, is] = [older.get(key), newer.get(key)];
    if (was !== is) yield [key, was, is];
  }
}

function* compare<K, V>(before: ReadonlyMap<K, V>, now: ReadonlyMap<K, V>): Generator<Change<K, V>> {
  let kept = 0;
  for (const [key, value] of now) {
    const old = before.get(key);
    if (old !== undefined) kept++;
    if (old !== value) yield [key, old, value];
  }
  if (kept === before.size) return; // nothing is gone
  for (const [key, old] of before) if (!now.has(key)) yield [key, old, undefined];
}
