import { Cidr, IpAddress } from '../../agent/base/address.js';
import { decodeNetworkPolicy } from '../../agent/datastore/decode/network-policy.js';
import type { Namespace, Pod } from '../../agent/model/objects.js';
import type { Policy } from '../../agent/model/policy.js';
import { type Scene, endpointOf, keyed, policyKey } from './generate.js';
import type { Random } from '../support/random.js';

export interface LargeSize {
  readonly pods: number;
  readonly namespaces: number;
  readonly policies: number;
  readonly localPods: number;
  readonly cidrs: number;
}

export const LARGE: LargeSize = { pods: 10_000, namespaces: 1_400, policies: 14_000, localPods: 500, cidrs: 5_000 };

/**
 * A big cluster as one node sees it: every pod has labels of its own, each
 * namespace has its policies (default deny, namespace-internal, from another
 * team, ports by name, CIDRs with exceptions), and a few hundred namespaces have a local pod.
 */
export function largeScene(random: Random, size: LargeSize = LARGE): Scene {
  const namespaces = keyed(range(size.namespaces, (i): Namespace => ({ name: `ns-${i}`, labels: { 'kubernetes.io/metadata.name': `ns-${i}`, team: `team-${i % 140}`, env: i % 3 === 0 ? 'prod' : 'dev' } })), (n) => n.name);
  const pods = keyed(range(size.pods, (i) => largePod(random, i, size)), (p) => `${p.namespace}/${p.name}`);
  const policies = keyed(range(size.policies, (i) => largePolicy(random, i, size)), policyKey);
  const local = [...pods.values()].filter((p) => p.nodeName === 'here');
  const endpoints = local.map((pod, i) => endpointOf(pod.namespace, pod.name, pod.addresses, i));
  const snapshot = { namespaces, pods, nodes: new Map(), services: new Map(), endpointSlices: new Map(), policies, tiers: new Map(), problems: [] };
  return { snapshot, facts: { nodeName: 'here', endpoints, strangers: [], hostAddresses: [] } };
}

function largePod(random: Random, i: number, size: LargeSize): Pod {
  return {
    namespace: `ns-${i % size.namespaces}`, name: `pod-${i}`, uid: `${i}`, serviceAccount: 'default', hostNetwork: false, finished: false,
    labels: { app: `app-${i % 20}`, tier: random.pick(['front', 'back', 'data']), 'pod-template-hash': `${i % 997}`, instance: `i-${i}` },
    nodeName: random.chance(size.localPods / size.pods) ? 'here' : 'there',
    addresses: [IpAddress.fromBytes(Uint8Array.of(10, 244 + (i >> 16), (i >> 8) & 255, i & 255))],
    hostPorts: [], namedPorts: [{ name: 'http', protocol: 6, port: 8000 + (i % 3) }],
  };
}

function largePolicy(random: Random, i: number, size: LargeSize): Policy {
  const namespace = i % size.namespaces;
  const block = (n: number): unknown => ({ ipBlock: largeBlock(random, n % size.cidrs) });
  const team = { namespaceSelector: { matchLabels: { team: `team-${random.int(0, 139)}` } }, podSelector: { matchLabels: { tier: 'front' } } };
  const app = { podSelector: { matchLabels: { app: `app-${random.int(0, 19)}` } } };
  const specs: unknown[] = [
    { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
    { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }], egress: [{ to: [{ podSelector: {} }] }] },
    { podSelector: app.podSelector, ingress: [{ from: [team, app], ports: [{ port: 'http' }, { port: 9090, endPort: 9190 }] }] },
    { podSelector: {}, egress: [{ to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ns-0' } } }], ports: [{ protocol: 'UDP', port: 53 }, { port: 53 }] }] },
    { podSelector: {}, egress: [{ to: range(5, (k) => block(i * 5 + k)), ports: [{ port: 443 }] }] },
    { podSelector: { matchLabels: { tier: 'data' } }, egress: [{ to: [team, app], ports: [{ port: 'http' }] }] },
    { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'app-7' } } }], ports: [{ port: 8443 }] }] },
    { podSelector: { matchLabels: { tier: 'front' } }, ingress: [{ ports: [{ port: 443 }, { port: 80 }] }, { from: [block(i)] }] },
    { podSelector: { matchLabels: { app: 'app-3' } }, ingress: [{ from: [team], ports: [{ port: random.int(1000, 2000) }] }] },
    { podSelector: { matchLabels: { app: 'app-4' } }, egress: [{ to: [team], ports: [{ port: random.int(1000, 2000) }] }] },
  ];
  return decodeNetworkPolicy({ metadata: { namespace: `ns-${namespace}`, name: `p-${i}` }, spec: specs[Math.floor(i / size.namespaces) % specs.length] }).policy!;
}

function largeBlock(random: Random, n: number): { cidr: string; except: string[] } {
  const cidr = Cidr.of(IpAddress.fromBytes(Uint8Array.of(20 + (n % 100), n >> 8, n & 255, 0)), [16, 20, 24, 32][n % 4]!);
  return { cidr: cidr.text, except: cidr.length === 24 && random.chance(0.3) ? [`${cidr.address.plus(128).text}/25`] : [] };
}

const range = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
