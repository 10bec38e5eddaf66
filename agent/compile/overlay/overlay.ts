import { isDeepStrictEqual } from 'node:util';
import { addressBytes, type Cidr, type Family, type IpAddress } from '../../base/address.js';
import type { Problem } from '../../base/errors.js';
import type { NetConf } from '../../model/net-conf.js';
import type { Node } from '../../model/objects.js';
import type { AddressRow, RouteRow, VxlanLinkRow } from '../desired.js';
import { backendData } from './lease.js';
import { PeerRowCompiler, plainRoute, type PeerRows } from './peer-rows.js';
import { PeerCompiler } from './peers.js';

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
  /** By name. */
  readonly nodes: ReadonlyMap<string, Node>;
  readonly netConf: NetConf;
  readonly uplink: Uplink;
  /** MAC of our VTEP: the existing device's, else the published one, else new (flannel pkg/backend/vxlan). */
  readonly vtepMac: string;
  /** ifindex of the overlay device; undefined while it does not exist: everything on it waits. */
  readonly overlayIfindex: number | undefined;
  /** Whether the kernel reaches a public address without a gateway (DirectRouting); its answers hold for as long as it is the same function. */
  readonly onLink: (address: IpAddress) => boolean;
  readonly blackholeRoute: boolean;
}

/** What the overlay wants of the kernel and of this node's object. What did not change is the same object as in the state before. */
export interface OverlayState extends PeerRows {
  readonly link: VxlanLinkRow;
  readonly addresses: readonly AddressRow[];
  /** Beside those to peers. */
  readonly routes: readonly RouteRow[];
  /** Annotations to publish, without prefix (compat.md 1.1). */
  readonly annotations: Readonly<Record<string, string>>;
  /** This node's pod CIDR. */
  readonly subnet: Cidr;
  readonly network: Cidr;
  /** For pods: what fits into the overlay. */
  readonly mtu: number;
  /** Of peers, by node. */
  readonly problems: ReadonlyMap<string, Problem>;
}

/** Outer headers: Ethernet 14, IP 20 or 40, UDP 8, VXLAN 8. flannel takes 50 for both; IPv6 really needs 70 (compat.md 13.2). */
export const vxlanOverhead = (family: Family): number => (family === 4 ? 50 : 70);

export const overlayDevice = (vni: number, family: Family): string => (family === 4 ? `flannel.${vni}` : `flannel-v6.${vni}`);

/** The same from nothing. */
export const compileOverlay = (input: OverlayInput): OverlayState | Problem => new OverlayCompiler().compile(input);

/**
 * flannel's vxlan backend as desired state (pkg/backend/vxlan; compat.md 3.1).
 * A change of a node costs that node. The memory never changes the answer.
 */
export class OverlayCompiler {
  readonly #rows = new PeerRowCompiler();
  #peers: { readonly of: string; readonly compiler: PeerCompiler } | undefined;
  #own: { readonly of: OverlayInput; readonly parts: OwnParts } | undefined;
  #last: OverlayState | undefined;

  /** @returns the reason where there is nothing to build: no pod CIDR yet, or one outside the network (flannel exits there; we wait, and say so) */
  compile(input: OverlayInput): OverlayState | Problem {
    const { self, netConf } = input;
    const { network } = netConf;
    const object = `Node ${self.name}`;
    if (network === undefined) return { object: 'net-conf.json', field: 'EnableIPv4', message: 'IPv6-only overlays are not supported' };
    const subnet = self.podCidrs.findLast((c) => c.family === network.family);
    if (subnet === undefined) return { object, field: 'spec.podCIDR', message: `pod cidr not assigned` };
    if (!network.covers(subnet)) return { object, field: 'spec.podCIDR', message: `${subnet.text} is outside Network ${network.text}` };

    const { leases, problems } = this.#peersOf(self, network.family).sync(input.nodes);
    const direct = netConf.backend.directRouting ? input.onLink : NEVER;
    const rows = this.#rows.sync(leases, { overlayIfindex: input.overlayIfindex, direct });
    return (this.#last = kept(this.#last, { ...this.#ownParts(input, subnet), ...rows, subnet, network, problems }));
  }

  #ownParts(input: OverlayInput, subnet: Cidr): OwnParts {
    const last = this.#own;
    const same = last !== undefined && OWN_INPUTS.every((key) => input[key] === last.of[key]);
    if (same) return last.parts;
    this.#own = { of: input, parts: ownParts(input, subnet) };
    return this.#own.parts;
  }

  #peersOf(self: Node, family: Family): PeerCompiler {
    const own = self.podCidrs.filter((c) => c.family === family);
    const of = [self.name, family, ...own.map(({ text }) => text)].join(' ');
    if (this.#peers?.of !== of) this.#peers = { of, compiler: new PeerCompiler(self.name, own, family) };
    return this.#peers.compiler;
  }
}

type OwnParts = Pick<OverlayState, 'link' | 'addresses' | 'routes' | 'annotations' | 'mtu'>;

/** What these parts are made of. */
const OWN_INPUTS = ['self', 'netConf', 'uplink', 'vtepMac', 'overlayIfindex', 'blackholeRoute'] as const satisfies readonly (keyof OverlayInput)[];

const NEVER = (): boolean => false;

/** What does not depend on other nodes. */
function ownParts(input: OverlayInput, subnet: Cidr): OwnParts {
  const { uplink, overlayIfindex: ifindex } = input;
  const { backend } = input.netConf;
  const mtu = (backend.mtu === 0 ? uplink.mtu : backend.mtu) - vxlanOverhead(subnet.family);
  return {
    mtu,
    link: {
      name: overlayDevice(backend.vni, subnet.family),
      vni: backend.vni,
      port: backend.port,
      local: uplink.externalAddress,
      lowerIfindex: uplink.ifindex,
      learning: backend.learning,
      gbp: backend.gbp,
      mtu,
      mac: input.vtepMac,
    },
    addresses: ifindex === undefined ? [] : [{ ifindex, address: subnet.address, prefixLength: addressBytes(subnet.family) * 8 }],
    routes: input.blackholeRoute ? [{ ...plainRoute(subnet), type: 'blackhole' }] : [],
    annotations: annotations(input),
  };
}

/** Each part, and the whole, is the last one's where it says the same. Peers' rows are by identity: comparing them would look at all nodes. */
function kept(last: OverlayState | undefined, now: OverlayState): OverlayState {
  if (last === undefined) return now;
  const part = <K extends (typeof SMALL)[number]>(key: K): Pick<OverlayState, K> => ({ [key]: last[key] === now[key] || isDeepStrictEqual(last[key], now[key]) ? last[key] : now[key] }) as Pick<OverlayState, K>;
  const state = SMALL.reduce((sum, key) => ({ ...sum, ...part(key) }), now);
  return (Object.keys(state) as (keyof OverlayState)[]).every((key) => state[key] === last[key]) ? last : state;
}

const SMALL = ['link', 'addresses', 'routes', 'annotations', 'subnet', 'network'] as const satisfies readonly (keyof OverlayState)[];

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
