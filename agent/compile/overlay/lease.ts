import { type Cidr, type Family, type IpAddress } from '../../base/address.js';
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
  for (const node of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (node.name === self.name || node.lease === undefined) continue;
    const report = (field: string, message: string): void => void problems.push({ object: `Node ${node.name}`, field, message });
    const lease = peerLease(node, family, report);
    if (lease === undefined) continue;
    const clash = own.find((c) => c.covers(lease.subnet) || lease.subnet.covers(c));
    const other = leases.find((l) => l.subnet.covers(lease.subnet) || lease.subnet.covers(l.subnet));
    const twin = leases.find((l) => l.vtepMac === lease.vtepMac);
    if (clash !== undefined) report('spec.podCIDR', `${lease.subnet.text} overlaps this node's own ${clash.text}`);
    else if (other !== undefined) report('spec.podCIDR', `${lease.subnet.text} overlaps ${other.subnet.text} of node ${other.node}`);
    else if (twin !== undefined) report('metadata.annotations[backend-data]', `VtepMAC ${lease.vtepMac} is also node ${twin.node}'s`);
    else leases.push(lease);
  }
  return { leases, problems };
}

function peerLease(node: Node, family: Family, report: (field: string, message: string) => void): PeerLease | undefined {
  const lease = node.lease!;
  const annotation = (name: string): string => `metadata.annotations[${name}]`;
  if (lease.backendType !== 'vxlan') {
    report(annotation('backend-type'), `${JSON.stringify(lease.backendType)} is not vxlan: its pods cannot be reached`);
    return undefined;
  }
  const subnet = node.podCidrs.find((c) => c.family === family);
  if (subnet === undefined) return undefined; // not assigned yet
  const publicAddress = family === 4 ? lease.publicIp : lease.publicIpV6;
  if (publicAddress === undefined) {
    report(annotation(family === 4 ? 'public-ip' : 'public-ipv6'), 'is missing or no address');
    return undefined;
  }
  const name = family === 4 ? 'backend-data' : 'backend-v6-data';
  const vtepMac = parseVtepMac(family === 4 ? lease.backendData : lease.backendV6Data);
  if (vtepMac === undefined) {
    report(annotation(name), 'holds no VtepMAC');
    return undefined;
  }
  return { node: node.name, subnet, publicAddress, vtepMac };
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
