import type { Atom, NetsAtom, PodsAtom } from './atoms.js';
import type { SpecChanges } from './spec-counts.js';
import type { TableSpec } from './table-spec.js';

/** What tables began to ask, and stopped asking, since the last call. */
export interface AskedChanges {
  readonly began: readonly PodsAtom[];
  readonly ended: readonly PodsAtom[];
  readonly nets: { readonly began: readonly NetsAtom[]; readonly ended: readonly NetsAtom[] };
  /** Whether other named ports are asked for. */
  readonly queries: boolean;
}

/** What the tables in force ask of peers: counts who asks, so that a table that comes or goes costs what it asks itself. */
export class Asked {
  readonly #atoms = new Map<Atom, number>();
  readonly #queries = new Map<string, number>();

  sync(specs: SpecChanges): AskedChanges {
    const atoms = new Map<Atom, boolean>(); // those touched, and whether they were asked for before
    const queries = new Map<string, boolean>();
    for (const spec of specs.began) this.#count(spec, 1, atoms, queries);
    for (const spec of specs.ended) this.#count(spec, -1, atoms, queries);
    const changed = [...atoms].filter(([atom, before]) => before !== this.#atoms.has(atom));
    const began = changed.filter(([, before]) => !before).map(([atom]) => atom);
    const ended = changed.filter(([, before]) => before).map(([atom]) => atom);
    return {
      began: began.filter(isPods),
      ended: ended.filter(isPods),
      nets: { began: began.filter(isNets), ended: ended.filter(isNets) },
      queries: [...queries].some(([query, before]) => before !== this.#queries.has(query)),
    };
  }

  /** Atoms of both kinds. */
  get atoms(): { readonly size: number; has(atom: Atom): boolean } {
    return this.#atoms;
  }

  asks(query: string): boolean {
    return this.#queries.has(query);
  }

  #count(spec: TableSpec, step: 1 | -1, atoms: Map<Atom, boolean>, queries: Map<string, boolean>): void {
    for (const atom of spec.atoms) count(this.#atoms, atom, step, atoms);
    for (const query of spec.queries) count(this.#queries, query, step, queries);
  }
}

const isPods = (atom: Atom): atom is PodsAtom => atom.kind === 'pods';
const isNets = (atom: Atom): atom is NetsAtom => atom.kind === 'nets';

function count<T>(counts: Map<T, number>, item: T, step: 1 | -1, touched: Map<T, boolean>): void {
  const before = counts.get(item) ?? 0;
  if (!touched.has(item)) touched.set(item, before > 0);
  if (before + step === 0) counts.delete(item);
  else counts.set(item, before + step);
}
