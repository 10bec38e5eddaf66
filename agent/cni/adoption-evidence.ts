import type { IpAddress } from '../base/address.js';
import type { LocalEndpoint } from '../compile/desired.js';
import type { Reservation } from '../ipam/host-local-store.js';
import type { Pod } from '../model/objects.js';
import type { ForeignLink, PodDevice } from './dataplane.js';
import { hostDeviceName } from './request.js';
import type { CachedResult } from './result-cache.js';

/** All that speaks for whose a device is. */
export interface Evidence {
  readonly devices: readonly PodDevice[];
  /** By ifindex. */
  readonly links: ReadonlyMap<number, ForeignLink>;
  /** This node's pods by the name of their host device. */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly reservations: readonly (Reservation & { readonly directory: string })[];
  readonly results: readonly CachedResult[];
  /** Address directories; the first is that of pods whose own is not known. */
  readonly directories: readonly string[];
}

export interface Identified {
  readonly endpoint: LocalEndpoint;
  readonly directory: string;
}

/**
 * Whose a pod device is: the pod by the device's name, its addresses by the host's routes (or the
 * pod's own device, where no route is left), the container by host-local's files or
 * libcni's. Whatever contradicts refuses: a string says what. Pure.
 */
export function identify(device: PodDevice, evidence: Evidence): Identified | string {
  const link = evidence.links.get(device.ifindex);
  if (link === undefined) return 'it is gone';
  const addresses = device.addresses.length > 0 ? device.addresses : link.addresses;
  const pod = evidence.pods.get(device.name);
  const doubt = doubtOf(device, link, addresses, pod, evidence);
  if (doubt !== undefined) return doubt;
  const owner = ownerOf(addresses, link, pod, evidence);
  if (typeof owner === 'string') return owner;
  if (pod === undefined && hostDeviceName('', '', owner.containerId) !== device.name) return 'no Pod of this node has a device of this name';
  const result = evidence.results.find(({ containerId, ifname }) => containerId === owner.containerId && ifname === owner.ifname);
  const podMac = link.podMac === '' ? (result?.podMac ?? '') : link.podMac;
  if (podMac === '') return "its pod's MAC address is not known: the network namespace cannot be seen, and neither a CNI result nor a neighbour entry tells it";
  const identity = pod === undefined ? { namespace: '', pod: '', podUid: '' } : { namespace: pod.namespace, pod: pod.name, podUid: result?.podUid ?? pod.uid };
  return {
    directory: owner.directory,
    endpoint: {
      ...identity,
      containerId: owner.containerId,
      ifname: owner.ifname,
      netns: link.netns === '' ? (result?.netns ?? '') : link.netns,
      hostDevice: device.name,
      podMac,
      addresses,
      mtu: link.mtu,
      ifindex: device.ifindex,
      hostMac: link.hostMac,
    },
  };
}

function doubtOf(device: PodDevice, link: ForeignLink, addresses: readonly IpAddress[], pod: Pod | undefined, { devices }: Evidence): string | undefined {
  if (addresses.length === 0) return 'it has no address: the host routes none to it, and no device in a network namespace that can be seen has one';
  if (new Set(addresses.map(({ family }) => family)).size < addresses.length) return `more than one address of a family: ${texts(addresses)}`;
  if (link.netns !== '' && without(addresses, link.addresses).length > 0) return `the host routes ${texts(addresses)} to it, its pod has ${texts(link.addresses) || 'none'}`;
  if (pod !== undefined && pod.addresses.length > 0 && without(addresses, pod.addresses).length > 0) return `Pod ${pod.namespace}/${pod.name} has ${texts(pod.addresses)}, the device ${texts(addresses)}`;
  const rival = devices.find((other) => other.ifindex !== device.ifindex && without(addresses, other.addresses).length < addresses.length);
  return rival === undefined ? undefined : `${texts(addresses)} is routed to ${rival.name} too`;
}

interface Owner {
  readonly containerId: string;
  readonly ifname: string;
  readonly directory: string;
}

/** The container that holds the addresses; where no file says so, the pod's only container that libcni knows (in that namespace, where it is seen). */
function ownerOf(addresses: readonly IpAddress[], link: ForeignLink, pod: Pod | undefined, { reservations, results, directories }: Evidence): Owner | string {
  const holding = reservations.filter(({ address }) => addresses.some((one) => one.equals(address)));
  const [first] = holding;
  if (first?.containerId !== undefined) {
    if (holding.some(({ containerId, directory }) => containerId !== first.containerId || directory !== first.directory)) return `${texts(addresses)} is reserved for more than one container`;
    return { containerId: first.containerId, ifname: first.ifname ?? (link.ifname || 'eth0'), directory: first.directory };
  }
  if (pod === undefined) return 'no Pod of this node has a device of this name';
  const named = results.filter((result) => result.namespace === pod.namespace && result.pod === pod.name && (link.netns === '' || result.netns === link.netns));
  const [only] = named;
  if (only === undefined || named.length > 1) return `its container is not known: ${texts(addresses)} is reserved for nobody, and ${named.length} CNI results name Pod ${pod.namespace}/${pod.name}`;
  return { containerId: only.containerId, ifname: only.ifname, directory: directories.find((directory) => directory.endsWith(`/${only.network}`)) ?? directories[0]! };
}

const without = (addresses: readonly IpAddress[], others: readonly IpAddress[]): IpAddress[] => addresses.filter((address) => !others.some((other) => other.equals(address)));
const texts = (addresses: readonly IpAddress[]): string => addresses.map(({ text }) => text).join(', ');
