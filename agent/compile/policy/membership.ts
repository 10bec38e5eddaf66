import { changesBetween } from '../../base/versioned-map.js';
import type { Namespace } from '../../model/objects.js';
import { namesNamespace } from '../../model/policy.js';
import { type Selector, matches } from '../../model/selector.js';
import { AtomIndex } from './atom-index.js';
import type { PodsAtom } from './atoms.js';
import { asksNothing, selects } from './in-force.js';
import type { PodKind } from './live-pods.js';

/** What is other than at the last call. */
export interface MembershipChanges {
  readonly entered: ReadonlySet<PodKind>;
  readonly left: ReadonlySet<PodKind>;
  readonly began: readonly PodsAtom[];
  readonly ended: readonly PodsAtom[];
  /** All of them. */
  readonly namespaces: ReadonlyMap<string, Namespace>;
}

/**
 * Which kinds of pods satisfy which selections, kept up to date: only new
 * kinds, kinds of changed namespaces, and new atoms are looked at. Its answer
 * is a function of the kinds, atoms and namespaces that there are.
 */
export class Membership {
  readonly #members = new Map<PodKind, Member>();
  readonly #atoms = new Map<PodsAtom, Set<Member>>();
  readonly #index = new AtomIndex();
  readonly #byNamespace = new Index();
  readonly #byLabel = new Index();
  #namespaces: ReadonlyMap<string, Namespace> = new Map();
  /** Kinds that another atom holds for, or one less, in the call under way. */
  #touched = new Set<PodKind>();

  /** The atoms that hold for a kind; the same array as long as they are the same. */
  atomsOf(kind: PodKind): readonly PodsAtom[] {
    return this.#members.get(kind)!.list();
  }

  /** @returns kinds whose atoms have changed, new ones among them */
  sync({ entered, left, began, ended, namespaces }: MembershipChanges): ReadonlySet<PodKind> {
    this.#touched = new Set(entered);
    for (const kind of left) this.#leave(kind);
    for (const atom of ended) this.#end(atom);
    for (const [name, , now] of changesBetween(this.#namespaces, namespaces)) {
      for (const member of this.#byNamespace.get(name)) {
        member.namespace = now;
        this.#judge(member);
      }
    }
    this.#namespaces = namespaces;
    for (const kind of entered) this.#judge(this.#enter(kind, namespaces.get(kind.namespace)));
    const selected = new Map<string, ReadonlySet<string>>();
    for (const atom of began) this.#begin(atom, namespaces, selected);
    return this.#touched;
  }

  #begin(atom: PodsAtom, namespaces: ReadonlyMap<string, Namespace>, selected: Map<string, ReadonlySet<string>>): void {
    this.#atoms.set(atom, new Set());
    this.#index.add(atom);
    for (const member of this.#candidates(atom, namespaces, selected)) {
      if (selects(atom.selection, member.kind, member.namespace)) this.#join(member, atom);
    }
  }

  #end(atom: PodsAtom): void {
    this.#index.remove(atom);
    for (const member of [...(this.#atoms.get(atom) ?? [])]) this.#part(member, atom);
    this.#atoms.delete(atom);
  }

  #enter(kind: PodKind, namespace: Namespace | undefined): Member {
    const member = new Member(kind, namespace);
    this.#members.set(kind, member);
    this.#byNamespace.add(kind.namespace, member);
    for (const [key, value] of Object.entries(kind.labels)) this.#byLabel.add(`${key}=${value}`, member);
    return member;
  }

  #leave(kind: PodKind): void {
    const member = this.#members.get(kind)!;
    this.#members.delete(kind);
    for (const atom of member.atoms) this.#atoms.get(atom)?.delete(member);
    this.#byNamespace.remove(kind.namespace, member);
    for (const [key, value] of Object.entries(kind.labels)) this.#byLabel.remove(`${key}=${value}`, member);
  }

  #judge(member: Member): void {
    for (const atom of [...member.atoms]) if (!selects(atom.selection, member.kind, member.namespace)) this.#part(member, atom);
    for (const atom of this.#index.candidates(member.kind)) {
      if (!member.atoms.has(atom) && selects(atom.selection, member.kind, member.namespace)) this.#join(member, atom);
    }
  }

  #join(member: Member, atom: PodsAtom): void {
    member.add(atom);
    this.#atoms.get(atom)!.add(member);
    this.#touched.add(member.kind);
  }

  #part(member: Member, atom: PodsAtom): void {
    member.remove(atom);
    this.#atoms.get(atom)?.delete(member);
    this.#touched.add(member.kind);
  }

  /** A superset of the atom's members, by its rarest required label or by its namespaces. */
  *#candidates(atom: PodsAtom, namespaces: ReadonlyMap<string, Namespace>, selected: Map<string, ReadonlySet<string>>): Iterable<Member> {
    const { namespaces: where, pods } = atom.selection;
    if (namesNamespace(where)) return yield* this.#byNamespace.get(where.name);
    const labelled = required(pods)
      .map((pairs) => pairs.map((pair) => this.#byLabel.get(pair)))
      .sort((a, b) => count(a) - count(b))[0];
    if (labelled !== undefined) for (const members of labelled) yield* members;
    else if (asksNothing(where)) yield* this.#members.values();
    else for (const name of namesOf(where, atom.text, namespaces, selected)) yield* this.#byNamespace.get(name);
  }
}

/** Alternatives of `key=value` of which a pod must have one, for every requirement of the selector that says so. */
function required(selector: Selector): string[][] {
  if (selector.op === 'in') return [selector.values.map((value) => `${selector.key}=${value}`)];
  return selector.op === 'and' ? selector.of.flatMap(required) : [];
}

const count = (sets: readonly ReadonlySet<unknown>[]): number => sets.reduce((sum, set) => sum + set.size, 0);

/** Namespaces that a selector selects, remembered for the atoms that share it. */
function namesOf(where: Selector, text: string, namespaces: ReadonlyMap<string, Namespace>, selected: Map<string, ReadonlySet<string>>): ReadonlySet<string> {
  const key = text.slice(text.indexOf(' of labels '));
  let names = selected.get(key);
  if (names === undefined) {
    names = new Set([...namespaces.values()].filter((n) => matches(where, n.labels)).map((n) => n.name));
    selected.set(key, names);
  }
  return names;
}

class Member {
  readonly atoms = new Set<PodsAtom>();
  #list: readonly PodsAtom[] | undefined;

  constructor(readonly kind: PodKind, public namespace: Namespace | undefined) {}

  list(): readonly PodsAtom[] {
    return (this.#list ??= [...this.atoms]);
  }

  add(atom: PodsAtom): void {
    this.atoms.add(atom);
    this.#list = undefined;
  }

  remove(atom: PodsAtom): void {
    this.atoms.delete(atom);
    this.#list = undefined;
  }
}

class Index {
  readonly #sets = new Map<string, Set<Member>>();

  get(key: string): ReadonlySet<Member> {
    return this.#sets.get(key) ?? NONE;
  }

  add(key: string, member: Member): void {
    const set = this.#sets.get(key);
    if (set === undefined) this.#sets.set(key, new Set([member]));
    else set.add(member);
  }

  remove(key: string, member: Member): void {
    const set = this.#sets.get(key);
    if (set?.delete(member) && set.size === 0) this.#sets.delete(key);
  }
}

const NONE: ReadonlySet<Member> = new Set();
