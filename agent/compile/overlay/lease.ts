import type { Cidr, Family, IpAddress } from '../../base/address.js';
import type { Node } from '../../model/objects.js';

/** Another node as flannel publishes it, for one family. */
export interface PeerLease {
  readonly node: string;
  readonly subnet: Cidr;
  /** Where its VXLAN packets go. */
  readonly publicAddress: IpAddress;
  readonly vtepMac: string;
}

/** A node's lease, or what is wrong with it; neither where it is not there yet. */
export interface ReadLease {
  readonly lease?: PeerLease;
  readonly trouble?: readonly [field: string, message: string];
}

/** What a node publishes for one family, where our vxlan backend can reach it (flannel pkg/subnet/kube/kube.go `nodeToLease`, pkg/backend/vxlan; compat.md 1.4). */
export function readLease(node: Node, family: Family): ReadLease {
  const { lease } = node;
  if (lease === undefined) return {};
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

export const sameLease = (a: PeerLease, b: PeerLease): boolean =>
  a.node === b.node && a.subnet.text === b.subnet.text && a.publicAddress.text === b.publicAddress.text && a.vtepMac === b.vtepMac;

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
