import type { Cidr, Family, IpAddress } from '../base/address.js';
import type { ProtocolNumber } from './objects.js';

/** A port of a Service. Name and protocol together find its endpoints: `targetPort` is resolved by who writes the slices. */
export interface ServicePort {
  /** Empty where the only port has none. */
  readonly name: string;
  readonly protocol: ProtocolNumber;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
}

/** `cluster`: every endpoint; `local`: only those on the node that the packet is on. */
export type TrafficPolicy = 'cluster' | 'local';

/**
 * What canal keeps of a Service that it serves. One of type ExternalName, one
 * that its label hands to another proxy, and a headless one have no addresses
 * here and so nothing in the kernel.
 */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  readonly clusterIps: readonly IpAddress[];
  readonly externalIps: readonly IpAddress[];
  /** Of status.loadBalancer.ingress, those that are addresses and not ipMode Proxy. */
  readonly loadBalancerIps: readonly IpAddress[];
  /** Who may use loadBalancerIps; empty: everybody. */
  readonly sourceRanges: readonly Cidr[];
  readonly ports: readonly ServicePort[];
  /** Seconds for which a client's address stays with its backend; 0: no affinity. */
  readonly affinityS: number;
  readonly internalPolicy: TrafficPolicy;
  /** For what comes from outside: externalIPs, load balancer, node ports. */
  readonly externalPolicy: TrafficPolicy;
  /** `service.kubernetes.io/service-proxy-name`; empty: ours. */
  readonly proxyName: string;
  /** Where the cloud's balancer asks whether this node has endpoints; 0: nobody asks. */
  readonly healthCheckNodePort: number;
  /** How a backend is chosen for what comes from outside; undefined: as the setting says. */
  readonly algorithm: Algorithm | undefined;
}

/** `maglev`: by the packet's ends, the same on every node and nearly the same after a change of backends. */
export type Algorithm = 'random' | 'maglev';

export interface SlicePort {
  readonly name: string;
  readonly protocol: ProtocolNumber;
  readonly port: number;
}

/** An endpoint as discovery/v1 has it, with kube-proxy's defaults for conditions that are not said. */
export interface SliceEndpoint {
  readonly address: IpAddress;
  /** Gets new connections. True of pods with publishNotReadyAddresses whatever they say. */
  readonly ready: boolean;
  /** Answers, ready or not: what terminating pods do until they stop. */
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Empty: not said. */
  readonly nodeName: string;
  /** Zones and nodes whose clients should use it; empty: no hint. */
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  /** Kind and name of what it points at, for people: `shop/api-0`; empty: not said. */
  readonly target: string;
}

/** Part of a service's endpoints: all of them on the same ports. */
export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  /** Label kubernetes.io/service-name; empty: of no service. */
  readonly service: string;
  readonly family: Family;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}
