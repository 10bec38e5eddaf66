import type { Cidr, IpAddress } from '../../base/address.js';
import { changesBetween, MapEditor } from '../../base/versioned-map.js';
import type { FdbRow, NeighbourRow, NexthopRow, RouteRow } from '../desired.js';
import type { PeerLease } from './lease.js';

/** What the way to other nodes' pods is made of. Maps of one state are versions of the next one's. */
export interface PeerRows {
  /** By MAC. */
  readonly fdb: ReadonlyMap<string, FdbRow>;
  /** By address, as text. */
  readonly neighbours: ReadonlyMap<string, NeighbourRow>;
  /** By destination, as text. */
  readonly peerRoutes: ReadonlyMap<string, RouteRow>;
  /** canal_route4: keyed by Cidr.text. */
  readonly nexthops: ReadonlyMap<string, { readonly cidr: Cidr; readonly nexthop: NexthopRow }>;
}

/** How peers are reached. As long as both are the same, so are the rows of a lease. */
export interface PeerWay {
  /** Undefined while the overlay device does not exist: what would be on it waits. */
  readonly overlayIfindex: number | undefined;
  /** Whether the kernel reaches this public address without a gateway, and packets may go there as they are (DirectRouting). */
  readonly direct: (publicAddress: IpAddress) => boolean;
}

const RTPROT_BOOT = 3;

/** Rows of peers, followed from one version of their leases to the next. No two leases have a key in common. */
export class PeerRowCompiler {
  readonly #fdb = new MapEditor<string, FdbRow>();
  readonly #neighbours = new MapEditor<string, NeighbourRow>();
  readonly #routes = new MapEditor<string, RouteRow>();
  readonly #nexthops = new MapEditor<string, { readonly cidr: Cidr; readonly nexthop: NexthopRow }>();
  #leases: ReadonlyMap<string, PeerLease> = new Map();
  #way: PeerWay | undefined;

  sync(leases: ReadonlyMap<string, PeerLease>, way: PeerWay): PeerRows {
    const sameWay = this.#way?.overlayIfindex === way.overlayIfindex && this.#way?.direct === way.direct;
    const changes = [...changesBetween(this.#leases, leases)];
    const gone = sameWay ? changes.map(([, was]) => was) : [...this.#leases.values()];
    const come = sameWay ? changes.map(([, , is]) => is) : [...leases.values()];
    this.#leases = leases;
    this.#way = way;
    // First what goes: another one may have its key now.
    for (const lease of gone) if (lease !== undefined) this.#remove(lease);
    for (const lease of come) if (lease !== undefined) this.#add(lease, way);
    return { fdb: this.#fdb.version(), neighbours: this.#neighbours.version(), peerRoutes: this.#routes.version(), nexthops: this.#nexthops.version() };
  }

  #remove({ subnet, vtepMac }: PeerLease): void {
    this.#fdb.delete(vtepMac);
    this.#neighbours.delete(subnet.address.text);
    this.#routes.delete(subnet.text);
    this.#nexthops.delete(subnet.text);
  }

  #add(lease: PeerLease, { overlayIfindex, direct }: PeerWay): void {
    if (direct(lease.publicAddress)) this.#addDirect(lease);
    else if (overlayIfindex !== undefined) this.#addTunnelled(lease, overlayIfindex);
  }

  #addDirect({ subnet, publicAddress, vtepMac }: PeerLease): void {
    this.#routes.set(subnet.text, { ...plainRoute(subnet), gateway: publicAddress });
    this.#nexthops.set(subnet.text, { cidr: subnet, nexthop: { kind: 'direct', ifindex: 0, gateway: publicAddress, vtepAddress: publicAddress, vtepMac } });
  }

  #addTunnelled({ subnet, publicAddress, vtepMac }: PeerLease, ifindex: number): void {
    this.#fdb.set(vtepMac, { ifindex, mac: vtepMac, destination: publicAddress });
    this.#neighbours.set(subnet.address.text, { ifindex, address: subnet.address, mac: vtepMac });
    this.#routes.set(subnet.text, { ...plainRoute(subnet), ifindex, gateway: subnet.address, onlink: true });
    this.#nexthops.set(subnet.text, { cidr: subnet, nexthop: { kind: 'overlay', ifindex, gateway: subnet.address, vtepAddress: publicAddress, vtepMac } });
  }
}

export const plainRoute = (destination: Cidr): RouteRow => ({
  destination, ifindex: 0, gateway: undefined, onlink: false, scope: 'universe', type: 'unicast', metric: 0, protocol: RTPROT_BOOT,
});
