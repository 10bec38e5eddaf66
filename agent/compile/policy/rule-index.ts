import type { Atom } from './atoms.js';
import type { RuleSpec } from './table-spec.js';

/**
 * Which of a table's rules hold for a peer. Costs what the peer satisfies or
 * what the rules ask, whichever is less: a rule may name 100,000 prefixes, of
 * which an address is in one or two.
 */
export class RuleIndex {
  readonly #rules: readonly RuleSpec[];
  /** Positions of rules that hold for every peer, in order. */
  readonly #always: readonly number[];
  /** Every alternative of every other rule, under the one of its atoms that the fewest alternatives ask for. */
  readonly #byAtom = new Map<Atom, Alternative[]>();

  constructor(rules: readonly RuleSpec[]) {
    this.#rules = rules;
    this.#always = [...rules.keys()].filter((i) => rules[i]!.peers === undefined);
    const asking = new Map<Atom, number>();
    for (const { peers } of rules) for (const atoms of peers ?? []) for (const atom of atoms) asking.set(atom, (asking.get(atom) ?? 0) + 1);
    for (const [rule, { peers }] of rules.entries()) {
      for (const atoms of peers ?? []) this.#list(rarest(atoms, asking), { rule, atoms });
    }
  }

  /** Positions of the rules that hold for this peer and not for all, in order. */
  holding(satisfied: ReadonlySet<Atom>): number[] {
    const held: number[] = [];
    if (satisfied.size < this.#byAtom.size) for (const atom of satisfied) addHeld(held, this.#byAtom.get(atom), satisfied);
    else for (const [atom, alternatives] of this.#byAtom) if (satisfied.has(atom)) addHeld(held, alternatives, satisfied);
    if (held.length < 2) return held;
    return [...new Set(held)].sort((a, b) => a - b);
  }

  /** Those at `held`, and those that hold for every peer, in order. */
  rules(held: readonly number[]): readonly RuleSpec[] {
    return [...this.#always, ...held].sort((a, b) => a - b).map((i) => this.#rules[i]!);
  }

  #list(atom: Atom, alternative: Alternative): void {
    const known = this.#byAtom.get(atom);
    if (known === undefined) this.#byAtom.set(atom, [alternative]);
    else known.push(alternative);
  }
}

function addHeld(held: number[], alternatives: readonly Alternative[] | undefined, satisfied: ReadonlySet<Atom>): void {
  if (alternatives === undefined) return;
  for (const { rule, atoms } of alternatives) if (areIn(satisfied, atoms)) held.push(rule);
}

/** This is asked of every new class in every table. */
function areIn(satisfied: ReadonlySet<Atom>, atoms: readonly Atom[]): boolean {
  for (const atom of atoms) if (!satisfied.has(atom)) return false;
  return true;
}

/** One peer of a rule: it holds where each of its atoms does. There is at least one, or the rule would hold for every peer. */
interface Alternative {
  readonly rule: number;
  readonly atoms: readonly Atom[];
}

function rarest(atoms: readonly Atom[], asking: ReadonlyMap<Atom, number>): Atom {
  return atoms.reduce((best, atom) => (asking.get(atom)! < asking.get(best)! ? atom : best));
}
