import type { Cidr, IpAddress } from '../base/address.js';

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** Transport and network protocols that policy names; `number` is any other IP protocol. */
export type ProtocolNumber = number & { readonly __brand?: 'ProtocolNumber' };
export const TCP = 6, UDP = 17, SCTP = 132, ICMP = 1, ICMPV6 = 58;

export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
}

/** A container port with a name, for policies that ask by name. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: ProtocolNumber;
  readonly port: number;
}

/** A port of the node that leads to a container's. */
export interface HostPort {
  /** Undefined: every address of the node. */
  readonly hostIp: IpAddress | undefined;
  readonly hostPort: number;
  readonly protocol: ProtocolNumber;
  readonly port: number;
}

/**
 * What canal keeps of a Pod. Everything else of the object is dropped at
 * decode, so that memory is bytes per pod, not kilobytes.
 */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Labels;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly hostNetwork: boolean;
  /** Addresses, or none while it has none or when it is finished (compat.md 5.7). */
  readonly addresses: readonly IpAddress[];
  /** Succeeded, Failed, or being deleted with its podIP annotation blanked: its addresses belong to nobody. */
  readonly finished: boolean;
  readonly namedPorts: readonly NamedPort[];
  /** None of hostNetwork pods: theirs are the node's own ports. */
  readonly hostPorts: readonly HostPort[];
  /** Absent where it asks for nothing. */
  readonly asks?: PodAsks;
}

/** What a pod asks of its attachment: annotations `cni.projectcalico.org/*` (compat.md 5.7), as they are written. */
export interface PodAsks {
  readonly hwAddr?: string;
  readonly ipAddrs?: string;
  readonly ipAddrsNoIpam?: string;
  readonly floatingIPs?: string;
}

/** What flannel publishes on a Node (compat.md 1.1), as far as it parses. */
export interface NodeLease {
  readonly backendType: string;
  /** Text of `backend-data`; JSON. */
  readonly backendData: string;
  readonly backendV6Data: string | undefined;
  readonly publicIp: IpAddress | undefined;
  readonly publicIpV6: IpAddress | undefined;
}

export interface Node {
  readonly name: string;
  readonly labels: Labels;
  readonly podCidrs: readonly Cidr[];
  readonly internalAddresses: readonly IpAddress[];
  /** Undefined unless `kube-subnet-manager` is "true". */
  readonly lease: NodeLease | undefined;
  /** All annotations with flannel's prefix, keyed without it: for the node's own lease and overwrites. */
  readonly flannelAnnotations: Labels;
  /** Status of condition NetworkUnavailable: its status and reason; undefined where there is none. */
  readonly networkUnavailable: { readonly status: string; readonly reason: string } | undefined;
}
