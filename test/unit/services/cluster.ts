import { IpAddress } from '../../../agent/base/address.js';
import type { HostPort, Node, Pod } from '../../../agent/model/objects.js';
import type { EndpointSlice, Service, ServicePort, SliceEndpoint } from '../../../agent/model/service.js';
import type { Snapshot } from '../../../agent/model/snapshot.js';

export const NODE = 'one';
const TCP = 6;
const address = (text: string): IpAddress => IpAddress.parse(text)!;

export const port = (number = 80, parts: Partial<ServicePort> = {}): ServicePort => ({ name: '', protocol: TCP, port: number, nodePort: 0, ...parts });

type ServiceParts = Partial<Omit<Service, 'clusterIps' | 'externalIps' | 'loadBalancerIps'>> & { clusterIps?: readonly string[]; externalIps?: readonly string[]; loadBalancerIps?: readonly string[] };

/** `shop/web` with one port at 10.96.0.1 unless told otherwise. */
export function service(name = 'web', parts: ServiceParts = {}): Service {
  const { clusterIps = ['10.96.0.1'], externalIps = [], loadBalancerIps = [], ...rest } = parts;
  return {
    namespace: 'shop', name, type: 'ClusterIP', ports: [port()], affinityS: 0, internalPolicy: 'cluster', externalPolicy: 'cluster', proxyName: '', sourceRanges: [], healthCheckNodePort: 0, algorithm: undefined,
    clusterIps: clusterIps.map(address), externalIps: externalIps.map(address), loadBalancerIps: loadBalancerIps.map(address), ...rest,
  };
}

export const endpoint = (text: string, parts: Partial<SliceEndpoint> = {}): SliceEndpoint => ({
  address: address(text), ready: true, serving: true, terminating: false, nodeName: 'two', zoneHints: [], nodeHints: [], target: '', ...parts,
});

export const LEAVING = { ready: false, serving: true, terminating: true } as const;
export const STARTING = { ready: false, serving: false } as const;

export function slice(name: string, endpoints: readonly SliceEndpoint[], parts: Partial<EndpointSlice> = {}): EndpointSlice {
  return { namespace: 'shop', name, service: 'web', family: 4, ports: [{ name: '', protocol: TCP, port: 8080 }], endpoints, ...parts };
}

export const node = (zone: string): Node => ({
  name: NODE, labels: zone === '' ? {} : { 'topology.kubernetes.io/zone': zone }, podCidrs: [], internalAddresses: [], lease: undefined, flannelAnnotations: {}, networkUnavailable: undefined,
});

export const hostPort = (number: number, port: number, parts: Partial<HostPort> = {}): HostPort => ({ hostIp: undefined, hostPort: number, protocol: TCP, port, ...parts });

/** A pod of `shop` on this node. */
export const pod = (name: string, hostPorts: readonly HostPort[], parts: Partial<Pod> = {}): Pod => ({
  namespace: 'shop', name, uid: name, labels: {}, serviceAccount: 'default', nodeName: NODE, hostNetwork: false, addresses: [], finished: false, namedPorts: [], hostPorts, ...parts,
});

/** As CNI made it. */
export const local = (name: string, ...addresses: readonly string[]) => ({ namespace: 'shop', pod: name, addresses: addresses.map(address) });

const keyed = <T extends { readonly namespace: string; readonly name: string }>(list: readonly T[]): Map<string, T> => new Map(list.map((one) => [`${one.namespace}/${one.name}`, one]));

export function snapshot(services: readonly Service[], slices: readonly EndpointSlice[], zone = '', pods: readonly Pod[] = []): Snapshot {
  return {
    namespaces: new Map(), pods: keyed(pods), nodes: new Map([[NODE, node(zone)]]), policies: new Map(), tiers: new Map(), problems: [],
    services: keyed(services), endpointSlices: keyed(slices),
  };
}
