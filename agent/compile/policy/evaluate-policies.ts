import type { IpAddress } from '../../base/address.js';
import type { Pod } from '../../model/objects.js';
import { DEFAULT_TIER, type Direction, type Peer, type PodSelection, type Policy, type Rule, type Tier, namesNamespace, ruleName } from '../../model/policy.js';
import { type Selector, matches, selectorText } from '../../model/selector.js';
import type { Snapshot } from '../../model/snapshot.js';

/** One step of an explanation. */
export type Step =
  | { readonly kind: 'note'; readonly text: string }
  /** A policy that selects the pod in this direction. */
  | { readonly kind: 'policy'; readonly tier: string; readonly policy: string }
  | { readonly kind: 'rule'; readonly rule: string; readonly action: Rule['action']; readonly matched: boolean; readonly why: string }
  /** A tier came to its end without a decision. */
  | { readonly kind: 'end'; readonly tier: string; readonly action: Tier['defaultAction'] };

/** What the policies say about one peer. */
export interface Opinion {
  readonly allow: boolean;
  /** Whether any policy applies. */
  readonly isolated: boolean;
  readonly rule: string | undefined;
  readonly tier: string | undefined;
  readonly log: boolean;
  readonly steps: readonly Step[];
}

/** The other end: its address, and the pod it belongs to if any. */
export interface PeerEnd {
  readonly address: IpAddress;
  readonly pod: Pod | undefined;
}

interface Service {
  readonly protocol: number;
  readonly port: number;
}

/** The order of compat.md 6.7, read aloud. */
export function judgePolicies(snapshot: Snapshot, direction: Direction, subject: Pod, peer: PeerEnd, service: Service): Opinion {
  const applying = [...snapshot.policies.values()].filter(
    (policy) => policy.directions.includes(direction) && selected(snapshot, policy.subject, subject),
  );
  const steps: Step[] = [];
  let log = false;
  const opinion = (allow: boolean, rule?: string, tier?: string): Opinion => ({ allow, isolated: applying.length > 0, rule, tier, log, steps });
  if (applying.length === 0) steps.push({ kind: 'note', text: `no policy isolates ${subject.namespace}/${subject.name} in ${direction}` });
  for (const tier of tiersOf(snapshot, applying)) {
    let passed = false;
    for (const policy of inOrder(applying.filter((p) => p.tier === tier.name))) {
      if (passed) break;
      steps.push({ kind: 'policy', tier: tier.name, policy: `${policy.key.kind}/${policy.key.namespace}/${policy.key.name}` });
      for (const [index, rule] of policy[direction].entries()) {
        const why = whyNot(snapshot, direction, rule, subject, peer, service);
        const name = ruleName(policy.key, direction, index);
        steps.push({ kind: 'rule', rule: name, action: rule.action, matched: why === undefined, why: why ?? 'peer, protocol and port match' });
        if (why !== undefined) continue;
        if (rule.action === 'allow' || rule.action === 'deny') return opinion(rule.action === 'allow', name, tier.name);
        if (rule.action === 'log') log = true;
        if (rule.action === 'pass') passed = true;
        if (passed) break;
      }
    }
    if (passed) continue;
    steps.push({ kind: 'end', tier: tier.name, action: tier.defaultAction });
    if (tier.defaultAction === 'deny') return opinion(false, undefined, tier.name);
  }
  return opinion(true);
}

/** Tiers in which something applies: those that exist before those that are only named, by order, then by name. */
function tiersOf(snapshot: Snapshot, applying: readonly Policy[]): Tier[] {
  const names = [...new Set(applying.map((p) => p.tier))];
  const existing = names.flatMap((name) => snapshot.tiers.get(name) ?? (name === DEFAULT_TIER.name ? [DEFAULT_TIER] : []));
  const missing = names.filter((name) => !existing.some((tier) => tier.name === name));
  const sorted = (tiers: Tier[]): Tier[] => tiers.sort((a, b) => byOrder(a.order, b.order) || byText(a.name, b.name));
  return [...sorted(existing), ...sorted(missing.map((name) => ({ name, order: undefined, defaultAction: 'deny' })))];
}

