import type { Atom } from './atoms.js';
import type { PeerClass } from './peer-class.js';
import type { Rows } from './rule-rows.js';
import { TableEntries } from './table-entries.js';
import type { TableSpec } from './table-spec.js';

/** A table's entries, and the rows they point at. */
export interface FilledTable {
  /** Class id (0n: default) -> rows id. */
  readonly entries: ReadonlyMap<bigint, bigint>;
  readonly rows: ReadonlyMap<bigint, Rows>;
}

/** Fills tables with the classes they single out. Looks only at tables and classes that are new. */
export class TableFiller {
  #tables = new Map<bigint, Filling>();
  #classes: ReadonlySet<PeerClass> = new Set();
  /** Classes by what a table could ask about them: an atom, or the query of a named port. */
  readonly #asked = new Map<Atom | string, Set<PeerClass>>();

  sync(specs: ReadonlyMap<bigint, TableSpec>, classes: ReadonlySet<PeerClass>): Map<bigint, FilledTable> {
    const gone = [...this.#classes].filter((c) => !classes.has(c));
    const added = [...classes].filter((c) => !this.#classes.has(c));
    for (const peer of gone) for (const key of questions(peer)) this.#unlist(key, peer);
    for (const peer of added) for (const key of questions(peer)) this.#list(key, peer);
    this.#classes = classes;
    const tables = new Map<bigint, Filling>();
    for (const [id, spec] of specs) {
      const known = this.#tables.get(id);
      if (known !== undefined) known.change(gone, added);
      tables.set(id, known ?? new Filling(spec, this.#candidates(spec)));
    }
    this.#tables = tables;
    return new Map([...tables].map(([id, filling]) => [id, filling.filled()]));
  }

  /** Every class that the table might not treat as its default. */
  #candidates(spec: TableSpec): Set<PeerClass> {
    const candidates = new Set<PeerClass>();
    for (const key of [...spec.atoms, ...spec.queries]) for (const peer of this.#asked.get(key) ?? []) candidates.add(peer);
    return candidates;
  }

  #list(key: Atom | string, peer: PeerClass): void {
    const set = this.#asked.get(key);
    if (set === undefined) this.#asked.set(key, new Set([peer]));
    else set.add(peer);
  }

  #unlist(key: Atom | string, peer: PeerClass): void {
    const set = this.#asked.get(key);
    if (set?.delete(peer) && set.size === 0) this.#asked.delete(key);
  }
}

function questions(peer: PeerClass): Set<Atom | string> {
  return new Set(peer.answers.flatMap((answers) => [...answers.atoms].map((atom) => (atom.kind === 'port' ? atom.query : atom))));
}

class Filling {
  readonly #table: TableEntries;
  readonly #rows = new Map<PeerClass, Rows>();
  #filled: FilledTable | undefined;

  constructor(spec: TableSpec, candidates: Iterable<PeerClass>) {
    this.#table = new TableEntries(spec);
    for (const peer of candidates) this.#add(peer);
  }

  change(gone: readonly PeerClass[], added: readonly PeerClass[]): void {
    for (const peer of gone) if (this.#rows.delete(peer)) this.#filled = undefined;
    for (const peer of added) this.#add(peer);
    this.#table.forget(this.#rows.size);
  }

  /** The same object as long as nothing changed. */
  filled(): FilledTable {
    if (this.#filled !== undefined) return this.#filled;
    const { fallback } = this.#table;
    const entries = new Map([[0n, fallback.id]]);
    const rows = new Map([[fallback.id, fallback]]);
    for (const [peer, found] of this.#rows) {
      entries.set(peer.id, found.id);
      rows.set(found.id, found);
    }
    return (this.#filled = { entries, rows });
  }

  #add(peer: PeerClass): void {
    const rows = this.#table.rows(peer);
    if (rows === undefined) return;
    this.#rows.set(peer, rows);
    this.#filled = undefined;
  }
}
