import { MapEditor, type VersionedMap } from '../../base/versioned-map.js';
import type { PolicyState, RuleRow } from '../desired.js';
import type { Atom } from './atoms.js';
import type { PeerClass } from './peer-class.js';
import type { Rows } from './rule-rows.js';
import { TableEntries } from './table-entries.js';
import type { SpecChanges } from './spec-counts.js';
import type { TableSpec } from './table-spec.js';

export type Filled = Pick<PolicyState, 'tables' | 'rows' | 'rules'>;

/** Fills tables with the classes they single out. Looks only at tables that are new, and at new classes in tables that ask something of them. */
export class TableFiller {
  readonly #fillings = new Map<bigint, Filling>();
  readonly #tables = new MapEditor<bigint, VersionedMap<bigint, bigint>>();
  readonly #classes = new ByQuestion<PeerClass>();
  readonly #askers = new ByQuestion<Filling>();
  readonly #rows = new RowsPool();

  sync(specs: SpecChanges, classes: { readonly added: readonly PeerClass[]; readonly gone: readonly PeerClass[] }): Filled {
    const touched = new Set<Filling>();
    for (const { id } of specs.ended) this.#drop(id);
    for (const peer of classes.gone) {
      const questions = questionsTo(peer);
      this.#classes.remove(questions, peer);
      for (const filling of this.#askers.of(questions)) if (filling.remove(peer)) touched.add(filling);
    }
    for (const peer of classes.added) {
      const questions = questionsTo(peer);
      this.#classes.add(questions, peer);
      for (const filling of this.#askers.of(questions)) if (filling.add(peer)) touched.add(filling);
    }
    for (const spec of specs.began) touched.add(this.#make(spec));
    for (const filling of touched) this.#tables.set(filling.id, filling.entries());
    return { tables: this.#tables.version(), ...this.#rows.versions() };
  }

  #make(spec: TableSpec): Filling {
    const filling = new Filling(spec.id, spec, this.#rows);
    for (const peer of this.#classes.of(questionsOf(spec))) filling.add(peer);
    this.#askers.add(questionsOf(spec), filling);
    this.#fillings.set(spec.id, filling);
    return filling;
  }

  #drop(id: bigint): void {
    const filling = this.#fillings.get(id)!;
    this.#askers.remove(questionsOf(filling.spec), filling);
    filling.empty();
    this.#fillings.delete(id);
    this.#tables.delete(id);
  }
}

/** What a table could ask about a class: an atom, or the query of a named port. */
type Question = Atom | string;

const questionsOf = ({ atoms, queries }: TableSpec): Set<Question> => new Set<Question>([...atoms, ...queries]);

function questionsTo(peer: PeerClass): Set<Question> {
  return new Set(peer.answers.flatMap((answers) => [...answers.atoms].map((atom) => (atom.kind === 'port' ? atom.query : atom))));
}

/** Classes by the questions they answer; tables by those they ask. */
class ByQuestion<T> {
  readonly #items = new Map<Question, Set<T>>();

  add(questions: Iterable<Question>, item: T): void {
    for (const question of questions) {
      const set = this.#items.get(question);
      if (set === undefined) this.#items.set(question, new Set([item]));
      else set.add(item);
    }
  }

  remove(questions: Iterable<Question>, item: T): void {
    for (const question of questions) {
      const set = this.#items.get(question);
      if (set?.delete(item) && set.size === 0) this.#items.delete(question);
    }
  }

  /** Everything under any of these: in a table, whatever else there is gets the default. */
  of(questions: ReadonlySet<Question>): Set<T> {
    const found = new Set<T>();
    const add = (items: Iterable<T>): void => {
      for (const item of items) found.add(item);
    };
    if (questions.size <= this.#items.size) for (const question of questions) add(this.#items.get(question) ?? []);
    else for (const [question, items] of this.#items) if (questions.has(question)) add(items);
    return found;
  }
}

/** One table, as it fills. */
class Filling {
  readonly #table: TableEntries;
  /** Class id (0n: default) -> rows id. */
  readonly #entries: MapEditor<bigint, bigint>;

  constructor(readonly id: bigint, readonly spec: TableSpec, private readonly pool: RowsPool) {
    this.#table = new TableEntries(spec);
    this.#entries = new MapEditor(new Map([[0n, this.#table.fallback.id]]));
    pool.use(this.#table.fallback);
  }

  /** @returns whether the table has an entry for it now */
  add(peer: PeerClass): boolean {
    const rows = this.#table.rows(peer);
    this.#table.forget(this.#entries.size);
    if (rows === undefined) return false;
    this.#entries.set(peer.id, rows.id);
    this.pool.use(rows);
    return true;
  }

  /** @returns whether the table had an entry for it */
  remove(peer: PeerClass): boolean {
    const rows = this.#entries.get(peer.id);
    if (rows === undefined) return false;
    this.#entries.delete(peer.id);
    this.pool.leave(rows);
    return true;
  }

  empty(): void {
    for (const rows of this.entries().values()) this.pool.leave(rows);
  }

  entries(): VersionedMap<bigint, bigint> {
    return this.#entries.version();
  }
}

/** Rows by their id, and the rules they tell, as long as an entry points at them. */
class RowsPool {
  readonly #uses = new Map<bigint, { readonly made: Rows; entries: number }>();
  readonly #tellers = new Map<bigint, number>();
  readonly #rows = new MapEditor<bigint, readonly RuleRow[]>();
  readonly #rules = new MapEditor<bigint, string>();

  /** One entry more points at them. */
  use(made: Rows): void {
    const use = this.#uses.get(made.id);
    if (use !== undefined) {
      use.entries++;
      return;
    }
    this.#uses.set(made.id, { made, entries: 1 });
    this.#rows.set(made.id, made.rows);
    for (const [rule, name] of made.rules) this.#tell(rule, name, 1);
  }

  /** One entry less. */
  leave(id: bigint): void {
    const use = this.#uses.get(id)!;
    if (--use.entries > 0) return;
    this.#uses.delete(id);
    this.#rows.delete(id);
    for (const [rule, name] of use.made.rules) this.#tell(rule, name, -1);
  }

  versions(): Pick<PolicyState, 'rows' | 'rules'> {
    return { rows: this.#rows.version(), rules: this.#rules.version() };
  }

  #tell(rule: bigint, name: string, step: 1 | -1): void {
    const now = (this.#tellers.get(rule) ?? 0) + step;
    if (now > 0) {
      this.#tellers.set(rule, now);
      this.#rules.set(rule, name);
    } else {
      this.#tellers.delete(rule);
      this.#rules.delete(rule);
    }
  }
}
