import { MapEditor, type VersionedMap } from '../../base/versioned-map.js';
import type { PolicyState, RuleRow } from '../desired.js';
import type { Atom } from './atoms.js';
import type { ClassChanges, PeerClass } from './peer-class.js';
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
  /** Tables that single a class out, with what they tell it. */
  readonly #told = new Map<PeerClass, Map<Filling, Use>>();
  readonly #rows = new RowsPool();

  sync(specs: SpecChanges, { added, gone }: ClassChanges): Filled {
    const touched = new Set<Filling>();
    for (const { id } of specs.ended) this.#drop(id);
    for (const { peer, origin } of added) this.#add(peer, origin, touched); // first, as what goes may be an origin
    for (const peer of gone) this.#remove(peer, touched);
    for (const spec of specs.began) touched.add(this.#make(spec));
    for (const filling of touched) this.#tables.set(filling.id, filling.entries());
    return { tables: this.#tables.version(), ...this.#rows.versions() };
  }

  /** Tables that ask nothing of what it has and its origin has not, or the other way round, tell it what they tell that: this is asked of most. */
  #add(peer: PeerClass, origin: PeerClass | undefined, touched: Set<Filling>): void {
    const questions = questionsTo(peer);
    this.#classes.add(questions, peer);
    const told = new Map<Filling, Use>();
    this.#told.set(peer, told);
    const alike = origin !== undefined && peer.answers.length === 1 && origin.answers.length === 1;
    const apart = this.#askers.of(alike ? questionsApart(peer, origin) : questions);
    for (const [filling, use] of alike ? (this.#told.get(origin) ?? []) : []) if (!apart.has(filling)) told.set(filling, filling.put(peer, use));
    for (const filling of apart) this.#ask(filling, peer, told);
    for (const filling of told.keys()) touched.add(filling);
  }

  #ask(filling: Filling, peer: PeerClass, told: Map<Filling, Use>): void {
    const rows = filling.rowsFor(peer);
    if (rows !== undefined) told.set(filling, filling.put(peer, this.#rows.of(rows)));
  }

  #remove(peer: PeerClass, touched: Set<Filling>): void {
    this.#classes.remove(questionsTo(peer), peer);
    for (const [filling, use] of this.#told.get(peer)!) {
      filling.remove(peer, use);
      touched.add(filling);
    }
    this.#told.delete(peer);
  }

  #make(spec: TableSpec): Filling {
    const filling = new Filling(spec.id, spec, this.#rows);
    for (const peer of this.#classes.of(questionsOf(spec))) this.#ask(filling, peer, this.#told.get(peer)!);
    this.#askers.add(questionsOf(spec), filling);
    this.#fillings.set(spec.id, filling);
    return filling;
  }

  #drop(id: bigint): void {
    const filling = this.#fillings.get(id)!;
    this.#askers.remove(questionsOf(filling.spec), filling);
    for (const peer of this.#classes.of(questionsOf(filling.spec))) {
      const told = this.#told.get(peer)!;
      const use = told.get(filling);
      if (use !== undefined) this.#rows.leave(use);
      told.delete(filling);
    }
    filling.empty();
    this.#fillings.delete(id);
    this.#tables.delete(id);
  }
}

/** What a table could ask about a class: an atom, or the query of a named port. */
type Question = Atom | string;

const questionsOf = ({ atoms, queries }: TableSpec): Set<Question> => new Set<Question>([...atoms, ...queries]);

const questionTo = (atom: Atom): Question => (atom.kind === 'port' ? atom.query : atom);

function questionsTo(peer: PeerClass): Set<Question> {
  return new Set(peer.answers.flatMap((answers) => [...answers.atoms].map(questionTo)));
}

/** Those that one of two classes of one set of atoms each answers otherwise than the other. */
function questionsApart(a: PeerClass, b: PeerClass): Set<Question> {
  const [ofA, ofB] = [a.answers[0]!.atoms, b.answers[0]!.atoms];
  return new Set([...[...ofA].filter((atom) => !ofB.has(atom)), ...[...ofB].filter((atom) => !ofA.has(atom))].map(questionTo));
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

  readonly #fallback: Use;

  constructor(readonly id: bigint, readonly spec: TableSpec, private readonly pool: RowsPool) {
    this.#table = new TableEntries(spec);
    this.#entries = new MapEditor(new Map([[0n, this.#table.fallback.id]]));
    this.#fallback = pool.of(this.#table.fallback);
    this.#fallback.entries++;
  }

  /** Undefined: the default. */
  rowsFor(peer: PeerClass): Rows | undefined {
    const rows = this.#table.rows(peer);
    this.#table.forget(this.#entries.size);
    return rows;
  }

  /** Singles out a class that it does not know yet. */
  put(peer: PeerClass, use: Use): Use {
    this.#entries.add(peer.id, use.made.id);
    use.entries++;
    return use;
  }

  /** Forgets one that it has singled out. */
  remove(peer: PeerClass, use: Use): void {
    this.#entries.delete(peer.id);
    this.pool.leave(use);
  }

  /** Nobody asks it any more; its classes have been taken out of the books. */
  empty(): void {
    this.pool.leave(this.#fallback);
  }

  entries(): VersionedMap<bigint, bigint> {
    return this.#entries.version();
  }
}

/** Rows, and how many entries point at them. */
interface Use {
  readonly made: Rows;
  entries: number;
}

/** Rows by their id, and the rules they tell, as long as an entry points at them. */
class RowsPool {
  readonly #uses = new Map<bigint, Use>();
  readonly #tellers = new Map<bigint, number>();
  readonly #rows = new MapEditor<bigint, readonly RuleRow[]>();
  readonly #rules = new MapEditor<bigint, string>();

  /** For somebody who counts his entry at once. */
  of(made: Rows): Use {
    const known = this.#uses.get(made.id);
    if (known !== undefined) return known;
    const use = { made, entries: 0 };
    this.#uses.set(made.id, use);
    this.#rows.set(made.id, made.rows);
    for (const [rule, name] of made.rules) this.#tell(rule, name, 1);
    return use;
  }

  /** One entry less. */
  leave(use: Use): void {
    if (--use.entries > 0) return;
    this.#uses.delete(use.made.id);
    this.#rows.delete(use.made.id);
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
