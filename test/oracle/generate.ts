import { type Cidr, type Family, IpAddress } from '../../agent/base/address.js';
import type { LocalEndpoint, NodeFacts } from '../../agent/compile/desired.js';
import { type Packet, icmpPort } from '../../agent/compile/policy/evaluate.js';
import { ICMP, ICMPV6, type Labels, type NamedPort, type Namespace, type Pod, SCTP, TCP, UDP } from '../../agent/model/objects.js';
import type { Policy, Tier } from '../../agent/model/policy.js';
import type { Snapshot } from '../../agent/model/snapshot.js';
import { randomCidr, randomPolicy } from './generate-policy.js';
import type { Random } from '../support/random.js';

/** A cluster as one node sees it. */
export interface Scene {
  readonly snapshot: Snapshot;
  readonly facts: NodeFacts;
}

export interface SceneSize {
  readonly families: readonly Family[];
  readonly namespaces: number;
  readonly pods: number;
  readonly policies: number;
  /** Policies of Calico's shape (tiers, deny, pass, log) beside those of Kubernetes. */
  readonly tiered: boolean;
}

export const SMALL: SceneSize = { families: [4], namespaces: 4, pods: 24, policies: 12, tiered: true };

/** Few names and values, so that selectors hit, miss and overlap. */
export const LABELS: Readonly<Record<string, readonly string[]>> = { app: ['web', 'api', 'db'], role: ['front', 'back'], env: ['prod', 'dev', ''] };
export const PORT_NAMES = ['http', 'dns', 'metrics'] as const;
export const PORT_NUMBERS = [53, 79, 80, 81, 443, 8080, 8443, 32768, 65535] as const;
export const PROTOCOLS = [TCP, UDP, SCTP] as const;

export function randomScene(random: Random, size: SceneSize = SMALL): Scene {
  const namespaces = keyed(random.list(size.namespaces, size.namespaces, (i) => randomNamespace(random, i)), (n) => n.name);
  const names = [...namespaces.keys()];
  // Sometimes a pod is seen before its namespace is.
  const pods = keyed(random.list(size.pods, size.pods, (i) => randomPod(random, i, random.chance(0.02) ? 'unseen' : random.pick(names), size.families)), (p) => `${p.namespace}/${p.name}`);
  const policies = keyed(random.list(Math.ceil(size.policies / 3), size.policies, (i) => randomPolicy(random, i, random.pick(names), size)), policyKey);
  const tiers = keyed(size.tiered ? randomTiers(random) : [], (t) => t.name);
  const snapshot: Snapshot = { namespaces, pods, nodes: new Map(), policies, services: new Map(), endpointSlices: new Map(), tiers, problems: [] };
  return { snapshot, facts: randomFacts(random, snapshot, size.families) };
}

export const policyKey = (policy: Policy): string => `${policy.key.kind}/${policy.key.namespace}/${policy.key.name}`;

/** A packet that has at least one end at a local pod. */
export function randomPacket(random: Random, { snapshot, facts }: Scene, families: readonly Family[]): Packet {
  const family = random.pick(families);
  const local = facts.endpoints.flatMap((e) => e.addresses).filter((a) => a.family === family);
  const here = local.length === 0 ? randomAddress(random, family) : random.pick(local);
  const there = otherEnd(random, snapshot, local, family);
  const [source, destination] = random.chance(0.5) ? [here, there] : [there, here];
  const protocol = random.chance(0.85) ? random.pick(PROTOCOLS) : random.pick([family === 4 ? ICMP : ICMPV6, 47]);
  const port = protocol === 47 ? 0 : protocol === ICMP || protocol === ICMPV6 ? icmpPort(random.pick([0, 3, 8, 128]), random.int(0, 1)) : randomPort(random);
  return { source, destination, protocol, port };
}

export const randomPort = (random: Random): number =>
  random.chance(0.8) ? Math.min(65535, random.pick(PORT_NUMBERS) + random.pick([0, 0, 0, 1])) : random.int(0, 65535);

export function randomLabels(random: Random): Labels {
  return Object.fromEntries(Object.entries(LABELS).filter(() => random.chance(0.7)).map(([key, values]) => [key, random.pick(values)]));
}

/** In 10.0.0.0/8 or fd00::/16 with few distinct bytes, so that CIDRs cover, touch and miss. */
export function randomAddress(random: Random, family: Family): IpAddress {
  const byte = (): number => random.pick([0, 1, 2, 127, 128, 255]);
  if (family === 4) return IpAddress.fromBytes(Uint8Array.of(10, random.int(0, 2), byte(), random.int(0, 40)));
  return IpAddress.fromBytes(Uint8Array.of(0xfd, 0, 0, random.int(0, 1), 0, 0, byte(), 0, 0, 0, 0, 0, 0, 0, byte(), random.int(0, 40)));
}

