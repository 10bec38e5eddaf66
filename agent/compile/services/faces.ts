import { IpAddress, type Family } from '../../base/address.js';
import type { Service, ServicePort, TrafficPolicy } from '../../model/service.js';
import type { FrontKey } from './rows.js';

/** Who comes first where several want one frontend: its owner by allocation, then whoever was assigned it, then who just says so. */
export const RANKS = ['clusterIp', 'loadBalancer', 'externalIp', 'nodePort', 'hostPort'] as const;
export type Rank = (typeof RANKS)[number];

/** Where in the object it says so. */
export const FIELDS: Readonly<Record<Rank, string>> = {
  clusterIp: 'spec.clusterIPs',
  loadBalancer: 'status.loadBalancer.ingress',
  externalIp: 'spec.externalIPs',
  nodePort: 'spec.ports[].nodePort',
  hostPort: 'spec.containers[].ports[].hostPort',
};

/** In a front row's key: every address of the node itself (bpf/abi_service.h). */
export const EVERY_ADDRESS: Readonly<Record<Family, IpAddress>> = { 4: IpAddress.parse('0.0.0.0')!, 6: IpAddress.parse('::')! };

/** One way to a port of a service. */
export interface Face {
  readonly rank: Rank;
  readonly scope: FrontKey['scope'];
  readonly policy: TrafficPolicy;
  readonly address: IpAddress;
  readonly port: number;
  /** The node's own processes have a way of their own. */
  readonly nodeApart?: boolean;
}

/**
 * The ways to one port in one family. What comes from inside (pods and the
 * node's own processes) gets every endpoint wherever it goes in but by
 * clusterIP: externalTrafficPolicy is not for it, as with kube-proxy. From
 * outside there is no way by clusterIP. Where externalTrafficPolicy Local keeps
 * clients' addresses it keeps the node's too (`relay.ts`), if there is a node port.
 */
export function facesOf(service: Service, port: ServicePort, family: Family): readonly Face[] {
  const apart = relaysNode(service, port, family);
  const { clusterIps, loadBalancerIps, externalIps, internalPolicy, externalPolicy } = service;
  const of = (addresses: readonly IpAddress[]): IpAddress[] => addresses.filter((address) => address.family === family);
  const outer = (rank: Rank, addresses: readonly IpAddress[], number: number): Face[] =>
    addresses.flatMap((address) => [
      { rank, scope: 'inside', policy: 'cluster', address, port: number, nodeApart: apart },
      ...(apart ? [{ rank, scope: 'node', policy: 'cluster', address, port: number } as const] : []),
      { rank, scope: 'outside', policy: externalPolicy, address, port: number },
    ]);
  return [
    ...of(clusterIps).map((address): Face => ({ rank: 'clusterIp', scope: 'inside', policy: internalPolicy, address, port: port.port })),
    ...outer('loadBalancer', of(loadBalancerIps), port.port),
    ...outer('externalIp', of(externalIps), port.port),
    ...(hasNodePort(service, port, family) ? outer('nodePort', [EVERY_ADDRESS[family]], port.nodePort) : []),
  ];
}

const hasNodePort = ({ clusterIps }: Service, { nodePort }: ServicePort, family: Family): boolean => nodePort !== 0 && clusterIps.some((address) => address.family === family);

/** Whether the node's own processes go to another node's endpoints by that node's port. */
export const relaysNode = (service: Service, port: ServicePort, family: Family): boolean => service.externalPolicy === 'local' && hasNodePort(service, port, family);

export const familiesOf = ({ clusterIps, loadBalancerIps, externalIps }: Service): Family[] => [...new Set([...clusterIps, ...loadBalancerIps, ...externalIps].map((a) => a.family))];
