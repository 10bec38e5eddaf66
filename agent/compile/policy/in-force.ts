import { changesBetween } from '../../base/versioned-map.js';
import type { Namespace, Pod } from '../../model/objects.js';
import { DEFAULT_TIER, type Direction, type Policy, type PodSelection, type Tier, namesNamespace } from '../../model/policy.js';
import { type Selector, matches } from '../../model/selector.js';
import type { TierPolicies } from './table-spec.js';

/** Policies by where their subjects can be, so that a pod asks a handful of 14,000. */
export class PolicyIndex {
  readonly #byNamespace = new Map<string, readonly Policy[]>();
  #anywhere: readonly Policy[] = [];
  #policies: ReadonlyMap<string, Policy> = new Map();

  /** Looks only at policies that have changed. @returns where their subjects are */
  sync(policies: ReadonlyMap<string, Policy>): { readonly namespaces: ReadonlySet<string>; readonly anywhere: boolean } {
    const namespaces = new Set<string>();
    const anywhere = this.#anywhere;
    for (const [, before, now] of changesBetween(this.#policies, policies)) {
      if (before !== undefined) this.#edit(before, (list) => list.filter((policy) => policy !== before), namespaces);
      if (now !== undefined) this.#edit(now, (list) => [...list, now], namespaces);
    }
    this.#policies = policies;
    return { namespaces, anywhere: this.#anywhere !== anywhere };
  }

  /** Those whose subject is in this one namespace, by its name; undefined: there are none. */
  ofNamespace(name: string): readonly Policy[] | undefined {
    return this.#byNamespace.get(name);
  }

  /** Those whose subject is not one named namespace. */
  get anywhere(): readonly Policy[] {
    return this.#anywhere;
  }

  #edit({ subject: { namespaces } }: Policy, change: (list: readonly Policy[]) => readonly Policy[], touched: Set<string>): void {
    if (!namesNamespace(namespaces)) {
      this.#anywhere = change(this.#anywhere);
      return;
    }
    touched.add(namespaces.name);
    const list = change(this.#byNamespace.get(namespaces.name) ?? []);
    if (list.length === 0) this.#byNamespace.delete(namespaces.name);
    else this.#byNamespace.set(namespaces.name, list);
  }
}

/** Policies that apply to a pod in one direction, by tier, in order. Empty: not isolated. */
export function policiesInForce(
  direction: Direction, pod: Pod, namespace: Namespace, index: PolicyIndex, tiers: ReadonlyMap<string, Tier>,
): readonly TierPolicies[] {
  const candidates = [...(index.ofNamespace(pod.namespace) ?? []), ...index.anywhere];
  const applying = candidates.filter((p) => p.directions.includes(direction) && selects(p.subject, pod, namespace));
  const byTier = new Map<string, Policy[]>();
  for (const policy of applying) {
    const list = byTier.get(policy.tier);
    if (list === undefined) byTier.set(policy.tier, [policy]);
    else list.push(policy);
  }
  return [...byTier]
    .map(([name, policies]) => ({ tier: tiers.get(name) ?? absentTier(name), known: tiers.has(name) || name === DEFAULT_TIER.name, policies }))
    .sort((a, b) => Number(b.known) - Number(a.known) || compareOrder(a.tier.order, b.tier.order) || compareText(a.tier.name, b.tier.name))
    .map(({ tier, policies }) => ({ tier, policies: policies.sort(comparePolicies) }));
}

/** Whether a pod of this selection. `namespace` undefined: its labels are unknown, so only a selector that asks nothing of them holds. */
export function selects(selection: PodSelection, pod: { readonly namespace: string; readonly labels: Pod['labels'] }, namespace: Namespace | undefined): boolean {
  const { namespaces, pods } = selection;
  const inNamespace = namesNamespace(namespaces)
    ? namespaces.name === pod.namespace
    : namespace === undefined ? asksNothing(namespaces) : matches(namespaces, namespace.labels);
  return inNamespace && matches(pods, pod.labels);
}

/** Whether a selector holds for every label set by its form. Selectors of equal text agree on it, as atoms need. */
export function asksNothing(selector: Selector): boolean {
  if (selector.op === 'all') return true;
  if (selector.op === 'and') return selector.of.every(asksNothing);
  return selector.op === 'or' && selector.of.length > 0 && selector.of.every(asksNothing);
}

/** A tier that policies name and nobody defines comes after those that exist and denies at its end (compat.md 6.7). */
function absentTier(name: string): Tier {
  return name === DEFAULT_TIER.name ? DEFAULT_TIER : { name, order: undefined, defaultAction: 'deny' };
}

const compareOrder = (a: number | undefined, b: number | undefined): number => (a === b ? 0 : (a ?? Infinity) < (b ?? Infinity) ? -1 : 1);
const compareText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

/** By order, then by the text Felix compares. */
function comparePolicies(a: Policy, b: Policy): number {
  const text = ({ key }: Policy): string => `${key.name}/${key.namespace}/${key.kind}`;
  return compareOrder(a.order, b.order) || compareText(text(a), text(b));
}