export function randomPod(random: Random, index: number, namespace: string, families: readonly Family[]): Pod {
  const hostNetwork = random.chance(0.05);
  const finished = random.chance(0.08);
  return {
    namespace, name: `pod-${index}`, uid: `uid-${index}`, labels: randomLabels(random), serviceAccount: 'default',
    nodeName: random.pick(['here', 'there']), hostNetwork, finished,
    // A finished pod keeps its address in some snapshots: it must not count all the same.
    addresses: hostNetwork ? families.map(nodeAddress) : families.map((family) => randomAddress(random, family)),
    hostPorts: [], namedPorts: random.list(0, 3, (): NamedPort => ({ name: random.pick(PORT_NAMES), protocol: random.pick(PROTOCOLS), port: random.pick(PORT_NUMBERS) })),
  };
}

const nodeAddress = (family: Family): IpAddress => IpAddress.parse(family === 4 ? '192.168.7.1' : 'fd77::1')!;

function randomNamespace(random: Random, index: number): Namespace {
  const name = `ns-${index}`;
  return { name, labels: { ...randomLabels(random), 'kubernetes.io/metadata.name': name } };
}

function randomTiers(random: Random): Tier[] {
  const named = ['first', 'last'].map((name): Tier => ({ name, order: random.pick([1, 5, 5, undefined]), defaultAction: random.pick(['deny', 'pass']) }));
  return named.filter(() => random.chance(0.8));
}

/** Local pods have an endpoint; one in a while is there before its pod's address, or without its pod. */
function randomFacts(random: Random, snapshot: Snapshot, families: readonly Family[]): NodeFacts {
  const taken = new Set<string>();
  const endpoints: LocalEndpoint[] = [];
  for (const pod of snapshot.pods.values()) {
    if (pod.nodeName !== 'here' || pod.hostNetwork) continue;
    const name = random.chance(0.03) ? 'unknown-pod' : pod.name;
    const addresses = random.chance(0.1) ? families.map((f) => randomAddress(random, f)) : pod.addresses;
    if (addresses.some((a) => taken.has(a.text))) continue; // the allocator of one node gives an address once
    for (const address of addresses) taken.add(address.text);
    endpoints.push(endpointOf(pod.namespace, name, addresses, endpoints.length));
  }
  return { nodeName: 'here', endpoints, strangers: [], hostAddresses: families.map(nodeAddress) };
}

export function endpointOf(namespace: string, pod: string, addresses: readonly IpAddress[], index: number): LocalEndpoint {
  return {
    containerId: `c${index}`, ifname: 'eth0', netns: '', namespace, pod, podUid: '', hostDevice: `cali${index}`,
    podMac: '02:00:00:00:00:01', hostMac: 'ee:ee:ee:ee:ee:ee', addresses, mtu: 1450, ifindex: index + 10,
  };
}

/** Mostly someone that policies speak of; sometimes the edge of a CIDR, sometimes anyone. */
function otherEnd(random: Random, snapshot: Snapshot, local: readonly IpAddress[], family: Family): IpAddress {
  const roll = random.next();
  if (roll < 0.2 && local.length > 0) return random.pick(local);
  const pods = [...snapshot.pods.values()].flatMap((p) => p.addresses).filter((a) => a.family === family);
  if (roll < 0.6 && pods.length > 0) return random.pick(pods);
  const nets = [...snapshot.policies.values()].flatMap((p) => [...p.ingress, ...p.egress]).flatMap((r) => r.peers).flatMap((p) => [...(p.nets ?? []), ...(p.notNets ?? [])]);
  const fitting = nets.filter((n) => n.family === family);
  if (roll < 0.9 && fitting.length > 0) return edgeOf(random, random.pick(fitting));
  return random.chance(0.5) ? randomCidr(random, family).address : randomAddress(random, family);
}

/** First or last address of a prefix, or the one beside it. */
function edgeOf(random: Random, cidr: Cidr): IpAddress {
  const bits = cidr.family === 4 ? 32 : 128;
  const last = IpAddress.fromBytes(cidr.address.bytes.map((b, i) => b | (0xff >> Math.min(8, Math.max(0, cidr.length - 8 * i)))));
  if (cidr.length === bits) return random.pick([cidr.address, cidr.address.plus(1)]);
  return random.pick([cidr.address, cidr.address.plus(1), last, last.plus(1)]);
}

export function keyed<T>(items: readonly T[], key: (item: T) => string): Map<string, T> {
  return new Map(items.map((item) => [key(item), item]));
}
