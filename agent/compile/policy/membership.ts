import type { Namespace } from '../../model/objects.js';
import { namesNamespace } from '../../model/policy.js';
import { type Selector, matches } from '../../model/selector.js';
import type { PodsAtom } from './atoms.js';
import { asksNothing, selects } from './in-force.js';
import type { PodKind } from './live-pods.js';

/**
 * Which kinds of pods satisfy which selections, kept up to date: only new
 * kinds, kinds of changed namespaces, and new atoms are looked at. Its answer
 * is a function of the last `sync` alone.
 */
export class Membership {
  #members = new Map<PodKind, Member>();
  #atoms = new Map<PodsAtom, Set<Member>>();
  readonly #byNamespace = new Index();
  readonly #byLabel = new Index();

  /** The atoms that hold for a kind of the last sync; the same array as long as they are the same. */
  atomsOf(kind: PodKind): readonly PodsAtom[] {
    return this.#members.get(kind)!.list();
  }

  sync(kinds: ReadonlySet<PodKind>, namespaces: ReadonlyMap<string, Namespace>, atoms: ReadonlySet<PodsAtom>): void {
    for (const [kind, member] of this.#members) if (!kinds.has(kind)) this.#leave(kind, member);
    for (const [atom, members] of this.#atoms) {
      if (atoms.has(atom)) continue;
      for (const member of members) member.remove(atom);
      this.#atoms.delete(atom);
    }
    for (const kind of kinds) {
      const namespace = namespaces.get(kind.namespace);
      const member = this.#members.get(kind);
      if (member === undefined) this.#judge(this.#enter(kind, namespace));
      else if (member.namespace !== namespace) {
        member.namespace = namespace;
        this.#judge(member);
      }
    }
    const selected = new Map<string, ReadonlySet<string>>();
    for (const atom of atoms) {
      if (this.#atoms.has(atom)) continue;
      const members = new Set<Member>();
      this.#atoms.set(atom, members);
      for (const member of this.#candidates(atom, namespaces, selected)) {
        if (!selects(atom.selection, member.kind, member.namespace)) continue;
        member.add(atom);
        members.add(member);
      }
    }
  }

  #enter(kind: PodKind, namespace: Namespace | undefined): Member {
    const member = new Member(kind, namespace);
    this.#members.set(kind, member);
    this.#byNamespace.add(kind.namespace, member);
    for (const [key, value] of Object.entries(kind.labels)) this.#byLabel.add(`${key}=${value}`, member);
    return member;
  }

  #leave(kind: PodKind, member: Member): void {
    this.#members.delete(kind);
    for (const atom of member.atoms) this.#atoms.get(atom)?.delete(member);
    this.#byNamespace.remove(kind.namespace, member);
    for (const [key, value] of Object.entries(kind.labels)) this.#byLabel.remove(`${key}=${value}`, member);
  }

  #judge(member: Member): void {
    for (const [atom, members] of this.#atoms) {
      if (selects(atom.selection, member.kind, member.namespace)) {
        member.add(atom);
        members.add(member);
      } else {
        member.remove(atom);
        members.delete(member);
      }
    }
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
    if (this.atoms.has(atom)) return;
    this.atoms.add(atom);
    this.#list = undefined;
  }

  remove(atom: PodsAtom): void {
    if (this.atoms.delete(atom)) this.#list = undefined;
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
