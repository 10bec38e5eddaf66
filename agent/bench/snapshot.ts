import { endpointSliceDecoder } from '../datastore/decode/endpoint-slice.js';
import type { Decoder } from '../datastore/decode/field.js';
import { Interner } from '../datastore/decode/intern.js';
import { namespaceDecoder } from '../datastore/decode/namespace.js';
import { decodeNetworkPolicy } from '../datastore/decode/network-policy.js';
import { nodeDecoder } from '../datastore/decode/node.js';
import { podDecoder } from '../datastore/decode/pod.js';
import { serviceDecoder } from '../datastore/decode/service.js';
import type { Snapshot } from '../model/snapshot.js';
import { NAMESPACE, NODES, podAddress, PODS } from './lab-plan.js';
import { policyObjects } from './policies.js';
import { benchServices, serviceObjects } from './services.js';
import type { Size } from './size.js';

/** The lab's cluster as the API would tell it. */
export function benchSnapshot(size: Size): Snapshot {
  const policies = policyObjects(size, NAMESPACE).map((raw) => decodeNetworkPolicy(raw).policy!);
  const services = benchServices(size.services, { same: podAddress('a2'), across: podAddress('b1') });
  return {
    ...servicesOf(services.flatMap((each) => serviceObjects(each, NAMESPACE))),
    namespaces: decoded([{ metadata: { name: NAMESPACE, labels: { 'kubernetes.io/metadata.name': NAMESPACE } } }], namespaceDecoder(new Interner())),
    pods: decoded(PODS.map(podObject), podDecoder(new Interner())),
    nodes: decoded(NODES.map(nodeObject), nodeDecoder(FLANNEL, new Interner())),
    policies: new Map(policies.map((policy) => [`NetworkPolicy/${NAMESPACE}/${policy.key.name}`, policy])),
  };
}

/** A cluster of one service and its backend. */
export const serviceSnapshot = (backend: string): Snapshot =>
  servicesOf(serviceObjects({ name: 'one', clusterIp: '10.43.0.1', ports: [{ name: 'http', protocol: 'TCP' }], endpoints: [backend] }, NAMESPACE));

function servicesOf(objects: readonly RawObject[]): Snapshot {
  const kind = (name: string): RawObject[] => objects.filter((raw) => raw['kind'] === name);
  const intern = new Interner();
  return { ...EMPTY, services: decoded(kind('Service'), serviceDecoder(intern)), endpointSlices: decoded(kind('EndpointSlice'), endpointSliceDecoder(intern)) };
}

type RawObject = Readonly<Record<string, unknown>>;
const EMPTY: Snapshot = { namespaces: new Map(), pods: new Map(), nodes: new Map(), policies: new Map(), services: new Map(), endpointSlices: new Map(), tiers: new Map(), problems: [] };

function decoded<T extends { readonly namespace?: string; readonly name: string }>(objects: readonly RawObject[], decode: Decoder<T>): Map<string, T> {
  const values = objects.map((raw) => decode(raw).value!);
  return new Map(values.map((value) => [value.namespace === undefined ? value.name : `${value.namespace}/${value.name}`, value]));
}

const FLANNEL = 'flannel.alpha.coreos.com/';

const podObject = (pod: (typeof PODS)[number]): RawObject => ({
  metadata: { namespace: NAMESPACE, name: pod.name, uid: pod.name, labels: { app: pod.name } },
  spec: { nodeName: pod.node },
  status: { phase: 'Running', podIPs: [{ ip: pod.address }] },
});

const nodeObject = (node: (typeof NODES)[number]): RawObject => ({
  metadata: {
    name: node.name,
    annotations: {
      [`${FLANNEL}kube-subnet-manager`]: 'true', [`${FLANNEL}backend-type`]: 'vxlan', [`${FLANNEL}public-ip`]: node.address,
      [`${FLANNEL}backend-data`]: JSON.stringify({ VNI: 1, VtepMAC: node.vtepMac }),
    },
  },
  spec: { podCIDR: node.podCidr, podCIDRs: [node.podCidr] },
  status: { addresses: [{ type: 'InternalIP', address: node.address }] },
});
