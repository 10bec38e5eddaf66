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

/** In a front row's key: every address of the node itself (bpf/abi.h). */
export const EVERY_ADDRESS: Readonly<Record<Family, IpAddress>> = { 4: IpAddress.parse('0.0.0.0')!, 6: IpAddress.parse('::')! };

/** One way to a port of a service. */
export interface Face {
  readonly rank: Rank;
  readonly scope: FrontKey['scope'];
  readonly policy: TrafficPolicy;
  readonly address: IpAddress;
  readonly port: number;
}

/**
 * The ways to one port in one family. What comes from inside (pods and the
 * node's own processes) gets every endpoint wherever it goes in but by
 * clusterIP: externalTrafficPolicy is not for it, as with kube-proxy. From
 * outside there is no way by clusterIP.
 */
export function facesOf(service: Service, port: ServicePort, family: Family): readonly Face[] {
  const { clusterIps, loadBalancerIps, externalIps, internalPolicy, externalPolicy } = service;
  const of = (addresses: readonly IpAddress[]): IpAddress[] => addresses.filter((address) => address.family === family);
  const outer = (rank: Rank, addresses: readonly IpAddress[], number: number): Face[] =>
    addresses.flatMap((address) => [
      { rank, scope: 'inside', policy: 'cluster', address, port: number },
      { rank, scope: 'outside', policy: externalPolicy, address, port: number },
    ]);
  const hasNodePort = port.nodePort !== 0 && of(clusterIps).length > 0;
  return [
    ...of(clusterIps).map((address): Face => ({ rank: 'clusterIp', scope: 'inside', policy: internalPolicy, address, port: port.port })),
    ...outer('loadBalancer', of(loadBalancerIps), port.port),
    ...outer('externalIp', of(externalIps), port.port),
    ...(hasNodePort ? outer('nodePort', [EVERY_ADDRESS[family]], port.nodePort) : []),
  ];
}

export const familiesOf = ({ clusterIps, loadBalancerIps, externalIps }: Service): Family[] => [...new Set([...clusterIps, ...loadBalancerIps, ...externalIps].map((a) => a.family))];
