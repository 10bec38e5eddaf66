import type { Namespace, Pod } from '../../model/objects.js';
import { DEFAULT_TIER, type Direction, type Policy, type PodSelection, type Tier, namesNamespace } from '../../model/policy.js';
import { type Selector, matches } from '../../model/selector.js';
import type { TierPolicies } from './table-spec.js';

/** Policies by where their subjects can be, so that a pod asks a handful of 14,000. */
export interface PolicyIndex {
  readonly byNamespace: ReadonlyMap<string, readonly Policy[]>;
  /** Those whose subject is not one named namespace. */
  readonly anywhere: readonly Policy[];
}

/** Arrays of `previous` are kept where their content is the same, so that `===` tells what changed. */
export function indexPolicies(policies: ReadonlyMap<string, Policy>, previous?: PolicyIndex): PolicyIndex {
  const byNamespace = new Map<string, Policy[]>();
  const anywhere: Policy[] = [];
  for (const policy of policies.values()) {
    const { namespaces } = policy.subject;
    if (!namesNamespace(namespaces)) anywhere.push(policy);
    else if (byNamespace.has(namespaces.name)) byNamespace.get(namespaces.name)!.push(policy);
    else byNamespace.set(namespaces.name, [policy]);
  }
  const kept = new Map<string, readonly Policy[]>();
  for (const [name, list] of byNamespace) kept.set(name, same(list, previous?.byNamespace.get(name)));
  return { byNamespace: kept, anywhere: same(anywhere, previous?.anywhere) };
}

function same(list: readonly Policy[], previous: readonly Policy[] | undefined): readonly Policy[] {
  const equal = previous !== undefined && previous.length === list.length && previous.every((policy, i) => policy === list[i]);
  return equal ? previous : list;
}

/** Policies that apply to a pod in one direction, by tier, in order. Empty: not isolated. */
export function policiesInForce(
  direction: Direction, pod: Pod, namespace: Namespace, index: PolicyIndex, tiers: ReadonlyMap<string, Tier>,
): readonly TierPolicies[] {
  const candidates = [...(index.byNamespace.get(pod.namespace) ?? []), ...index.anywhere];
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
