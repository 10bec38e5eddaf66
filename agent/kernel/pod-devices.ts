import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { addressBytes, type IpAddress } from '../base/address.js';
import type { ForeignLink, LinkFacts, LinkRemoval, PodDevice } from '../cni/dataplane.js';
import type { Endpoint } from '../model/endpoint.js';
import type { CanalLink } from './abi.generated.js';
import { from16 } from './address-bytes.js';
import { macText } from './mac.js';
import { listLinks, listNeighbours, listRoutes, RT_TABLE_MAIN } from './netlink.js';
import { deletePodLink, dropPodLink, inspectPodLink, type PodLinkFacts } from './pod-link.js';

const VETH = 'veth';
/** Where container runtimes put network namespaces, by the name that they give CNI. */
const RUNTIME_NETNS = '/var/run/netns';
/** What container runtimes call a pod's device. */
const IFNAME = 'eth0';
const NO_MAC = '00:00:00:00:00:00';

/** Devices of pods, whoever made them, with the single addresses that the host routes to them. */
export function surveyPodDevices(isPods: (name: string) => boolean): readonly PodDevice[] {
  const routes = hostRoutes();
  return listLinks()
    .filter((link) => link.kind === VETH && isPods(link.name))
    .map((link) => ({ name: link.name, ifindex: link.ifindex, addresses: routes.get(link.ifindex) ?? [] }));
}

/** What is there of an endpoint's link; whether it is enforced is not the link's to say. */
export async function podLinkFacts(endpoint: Pick<Endpoint, 'netns' | 'hostDevice' | 'ifname'>): Promise<Omit<LinkFacts, 'enforced'>> {
  const facts = await inspectPodLink(endpoint.netns, endpoint.hostDevice, endpoint.ifname);
  return {
    netnsAlive: facts.netnsAlive,
    hostIfindex: facts.hostIfindex === 0 ? undefined : facts.hostIfindex,
    up: facts.hostUp && facts.podUp,
    podDevice: facts.podIfindex !== 0,
    podAddresses: facts.addresses,
    podRoute: facts.defaultRoute,
    hostRoutes: hostRoutes().get(facts.hostIfindex) ?? [],
  };
}

/**
 * From the host's side where its end is there, else from the pod's where its namespace is; a device of that name with another ifindex is someone else's.
 * Where nobody on the host knows the link, what the pod has by that name goes.
 */
export async function removePodLink({ netns, ifname, hostDevice, ifindex }: LinkRemoval): Promise<void> {
  if (hostDevice !== undefined && (await dropPodLink(hostDevice, ifindex))) return;
  if (netns !== '') await deletePodLink(netns, ifname);
}

/**
 * Looks for the other ends of pod devices: a pair is one if each end names the other's ifindex.
 * Where the namespace cannot be seen, the node's neighbour table may still tell the MAC.
 * @param netns paths to look into first: as CNI was given them
 */
export async function examinePodDevices(devices: readonly PodDevice[], netns: readonly string[]): Promise<ReadonlyMap<number, ForeignLink>> {
  const wanted = new Set(devices.map(({ ifindex }) => ifindex));
  const links = listLinks().filter(({ ifindex }) => wanted.has(ifindex));
  const ends = await findEnds([...netns, ...runtimeNetns()], new Map(links.map((link) => [link.ifindex, link])));
  const neighbours = new Map(listNeighbours(4).map((row) => [row.ifindex, macText(row.mac)]));
  return new Map(links.map((link) => {
    const end = ends.get(link.ifindex);
    const heard = neighbours.get(link.ifindex) ?? '';
    return [link.ifindex, {
      hostMac: macText(link.mac),
      mtu: end?.facts.mtu ?? link.mtu,
      netns: end?.path ?? '',
      ifname: end === undefined ? '' : IFNAME,
      podMac: end?.facts.podMac ?? (heard === NO_MAC ? '' : heard),
      addresses: end?.facts.addresses ?? [],
    }];
  }));
}

interface End {
  readonly path: string;
  readonly facts: PodLinkFacts;
}

async function findEnds(paths: readonly string[], links: ReadonlyMap<number, CanalLink>): Promise<ReadonlyMap<number, End>> {
  const ends = new Map<number, End>();
  const seen = new Set<string>();
  for (const path of paths) {
    const file = statSync(path, { throwIfNoEntry: false });
    if (file === undefined || seen.has(`${file.dev} ${file.ino}`)) continue;
    seen.add(`${file.dev} ${file.ino}`);
    const facts = await inspectPodLink(path, 'lo', IFNAME);
    const host = links.get(facts.peerIfindex);
    if (facts.podIfindex !== 0 && host?.lowerIfindex === facts.podIfindex) ends.set(host.ifindex, { path, facts });
  }
  return ends;
}

function runtimeNetns(): string[] {
  try {
    return readdirSync(RUNTIME_NETNS).map((name) => join(RUNTIME_NETNS, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Single addresses in the main table by the device they are routed to. */
function hostRoutes(): Map<number, IpAddress[]> {
  const byDevice = new Map<number, IpAddress[]>();
  for (const family of [4, 6] as const) {
    for (const route of listRoutes(family)) {
      const address = from16(route.dst, family);
      if (route.table !== RT_TABLE_MAIN || route.prefixlen !== addressBytes(family) * 8 || address === undefined) continue;
      (byDevice.get(route.ifindex) ?? byDevice.set(route.ifindex, []).get(route.ifindex)!).push(address);
    }
  }
  return byDevice;
}
