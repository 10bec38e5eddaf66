import type { Cidr, IpAddress } from '../base/address.js';
import type { Endpoint } from '../model/endpoint.js';

/** What the node itself looks like, the second input of compile beside the snapshot. */
export interface NodeFacts {
  readonly nodeName: string;
  /** Pods that CNI attached on this node and whose devices exist. */
  readonly endpoints: readonly LocalEndpoint[];
  /** Pod devices that no endpoint stands for: what comes and goes through them is dropped. */
  readonly strangers: readonly PodDeviceName[];
  /** Every address of the node's own devices. */
  readonly hostAddresses: readonly IpAddress[];
}

export interface PodDeviceName {
  readonly ifindex: number;
  readonly hostDevice: string;
}

export interface LocalEndpoint extends Endpoint {
  readonly ifindex: number;
  readonly hostMac: string;
}

// ---- rows of the BPF maps, one type a map (bpf/abi_*.h have the layouts). Family-agnostic: the kernel tables split by address family.

/** canal_endpoint: key is the ifindex. */
export interface EndpointRow {
  readonly ingressTable: bigint;
  readonly egressTable: bigint;
  readonly flags: number;
  readonly addr4: IpAddress | undefined;
  readonly addr6: IpAddress | undefined;
  readonly podMac: string;
  readonly hostMac: string;
}

/** canal_rule: one row of a rows id. `protocol` undefined: any; `portBits` 0..16 leading bits of port that must agree. */
export interface RuleRow {
  readonly protocol: number | undefined;
  readonly port: number;
  readonly portBits: number;
  readonly verdict: Verdict;
}

export interface Verdict {
  /** contentId(ruleName(…)); 0n: no rule, the default decided. */
  readonly rule: bigint;
  readonly allow: boolean;
  readonly log: boolean;
}

/** canal_route4/6: another node's pod CIDR. */
export interface NexthopRow {
  readonly kind: 'overlay' | 'direct';
  readonly ifindex: number;
  readonly gateway: IpAddress;
  readonly vtepAddress: IpAddress | undefined;
  readonly vtepMac: string;
}

/** The part of desired state that policy makes; see compile/policy. All maps are complete, and in no order; one state's are versions of the next one's (base/versioned-map.ts). */
export interface PolicyState {
  /** rows id -> its rows, sorted. */
  readonly rows: ReadonlyMap<bigint, readonly RuleRow[]>;
  /** table id -> class id (0n: default, always present) -> rows id. */
  readonly tables: ReadonlyMap<bigint, ReadonlyMap<bigint, bigint>>;
  /** Pod and other single addresses -> class id; key is IpAddress.text. 0n: found, in no class (hides the CIDRs that cover it). */
  readonly peers: ReadonlyMap<string, { readonly address: IpAddress; readonly classId: bigint }>;
  /** Cidr.text -> class id; 0n where an exception cuts a hole. */
  readonly cidrs: ReadonlyMap<string, { readonly cidr: Cidr; readonly classId: bigint }>;
  /** `namespace/name` of a local pod -> its tables; 0n: not isolated. */
  readonly endpoints: ReadonlyMap<string, { readonly ingressTable: bigint; readonly egressTable: bigint }>;
  /** rule id -> ruleName, for counters, flow logs and trace. */
  readonly rules: ReadonlyMap<bigint, string>;
  /** class id -> the atoms its addresses satisfy, as text; only to be read by people. */
  readonly classes: ReadonlyMap<bigint, string>;
}

// ---- netlink rows (compat.md 3.1, 5.3)

/** The overlay device `flannel.<VNI>`; key is its name. */
export interface VxlanLinkRow {
  readonly name: string;
  readonly vni: number;
  /** UDP port; 0: the kernel's default, 8472. */
  readonly port: number;
  /** Outer source address. */
  readonly local: IpAddress;
  /** ifindex of the device that carries it. */
  readonly lowerIfindex: number;
  readonly learning: boolean;
  readonly gbp: boolean;
  readonly mtu: number;
  readonly mac: string;
}

/** An address of one of our devices; key is device and address. */
export interface AddressRow {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

/** Key is destination and metric, in the main table. */
export interface RouteRow {
  readonly destination: Cidr;
  /** 0: left to the kernel (DirectRouting). */
  readonly ifindex: number;
  readonly gateway: IpAddress | undefined;
  readonly onlink: boolean;
  readonly scope: 'universe' | 'link';
  readonly type: 'unicast' | 'blackhole';
  /** 0: none given. */
  readonly metric: number;
  /** RTPROT_*; flannel and Felix use 3 (boot). */
  readonly protocol: number;
}

/** Permanent neighbour; key is device and address. */
export interface NeighbourRow {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac: string;
}

/** Permanent FDB entry of the overlay device; key is device and MAC. */
export interface FdbRow {
  readonly ifindex: number;
  readonly mac: string;
  /** Remote VTEP. */
  readonly destination: IpAddress;
}

/** A program at a device's tc hook; key is device and direction. */
export interface AttachmentRow {
  readonly ifindex: number;
  readonly device: string;
  readonly egress: boolean;
  /** Program's name in the object, e.g. `canal_from_pod`. */
  readonly program: string;
}
