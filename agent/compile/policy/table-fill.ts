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
  readonly #asked = new Askable();

  sync(specs: ReadonlyMap<bigint, TableSpec>, classes: ReadonlySet<PeerClass>): Map<bigint, FilledTable> {
    const gone = new Set([...this.#classes].filter((c) => !classes.has(c)));
    const added = new Askable();
    for (const peer of gone) this.#asked.remove(peer);
    for (const peer of classes) {
      if (this.#classes.has(peer)) continue;
      this.#asked.add(peer);
      added.add(peer);
    }
    this.#classes = classes;
    const tables = new Map<bigint, Filling>();
    for (const [id, spec] of specs) {
      const known = this.#tables.get(id);
      if (known !== undefined) known.change(gone, added.by(spec));
      tables.set(id, known ?? new Filling(spec, this.#asked.by(spec)));
    }
    this.#tables = tables;
    return new Map([...tables].map(([id, filling]) => [id, filling.filled()]));
  }
}

/** Classes by what a table could ask about them: an atom, or the query of a named port. */
class Askable {
  readonly #classes = new Map<Atom | string, Set<PeerClass>>();

  add(peer: PeerClass): void {
    for (const key of questions(peer)) {
      const set = this.#classes.get(key);
      if (set === undefined) this.#classes.set(key, new Set([peer]));
      else set.add(peer);
    }
  }

  remove(peer: PeerClass): void {
    for (const key of questions(peer)) {
      const set = this.#classes.get(key);
      if (set?.delete(peer) && set.size === 0) this.#classes.delete(key);
    }
  }

  /** Every class that the table might not treat as its default. */
  by({ atoms, queries }: TableSpec): Set<PeerClass> {
    const found = new Set<PeerClass>();
    const add = (peers: Iterable<PeerClass>): void => {
      for (const peer of peers) found.add(peer);
    };
    if (atoms.size + queries.size <= this.#classes.size) for (const key of [...atoms, ...queries]) add(this.#classes.get(key) ?? []);
    else for (const [key, peers] of this.#classes) if (typeof key === 'string' ? queries.has(key) : atoms.has(key)) add(peers);
    return found;
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

  change(gone: ReadonlySet<PeerClass>, added: Iterable<PeerClass>): void {
    const leaving = gone.size <= this.#rows.size ? gone : [...this.#rows.keys()].filter((peer) => gone.has(peer));
    for (const peer of leaving) if (this.#rows.delete(peer)) this.#filled = undefined;
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
