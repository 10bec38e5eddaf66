import type { IpAddress } from '../../base/address.js';
import type { Pod } from '../../model/objects.js';
import type { Direction } from '../../model/policy.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { LocalEndpoint, NodeFacts } from '../desired.js';
import { type Opinion, type Step, judgePolicies } from './evaluate-policies.js';

/**
 * The oracle: "may this packet pass, and by which rule?", straight from the
 * policies, without tables, classes or anything else of the compiler's. Slow and
 * plain on purpose: it is what the compiler and the kernel program are measured
 * against, and what `canal trace` tells.
 */
export function evaluate(snapshot: Snapshot, facts: NodeFacts, packet: Packet): Evaluation {
  const egress = judge(snapshot, facts, 'egress', endpointAt(facts, packet.source), packet);
  const ingress = judge(snapshot, facts, 'ingress', endpointAt(facts, packet.destination), packet);
  return { allow: egress.allow && ingress.allow, egress, ingress };
}

/** First packet of a flow, after service translation. */
export interface Packet {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** IP protocol number. */
  readonly protocol: number;
  /** Destination port; {@link icmpPort} for ICMP; 0 for protocols without ports. */
  readonly port: number;
}

/** ICMP type and code as policy sees them. */
export const icmpPort = (type: number, code: number): number => (type << 8) | code;

export interface Evaluation {
  readonly allow: boolean;
  readonly egress: Judgement;
  readonly ingress: Judgement;
}

/** What policy on one end says. */
export interface Judgement {
  readonly direction: Direction;
  /** Whether this end is a pod of this node that some policy isolates in this direction; otherwise all is allowed. */
  readonly applies: boolean;
  readonly allow: boolean;
  /** ruleName of the rule that decided; undefined: a default did. */
  readonly rule: string | undefined;
  /** Tier in which it was decided; undefined: none decided. */
  readonly tier: string | undefined;
  /** Whether a log rule matched on the way. */
  readonly log: boolean;
  /** `namespace/name` of the pod that was judged. */
  readonly pod: string | undefined;
  /** How it came to this, in order. */
  readonly steps: readonly Step[];
}

export function judge(snapshot: Snapshot, facts: NodeFacts, direction: Direction, endpoint: LocalEndpoint | undefined, packet: Packet): Judgement {
  const free = (pod: string | undefined, note: string): Judgement =>
    ({ direction, applies: false, allow: true, rule: undefined, tier: undefined, log: false, pod, steps: [{ kind: 'note', text: note }] });
  const peer = direction === 'ingress' ? packet.source : packet.destination;
  const self = direction === 'ingress' ? packet.destination : packet.source;
  if (endpoint === undefined) return free(undefined, `${self.text} is no pod of this node`);
  if (endpoint.pod === '') return free(undefined, `${self.text} is a container that is no pod: no policy can select it`);
  const name = `${endpoint.namespace}/${endpoint.pod}`;
  if (direction === 'ingress' && facts.hostAddresses.some((a) => a.equals(peer))) {
    return free(name, `${peer.text} is this node itself, which always reaches its pods`);
  }
  const pod = snapshot.pods.get(name);
  const unknown = whyUnknown(snapshot, name, pod);
  if (pod === undefined || unknown !== undefined) {
    return { ...free(name, `${unknown}: everything is denied`), applies: true, allow: false };
  }
  // Several live pods may claim the peer's address: the packet passes if it would from each of them.
  const claims = claimants(snapshot, facts, peer);
  const candidates: readonly (Pod | undefined)[] = claims.length === 0 ? [undefined] : claims;
  const opinions = candidates.map((peerPod) => judgePolicies(snapshot, direction, pod, { address: peer, pod: peerPod }, packet));
  return combine(direction, name, opinions);
}

function whyUnknown(snapshot: Snapshot, name: string, pod: Pod | undefined): string | undefined {
  if (pod === undefined) return `pod ${name} is not known`;
  if (pod.finished) return `pod ${name} is finished`;
  if (pod.hostNetwork) return `pod ${name} is on the host's network`;
  return snapshot.namespaces.has(pod.namespace) ? undefined : `namespace ${pod.namespace} is not known`;
}

function endpointAt(facts: NodeFacts, address: IpAddress): LocalEndpoint | undefined {
  return facts.endpoints.find((endpoint) => endpoint.addresses.some((a) => a.equals(address)));
}

/** Live pods with this address of their own: by their status, or by what CNI gave them here. */
function claimants(snapshot: Snapshot, facts: NodeFacts, address: IpAddress): Pod[] {
  return [...snapshot.pods.values()].filter((pod) => {
    if (pod.finished || pod.hostNetwork) return false;
    if (pod.addresses.some((a) => a.equals(address))) return true;
    return facts.endpoints.some((e) => e.namespace === pod.namespace && e.pod === pod.name && e.addresses.some((a) => a.equals(address)));
  });
}

function combine(direction: Direction, pod: string, opinions: readonly Opinion[]): Judgement {
  const allow = opinions.every((o) => o.allow);
  const deciding = opinions.filter((o) => o.allow === allow).sort((a, b) => ((a.rule ?? '') < (b.rule ?? '') ? -1 : 1))[0]!;
  const several: Step[] = opinions.length > 1 ? [{ kind: 'note', text: `${opinions.length} live pods have this address: what any of them may not is denied` }] : [];
  return {
    direction, allow, pod,
    applies: deciding.isolated,
    rule: deciding.rule,
    tier: deciding.tier,
    log: opinions.some((o) => o.log),
    steps: [...several, ...opinions.flatMap((o) => o.steps)],
  };
}
