import type { IpAddress } from '../base/address.js';
import { CanalError, isNotFound } from '../base/errors.js';
import { canalPodLinkCodec, type CanalPodLink } from './abi.generated.js';
import { from16, someAddress, to16 } from './address-bytes.js';
import { decode, encode } from './codec.js';
import { native, nativeAsync, nativeResult } from './library.js';
import { macBytes, macText } from './mac.js';

export interface PodLink {
  readonly netns: string;
  readonly hostDevice: string;
  readonly ifname: string;
  /** 0: the kernel's default. */
  readonly mtu: number;
  readonly queues: number;
  /** At most one a family. */
  readonly addresses: readonly IpAddress[];
  readonly ipForward: boolean;
  /** Undefined: random. */
  readonly podMac?: string;
}

export interface PodLinkMade {
  /** Of the host device. */
  readonly ifindex: number;
  readonly podIfindex: number;
  readonly hostMac: string;
  readonly podMac: string;
}

/** What is there of a pod's link. */
export interface PodLinkFacts {
  readonly netnsAlive: boolean;
  /** 0: no such device. */
  readonly hostIfindex: number;
  readonly hostUp: boolean;
  readonly hostMac: string;
  /** 0: no such device. */
  readonly podIfindex: number;
  readonly podUp: boolean;
  readonly podMac: string;
  /** ifindex of the other end of the pod's device, in the namespace that has it. */
  readonly peerIfindex: number;
  readonly mtu: number;
  /** The first of each family, link-local ones apart. */
  readonly addresses: readonly IpAddress[];
  /** Whether the default route goes through the device. */
  readonly defaultRoute: boolean;
  readonly ipForward: boolean;
}

/**
 * Makes the veth pair of a pod with the names, MACs, sysctls, addresses and routes of Calico's
 * (compat.md 5.1 to 5.3), the host's end down, so that nothing goes through. An old host device of that name is
 * removed first. Attach programs and write rows, then {@link upPodLink}.
 */
export async function addPodLink(link: PodLink): Promise<PodLinkMade> {
  const buffer = encode(canalPodLinkCodec, rawOf(link));
  await nativeAsync('canal_pod_link_add', link.hostDevice, link.netns, buffer);
  const made = decode(canalPodLinkCodec, buffer);
  return { ifindex: made.hostIfindex, podIfindex: made.podIfindex, hostMac: macText(made.hostMac), podMac: macText(made.podMac) };
}

/** Brings the host's end up and adds its routes. May be repeated. */
export async function upPodLink(link: PodLink): Promise<void> {
  const buffer = encode(canalPodLinkCodec, rawOf(link));
  if (link.addresses.some(({ family }) => family === 6)) await nativeAsync('canal_pod_link_up', link.hostDevice, buffer); // waits for the link-local address
  else native('canal_pod_link_up', link.hostDevice, buffer); // less than it takes to ask a thread
}

/** Deletes a pod's device, and so the host's end; no netns and no device are success. Refuses (EBUSY) what is no veth. */
export async function deletePodLink(netns: string, ifname: string): Promise<void> {
  await nativeAsync('canal_pod_link_delete', ifname, netns, ifname);
}

/** Deletes the host's end, and so the pod's, where it has this ifindex (undefined: any). @returns whether there was one */
export async function dropPodLink(hostDevice: string, ifindex: number | undefined): Promise<boolean> {
  return (await nativeAsync('canal_pod_link_drop', hostDevice, hostDevice, ifindex ?? 0)) === 1;
}

/** Reads what is there of a link. */
export async function inspectPodLink(netns: string, hostDevice: string, ifname: string): Promise<PodLinkFacts> {
  const buffer = encode(canalPodLinkCodec, rawOf({ netns, hostDevice, ifname, mtu: 0, queues: 0, addresses: [], ipForward: false }));
  let netnsAlive = true;
  try {
    await nativeAsync('canal_pod_link_check', hostDevice, netns, buffer);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    netnsAlive = false; // what there is of the host's end has been read
  }
  const found = decode(canalPodLinkCodec, buffer);
  return {
    netnsAlive,
    hostIfindex: found.hostIfindex,
    hostUp: found.hostUp !== 0,
    hostMac: macText(found.hostMac),
    podIfindex: found.podIfindex,
    podUp: found.podUp !== 0,
    podMac: macText(found.podMac),
    peerIfindex: found.peerIfindex,
    mtu: found.mtu,
    addresses: [someAddress(found.addr4), from16(found.addr6, 6)].filter((address) => address !== undefined),
    defaultRoute: found.defaultRoute !== 0,
    ipForward: found.ipForward !== 0,
  };
}

/** Whether `path` is a network namespace that exists. */
export function netnsAlive(path: string): boolean {
  return nativeResult('canal_netns_alive', path) === 1;
}

function rawOf(link: PodLink): CanalPodLink {
  const one = (family: 4 | 6): IpAddress | undefined => {
    const addresses = link.addresses.filter((address) => address.family === family);
    if (addresses.length > 1) throw new CanalError('CNI', `more than one IPv${family} address`, { subject: link.hostDevice });
    return addresses[0];
  };
  return {
    hostDevice: link.hostDevice,
    ifname: link.ifname,
    mtu: link.mtu,
    numQueues: link.queues,
    hostMac: new Uint8Array(6), // Calico's ee:ee:ee:ee:ee:ee
    podMac: macBytes(link.podMac ?? ''),
    addr4: one(4)?.bytes ?? new Uint8Array(4),
    addr6: to16(one(6)),
    ipForward: Number(link.ipForward),
    defaultRoute: 1,
    hostUp: 0,
    podUp: 0,
    hostIfindex: 0,
    podIfindex: 0,
    peerIfindex: 0,
  };
}
