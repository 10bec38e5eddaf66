import { addressBytes, type Cidr, type Family, type IpAddress } from '../../base/address.js';
import type { Problem } from '../../base/errors.js';
import type { NetConf } from '../../model/net-conf.js';
import type { Node } from '../../model/objects.js';
import type { AddressRow, FdbRow, NeighbourRow, NexthopRow, RouteRow, VxlanLinkRow } from '../desired.js';
import { backendData, peerLeases, type PeerLease } from './lease.js';

/** The device that carries the overlay, as the kernel has it now. */
export interface Uplink {
  readonly ifindex: number;
  readonly name: string;
  readonly mtu: number;
  /** Outer source address, per family; also what is published unless overwritten. */
  readonly address: IpAddress;
  /** --public-ip or node-public-ip: published and used as outer source in its place (compat.md 1.1, 3.11). */
  readonly externalAddress: IpAddress;
}

export interface OverlayInput {
  readonly self: Node;
  readonly nodes: Iterable<Node>;
  readonly netConf: NetConf;
  readonly uplink: Uplink;
  /** MAC of our VTEP: the existing device's, else the published one, else new (flannel pkg/backend/vxlan). */
  readonly vtepMac: string;
  /** ifindex of the overlay device; undefined while it does not exist: everything on it waits. */
  readonly overlayIfindex: number | undefined;
  /** Public addresses that the kernel reaches without a gateway (DirectRouting). */
  readonly onLink: ReadonlySet<string>;
  readonly blackholeRoute: boolean;
}

/** What the overlay wants of the kernel and of this node's object. */
export interface OverlayState {
  readonly link: VxlanLinkRow;
  readonly addresses: readonly AddressRow[];
  readonly fdb: readonly FdbRow[];
  readonly neighbours: readonly NeighbourRow[];
  readonly routes: readonly RouteRow[];
  /** canal_route4: keyed by Cidr.text. */
  readonly nexthops: ReadonlyMap<string, { readonly cidr: Cidr; readonly nexthop: NexthopRow }>;
  /** Annotations to publish, without prefix (compat.md 1.1). */
  readonly annotations: Readonly<Record<string, string>>;
  /** This node's pod CIDR. */
  readonly subnet: Cidr;
  readonly network: Cidr;
  /** For pods: what fits into the overlay. */
  readonly mtu: number;
  readonly problems: readonly Problem[];
}

/** Outer headers: Ethernet 14, IP 20 or 40, UDP 8, VXLAN 8. flannel takes 50 for both; IPv6 really needs 70 (compat.md 13.2). */
export const vxlanOverhead = (family: Family): number => (family === 4 ? 50 : 70);

export const overlayDevice = (vni: number, family: Family): string => (family === 4 ? `flannel.${vni}` : `flannel-v6.${vni}`);

const RTPROT_BOOT = 3;

/**
 * flannel's vxlan backend as desired state (pkg/backend/vxlan; compat.md 3.1).
 * Returns the reason where there is nothing to build: no pod CIDR yet, or one
 * outside the network (flannel exits there; we wait, and say so).
 */
export function compileOverlay(input: OverlayInput): OverlayState | Problem {
  const { self, netConf, uplink } = input;
  const network = netConf.network;
  const object = `Node ${self.name}`;
  if (network === undefined) return { object: 'net-conf.json', field: 'EnableIPv4', message: 'IPv6-only overlays are not supported' };
  const family = network.family;
  const subnet = self.podCidrs.findLast((c) => c.family === family);
  if (subnet === undefined) return { object, field: 'spec.podCIDR', message: `pod cidr not assigned` };
  if (!network.covers(subnet)) return { object, field: 'spec.podCIDR', message: `${subnet.text} is outside Network ${network.text}` };

  const { leases, problems } = peerLeases(input.nodes, self, family);
  const base = netConf.backend.mtu === 0 ? uplink.mtu : netConf.backend.mtu;
  const mtu = base - vxlanOverhead(family);
  const link: VxlanLinkRow = {
    name: overlayDevice(netConf.backend.vni, family),
    vni: netConf.backend.vni,
    port: netConf.backend.port,
    local: uplink.externalAddress,
    lowerIfindex: uplink.ifindex,
    learning: netConf.backend.learning,
    gbp: netConf.backend.gbp,
    mtu,
    mac: input.vtepMac,
  };
  return {
    link,
    ...peerRows(input, leases, subnet),
    annotations: annotations(input),
    subnet,
    network,
    mtu,
    problems,
  };
}

