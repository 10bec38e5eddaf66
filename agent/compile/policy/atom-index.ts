import { namesNamespace } from '../../model/policy.js';
import type { Selector } from '../../model/selector.js';
import type { PodsAtom } from './atoms.js';
import type { PodKind } from './live-pods.js';

/** Atoms by something that each of their members must have, so that a new kind of pod is held against the few it could satisfy. */
export class AtomIndex {
  readonly #atoms = new Map<string, Set<PodsAtom>>();

  add(atom: PodsAtom): void {
    for (const key of keysOf(atom)) {
      const set = this.#atoms.get(key);
      if (set === undefined) this.#atoms.set(key, new Set([atom]));
      else set.add(atom);
    }
  }

  remove(atom: PodsAtom): void {
    for (const key of keysOf(atom)) {
      const set = this.#atoms.get(key);
      if (set?.delete(atom) && set.size === 0) this.#atoms.delete(key);
    }
  }

  /** A superset of the atoms that hold for pods of this kind. */
  *candidates(kind: PodKind): Generator<PodsAtom> {
    yield* this.#atoms.get(ANYTHING) ?? [];
    yield* this.#atoms.get(namespaceKey(kind.namespace)) ?? [];
    for (const [label, value] of Object.entries(kind.labels)) yield* this.#atoms.get(labelKey(label, value)) ?? [];
  }
}

const ANYTHING = '';
const namespaceKey = (name: string): string => `namespace ${name}`;
const labelKey = (label: string, value: string): string => `label ${label}=${value}`;

function keysOf({ selection: { namespaces, pods } }: PodsAtom): readonly string[] {
  if (namesNamespace(namespaces)) return [namespaceKey(namespaces.name)];
  const [fewest] = required(pods).sort((a, b) => a.length - b.length);
  return fewest ?? [ANYTHING];
}

/** Labels of which a pod must have one, for every requirement of the selector that says so. */
function required(selector: Selector): string[][] {
  if (selector.op === 'in') return [selector.values.map((value) => labelKey(selector.key, value))];
  return selector.op === 'and' ? selector.of.flatMap(required) : [];
}
