import { IpAddress, Cidr } from '../base/address.js';
import { decodeNetworkPolicy } from '../datastore/decode/network-policy.js';
import type { Node, Pod } from '../model/objects.js';
import type { Policy } from '../model/policy.js';
import type { Snapshot } from '../model/snapshot.js';
import { NODES, PODS, PORT } from './lab-plan.js';

/** How much policy a pod is under. */
export interface PolicySize {
  /** On each pod; 0: none, not isolated. */
  readonly policies: number;
  /** Over all policies, distinct; at least one a policy. */
  readonly cidrs: number;
}

export const NAMESPACE = 'bench';

/** The `i`th CIDR of policies: a single address, none of them a pod's. */
export const policyCidr = (i: number): string => `${60 + ((i >> 22) & 31)}.${(i >> 14) & 255}.${(i >> 6) & 255}.${(i & 63) * 4}/32`;

/** CIDRs of one policy of several. */
export function cidrsOf(size: PolicySize, policy: number): string[] {
  const each = Math.max(1, Math.floor(size.cidrs / size.policies));
  return Array.from({ length: each }, (_, i) => policyCidr(policy * each + i));
}

/**
 * The cluster as the API would tell it: every pod is under every policy, and only
 * the last policy in order lets the pods in, so that lists are walked to their end.
 */
export function benchSnapshot(size: PolicySize): Snapshot {
  return {
    namespaces: new Map([[NAMESPACE, { name: NAMESPACE, labels: { 'kubernetes.io/metadata.name': NAMESPACE } }]]),
    pods: new Map(PODS.map((pod) => [`${NAMESPACE}/${pod.name}`, podOf(pod)])),
    nodes: new Map(NODES.map((node) => [node.name, nodeOf(node)])),
    policies: new Map(Array.from({ length: size.policies }, (_, i) => policyOf(size, i)).map((policy) => [`NetworkPolicy/${NAMESPACE}/${policy.key.name}`, policy])),
    services: new Map(), endpointSlices: new Map(), tiers: new Map(),
    problems: [],
  };
}

function policyOf(size: PolicySize, i: number): Policy {
  const blocks = cidrsOf(size, i).map((cidr) => ({ ipBlock: { cidr } }));
  const pods = i === size.policies - 1 ? [{ podSelector: {} }] : [];
  const ports = [{ protocol: 'TCP', port: PORT }, { protocol: 'UDP', port: PORT }];
  const spec = { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [...blocks, ...pods], ports }] };
  return decodeNetworkPolicy({ metadata: { namespace: NAMESPACE, name: `p${String(i).padStart(6, '0')}` }, spec }).policy!;
}

const podOf = (pod: (typeof PODS)[number]): Pod => ({
  namespace: NAMESPACE, name: pod.name, uid: pod.name, labels: { app: pod.name }, serviceAccount: 'default', nodeName: pod.node,
  hostNetwork: false, addresses: [IpAddress.parse(pod.address)!], finished: false, namedPorts: [], hostPorts: [],
});

const nodeOf = (node: (typeof NODES)[number]): Node => ({
  name: node.name,
  labels: {},
  podCidrs: [Cidr.parse(node.podCidr)!],
  internalAddresses: [IpAddress.parse(node.address)!],
  lease: { backendType: 'vxlan', backendData: JSON.stringify({ VNI: 1, VtepMAC: node.vtepMac }), backendV6Data: undefined, publicIp: IpAddress.parse(node.address), publicIpV6: undefined },
  flannelAnnotations: {},
  networkUnavailable: undefined,
});