type PeerRows = Pick<OverlayState, 'addresses' | 'fdb' | 'neighbours' | 'routes' | 'nexthops'>;

function peerRows(input: OverlayInput, leases: readonly PeerLease[], subnet: Cidr): PeerRows {
  const ifindex = input.overlayIfindex;
  const direct = (lease: PeerLease): boolean => input.netConf.backend.directRouting && input.onLink.has(lease.publicAddress.text);
  const tunnelled = ifindex === undefined ? [] : leases.filter((l) => !direct(l));
  const rows = tunnelled.map((lease) => tunnelRows(lease, ifindex!));
  const routes = [
    ...rows.map((row) => row.route),
    ...leases.filter(direct).map((l) => ({ ...route(l.subnet, 0), gateway: l.publicAddress })),
    ...(input.blackholeRoute ? [{ ...route(subnet, 0), type: 'blackhole' as const }] : []),
  ];
  const reachable = leases.filter((l) => ifindex !== undefined || direct(l));
  return {
    addresses: ifindex === undefined ? [] : [{ ifindex, address: subnet.address, prefixLength: addressBytes(subnet.family) * 8 }],
    fdb: rows.map((row) => row.fdb),
    neighbours: rows.map((row) => row.neighbour),
    routes,
    nexthops: new Map(reachable.map((l) => [l.subnet.text, { cidr: l.subnet, nexthop: direct(l) ? nexthop(l, true, ifindex) : tunnelRows(l, ifindex!).nexthop }])),
  };
}

/** A peer's rows; as long as its lease and our device are the same, so are they. */
interface TunnelRows {
  readonly ifindex: number;
  readonly fdb: FdbRow;
  readonly neighbour: NeighbourRow;
  readonly route: RouteRow;
  readonly nexthop: NexthopRow;
}

const known = new WeakMap<PeerLease, TunnelRows>();

function tunnelRows(lease: PeerLease, ifindex: number): TunnelRows {
  const before = known.get(lease);
  if (before?.ifindex === ifindex) return before;
  const { subnet, vtepMac: mac, publicAddress: destination } = lease;
  const now: TunnelRows = {
    ifindex,
    fdb: { ifindex, mac, destination },
    neighbour: { ifindex, address: subnet.address, mac },
    route: { ...route(subnet, ifindex), gateway: subnet.address, onlink: true },
    nexthop: nexthop(lease, false, ifindex),
  };
  known.set(lease, now);
  return now;
}

const route = (destination: Cidr, ifindex: number): RouteRow => ({
  destination,
  ifindex,
  gateway: undefined,
  onlink: false,
  scope: 'universe',
  type: 'unicast',
  metric: 0,
  protocol: RTPROT_BOOT,
});

function nexthop(lease: PeerLease, direct: boolean, ifindex: number | undefined): NexthopRow {
  return {
    kind: direct ? 'direct' : 'overlay',
    ifindex: direct ? 0 : ifindex!,
    gateway: direct ? lease.publicAddress : lease.subnet.address,
    vtepAddress: lease.publicAddress,
    vtepMac: lease.vtepMac,
  };
}

/** What flannel writes on its node, and nothing where it would write nothing (compat.md 1.1, 1.3). */
function annotations(input: OverlayInput): Readonly<Record<string, string>> {
  const overwrite = input.self.flannelAnnotations['public-ip-overwrite'];
  return {
    'backend-data': backendData(input.netConf.backend.vni, input.vtepMac),
    'backend-type': 'vxlan',
    'kube-subnet-manager': 'true',
    'public-ip': overwrite === undefined || overwrite === '' ? input.uplink.externalAddress.text : overwrite,
  };
}
