import { Cidr, type Family, type IpAddress } from '../../base/address.js';
import type { Problem } from '../../base/errors.js';
import type { Node } from '../../model/objects.js';

/** Another node as flannel publishes it, for one family. */
export interface PeerLease {
  readonly node: string;
  readonly subnet: Cidr;
  /** Where its VXLAN packets go. */
  readonly publicAddress: IpAddress;
  readonly vtepMac: string;
}

/**
 * Peers of `self` that our vxlan backend can reach (flannel
 * pkg/subnet/kube/kube.go `nodeToLease`, pkg/backend/vxlan; compat.md 1.4).
 * A node without lease, of another backend, or with a subnet that collides is
 * left out; what looks like a mistake is a Problem. Sorted by node name, so
 * that of two colliding nodes the same one wins everywhere.
 */
export function peerLeases(nodes: Iterable<Node>, self: Node, family: Family): { leases: PeerLease[]; problems: Problem[] } {
  const leases: PeerLease[] = [];
  const problems: Problem[] = [];
  const own = self.podCidrs.filter((c) => c.family === family);
  const published = [...nodes].filter((node) => node.name !== self.name && node.lease !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
  const taken = new TakenSubnets(published.flatMap((node) => readLease(node, family).lease?.subnet.length ?? []));
  const macs = new Map<string, PeerLease>();
  for (const node of published) {
    const report = (field: string, message: string): void => void problems.push({ object: `Node ${node.name}`, field, message });
    const { lease, trouble } = readLease(node, family);
    if (trouble !== undefined) report(...trouble);
    if (lease === undefined) continue;
    const clash = own.find((c) => c.covers(lease.subnet) || lease.subnet.covers(c));
    const other = taken.overlapping(lease.subnet);
    const twin = macs.get(lease.vtepMac);
    if (clash !== undefined) report('spec.podCIDR', `${lease.subnet.text} overlaps this node's own ${clash.text}`);
    else if (other !== undefined) report('spec.podCIDR', `${lease.subnet.text} overlaps ${other.subnet.text} of node ${other.node}`);
    else if (twin !== undefined) report('metadata.annotations[backend-data]', `VtepMAC ${lease.vtepMac} is also node ${twin.node}'s`);
    else {
      leases.push(lease);
      taken.add(lease);
      macs.set(lease.vtepMac, lease);
    }
  }
  return { leases, problems };
}

/** Subnets of peers, to be asked for overlaps: with the same few lengths everywhere an answer costs that many look-ups. */
class TakenSubnets {
  readonly #lengths: readonly number[];
  readonly #exact = new Map<string, PeerLease>();
  /** The first of those inside a wider prefix. */
  readonly #inside = new Map<string, PeerLease>();

  /** @param lengths of every subnet that will be added or asked for */
  constructor(lengths: readonly number[]) {
    this.#lengths = [...new Set(lengths)];
  }

  add(lease: PeerLease): void {
    this.#exact.set(lease.subnet.text, lease);
    for (const { text } of this.#wider(lease.subnet)) if (!this.#inside.has(text)) this.#inside.set(text, lease);
  }

  overlapping(subnet: Cidr): PeerLease | undefined {
    const covering = this.#wider(subnet).map(({ text }) => this.#exact.get(text)).find((lease) => lease !== undefined);
    return covering ?? this.#exact.get(subnet.text) ?? this.#inside.get(subnet.text);
  }

  #wider(subnet: Cidr): Cidr[] {
    return this.#lengths.filter((length) => length < subnet.length).map((length) => Cidr.of(subnet.address, length));
  }
}

/** A node's lease, or what is wrong with it; neither where it is not there yet. */
interface ReadLease {
  readonly lease?: PeerLease;
  readonly trouble?: readonly [field: string, message: string];
}

const read = { 4: new WeakMap<Node, ReadLease>(), 6: new WeakMap<Node, ReadLease>() };

/** Read once a Node, so that a lease that did not change is the same object. */
function readLease(node: Node, family: Family): ReadLease {
  const before = read[family].get(node);
  if (before !== undefined) return before;
  const now = peerLease(node, family);
  read[family].set(node, now);
  return now;
}

function peerLease(node: Node, family: Family): ReadLease {
  const lease = node.lease!;
  const annotation = (name: string): string => `metadata.annotations[${name}]`;
  if (lease.backendType !== 'vxlan') return { trouble: [annotation('backend-type'), `${JSON.stringify(lease.backendType)} is not vxlan: its pods cannot be reached`] };
  const subnet = node.podCidrs.find((c) => c.family === family);
  if (subnet === undefined) return {}; // not assigned yet
  const publicAddress = family === 4 ? lease.publicIp : lease.publicIpV6;
  if (publicAddress === undefined) return { trouble: [annotation(family === 4 ? 'public-ip' : 'public-ipv6'), 'is missing or no address'] };
  const vtepMac = parseVtepMac(family === 4 ? lease.backendData : lease.backendV6Data);
  if (vtepMac === undefined) return { trouble: [annotation(family === 4 ? 'backend-data' : 'backend-v6-data'), 'holds no VtepMAC'] };
  return { lease: { node: node.name, subnet, publicAddress, vtepMac } };
}

/** VtepMAC of flannel's backend data; keys without regard to case, as Go reads them (compat.md 1.2). */
export function parseVtepMac(data: string | undefined): string | undefined {
  if (data === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const mac = Object.entries(value).find(([key]) => key.toLowerCase() === 'vtepmac')?.[1] as unknown;
  return typeof mac === 'string' && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac) ? mac.toLowerCase() : undefined;
}

/** The exact bytes that flannel writes and can read back positionally: compact, VtepMAC last (compat.md 1.2). */
export const backendData = (vni: number, vtepMac: string): string => `{"VNI":${vni},"VtepMAC":"${vtepMac}"}`;
