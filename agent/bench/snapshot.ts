import { IpAddress, Cidr } from '../base/address.js';
import { endpointSliceDecoder } from '../datastore/decode/endpoint-slice.js';
import { Interner } from '../datastore/decode/intern.js';
import { decodeNetworkPolicy } from '../datastore/decode/network-policy.js';
import { serviceDecoder } from '../datastore/decode/service.js';
import type { Node, Pod } from '../model/objects.js';
import type { Snapshot } from '../model/snapshot.js';
import { NAMESPACE, NODES, podAddress, PODS } from './lab-plan.js';
import { policyObjects } from './policies.js';
import { benchServices, serviceObjects } from './services.js';
import type { Size } from './size.js';

/** The lab's cluster as the API would tell it. */
export function benchSnapshot(size: Size): Snapshot {
  const policies = policyObjects(size, NAMESPACE).map((raw) => decodeNetworkPolicy(raw).policy!);
  return {
    namespaces: new Map([[NAMESPACE, { name: NAMESPACE, labels: { 'kubernetes.io/metadata.name': NAMESPACE } }]]),
    pods: new Map(PODS.map((pod) => [`${NAMESPACE}/${pod.name}`, podOf(pod)])),
    nodes: new Map(NODES.map((node) => [node.name, nodeOf(node)])),
    policies: new Map(policies.map((policy) => [`NetworkPolicy/${NAMESPACE}/${policy.key.name}`, policy])),
    ...servicesOf(size.services),
    tiers: new Map(),
    problems: [],
  };
}

function servicesOf(count: number): Pick<Snapshot, 'services' | 'endpointSlices'> {
  const intern = new Interner();
  const [service, slice] = [serviceDecoder(intern), endpointSliceDecoder(intern)];
  const objects = benchServices(count, { same: podAddress('a2'), across: podAddress('b1') }).flatMap((each) => serviceObjects(each, NAMESPACE));
  const decoded = <T extends { readonly namespace: string; readonly name: string }>(kind: string, decode: (raw: unknown) => { readonly value: T | undefined }): Map<string, T> =>
    new Map(objects.filter((raw) => raw['kind'] === kind).map((raw) => decode(raw).value!).map((value) => [`${value.namespace}/${value.name}`, value]));
  return { services: decoded('Service', service), endpointSlices: decoded('EndpointSlice', slice) };
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
