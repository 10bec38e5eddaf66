import type { Cidr, IpAddress } from '../base/address.js';
import type { LocalEndpoint } from '../compile/desired.js';

/**
 * What CNI asks of the node's dataplane. The daemon implements it over
 * libcanal's `canal_pod_link_*` and the reconciler; tests with state in memory.
 *
 * ADD calls, in this order: `ready`, `addLink`, `enforce`, `up`. Nothing goes
 * through a pod's device before its programs are attached and its rows live.
 * All calls may be repeated; failures throw CanalError.
 */
export interface EndpointDataplane {
  /**
   * Resolves once policy, pods and namespaces are known (first full sync) and
   * rows can be written. Rejects with the signal's reason when it aborts.
   */
  ready(signal: AbortSignal): Promise<void>;
  /** Creates the veth pair, with all that the pod has, but the host's end down: nothing goes through. An old device of that name is removed first. */
  addLink(link: LinkSpec): Promise<LinkMade>;
  /**
   * Attaches the programs and writes the endpoint's rows, for the pod as the
   * datastore knows it (wait for it if it is not known yet); resolves when both are in
   * force. Rejects with the signal's reason when it aborts.
   */
  enforce(endpoint: LocalEndpoint, signal: AbortSignal): Promise<void>;
  /** Brings the host's end up and adds the host routes. */
  up(endpoint: LocalEndpoint): Promise<void>;
  /** Deletes what there is of a link and its rows. What is absent is success; never touches another container's device. */
  remove(link: LinkRemoval): Promise<void>;
  /** What is there of an endpoint, for CHECK and for a repeated ADD. */
  inspect(endpoint: LocalEndpoint): Promise<LinkFacts>;
  /** Pod devices on this node (name begins with the pod prefix), whoever made them. */
  survey(): Promise<readonly PodDevice[]>;
  /**
   * What can be found out about pod devices that somebody else made, by ifindex.
   * @param netns paths of network namespaces to look into, besides those that runtimes name
   */
  examine(devices: readonly PodDevice[], netns: readonly string[]): Promise<ReadonlyMap<number, ForeignLink>>;
}

export interface LinkSpec {
  readonly netns: string;
  readonly ifname: string;
  readonly hostDevice: string;
  readonly mtu: number;
  /** Transmit and receive queues. */
  readonly queues: number;
  /** At most one a family. */
  readonly addresses: readonly IpAddress[];
  /** net.ipv4.ip_forward (and v6) in the pod. */
  readonly ipForward: boolean;
  /** Empty: random. */
  readonly podMac: string;
}

export interface LinkMade {
  readonly ifindex: number;
  readonly hostMac: string;
  readonly podMac: string;
}

export interface LinkRemoval {
  /** Empty: not known or gone. */
  readonly netns: string;
  readonly ifname: string;
  /** Undefined: no device on the host is known to belong to this link. */
  readonly hostDevice: string | undefined;
  /** The host device's ifindex at ADD; where a device of that name has another one now, it is someone else's and stays. Undefined: any. */
  readonly ifindex: number | undefined;
}

/** Each fact apart, so that CHECK can name what is wrong. */
export interface LinkFacts {
  readonly netnsAlive: boolean;
  /** ifindex of the host device of that name; undefined: none. */
  readonly hostIfindex: number | undefined;
  /** Whether both ends are up. */
  readonly up: boolean;
  /** Whether the device exists in the pod. */
  readonly podDevice: boolean;
  /** Addresses on the device in the pod. */
  readonly podAddresses: readonly IpAddress[];
  /** Whether the pod's default route goes through the device. */
  readonly podRoute: boolean;
  /** Addresses that the host routes to the host device. */
  readonly hostRoutes: readonly IpAddress[];
  /** Whether programs are attached to the host device and its row is in the endpoint map. */
  readonly enforced: boolean;
}

export interface PodDevice {
  readonly name: string;
  readonly ifindex: number;
  /** Single addresses that the host routes to it. */
  readonly addresses: readonly IpAddress[];
}

/** A link as it is found. */
export interface ForeignLink {
  readonly hostMac: string;
  readonly mtu: number;
  /** Where its other end is; empty: in no namespace that can be seen. */
  readonly netns: string;
  /** The device there; empty where netns is. */
  readonly ifname: string;
  /** Empty: not known. */
  readonly podMac: string;
  /** On the pod's device, the first of each family; none where netns is empty. */
  readonly addresses: readonly IpAddress[];
}

/** What CNI needs to know of the node's lease and settings. `undefined`: not known yet. */
export interface NodeNetwork {
  podCidrs(): readonly Cidr[] | undefined;
  /** MTU for pods where the configuration gives none. */
  podMtu(): number | undefined;
}