function inOrder(policies: Policy[]): Policy[] {
  const text = ({ key }: Policy): string => [key.name, key.namespace, key.kind].join('/');
  return policies.sort((a, b) => byOrder(a.order, b.order) || byText(text(a), text(b)));
}

function byOrder(a: number | undefined, b: number | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  return b === undefined || a < b ? -1 : 1;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function selected(snapshot: Snapshot, selection: PodSelection, pod: Pod): boolean {
  if (!matches(selection.pods, pod.labels)) return false;
  if (namesNamespace(selection.namespaces)) return selection.namespaces.name === pod.namespace;
  const namespace = snapshot.namespaces.get(pod.namespace);
  return namespace === undefined ? holdsUnseen(selection.namespaces) : matches(selection.namespaces, namespace.labels);
}

/** Of a namespace whose labels are not known: true only where no label is asked about and the answer is yes. */
function holdsUnseen(selector: Selector): boolean {
  switch (selector.op) {
    case 'all':
      return true;
    case 'and':
      return selector.of.every(holdsUnseen);
    case 'or':
      return selector.of.length > 0 && selector.of.every(holdsUnseen);
    default:
      return false;
  }
}

/** Undefined: the rule matches. */
function whyNot(snapshot: Snapshot, direction: Direction, rule: Rule, subject: Pod, peer: PeerEnd, service: Service): string | undefined {
  if (rule.services.length > 0) {
    const target = direction === 'ingress' ? subject : peer.pod;
    if (!rule.services.some(({ protocol, ports }) => protocol === service.protocol && (ports.length === 0 || ports.some((port) => servesPort(port, target, service))))) {
      return `protocol ${service.protocol} port ${service.port} is none of ${rule.services.map(serviceText).join(', ')}`;
    }
  }
  if (rule.peers.length === 0) return undefined;
  const reasons = rule.peers.map((p) => peerMisses(snapshot, p, peer));
  return reasons.includes(undefined) ? undefined : reasons.join('; ');
}

function servesPort(port: Rule['services'][number]['ports'][number], target: Pod | undefined, service: Service): boolean {
  if (!('name' in port)) return port.from <= service.port && service.port <= port.to;
  if (target === undefined) return false;
  return target.namedPorts.some((p) => p.name === port.name && p.protocol === service.protocol && p.port === service.port);
}

function serviceText({ protocol, ports }: Rule['services'][number]): string {
  const texts = ports.map((p) => ('name' in p ? p.name : p.from === p.to ? `${p.from}` : `${p.from}-${p.to}`));
  return `${protocol}:${ports.length === 0 ? 'any' : texts.join('+')}`;
}

/** Undefined: the peer satisfies it. */
function peerMisses(snapshot: Snapshot, peer: Peer, { address, pod }: PeerEnd): string | undefined {
  if (peer.selection !== undefined) {
    if (pod === undefined) return `${address.text} is no pod`;
    if (!selected(snapshot, peer.selection, pod)) return `pod ${pod.namespace}/${pod.name} is not among ${selectionText(peer.selection)}`;
  }
  if (peer.nets !== undefined && !peer.nets.some((net) => net.contains(address))) {
    return `${address.text} is not in ${peer.nets.length === 0 ? 'any net (the rule could not be understood)' : peer.nets.join(', ')}`;
  }
  const exception = peer.notNets?.find((net) => net.contains(address));
  return exception === undefined ? undefined : `${address.text} is excepted by ${exception.text}`;
}

function selectionText({ namespaces, pods }: PodSelection): string {
  const where = namesNamespace(namespaces) ? `namespace ${namespaces.name}` : `namespaces with ${selectorText(namespaces)}`;
  return `pods with ${selectorText(pods)} in ${where}`;
}
