import type { IpAddress } from '../base/address.js';
import { addressBytes } from '../base/address.js';
import type { EndpointDataplane, LinkFacts, LinkMade, LinkRemoval, LinkSpec, PodDevice } from '../cni/dataplane.js';
import type { LocalEndpoint } from '../compile/desired.js';
import { FROM_POD, TO_POD } from '../compile/endpoints/endpoints.js';
import { from16 } from '../kernel/address-bytes.js';
import { deleteLink, listLinks, listRoutes, RT_TABLE_MAIN } from '../kernel/netlink.js';
import { addPodLink, deletePodLink, inspectPodLink, upPodLink, type PodLink } from '../kernel/pod-link.js';
import type { ApplyLoop } from './apply-loop.js';
import type { LocalEndpoints } from './local-endpoints.js';

const VETH = 'veth';

export interface PodDataplaneOptions {
  readonly loop: ApplyLoop;
  readonly endpoints: LocalEndpoints;
  readonly interfacePrefix: string;
}

/** What CNI does to the kernel: links through libcanal, rows and programs through the apply loop. */
export function createPodDataplane({ loop, endpoints, interfacePrefix }: PodDataplaneOptions): EndpointDataplane {
  /** Links under way: how `up` finishes what `addLink` began. */
  const links = new Map<string, PodLink>();
  return {
    ready: (signal) => loop.until(() => loop.view !== undefined, signal),
    async addLink(spec) {
      const link = linkOf(spec);
      const made = await addPodLink(link);
      links.set(spec.hostDevice, { ...link, podMac: made.podMac });
      return { ifindex: made.ifindex, hostMac: made.hostMac, podMac: made.podMac } satisfies LinkMade;
    },
    async enforce(endpoint, signal) {
      endpoints.making(endpoint);
      loop.podsChanged();
      await loop.until(() => inForce(loop, endpoint), signal);
    },
    async up(endpoint) {
      await upPodLink(links.get(endpoint.hostDevice) ?? linkOf({ ...endpoint, queues: 1, ipForward: false }));
      links.delete(endpoint.hostDevice);
    },
    async remove(link) {
      if (link.hostDevice !== undefined) endpoints.leaving(link.hostDevice, link.ifindex);
      await removeLink(link);
      loop.podsChanged();
    },
    inspect: (endpoint) => inspect(loop, endpoint),
    survey: () => Promise.resolve(survey(interfacePrefix)),
  };
}

const linkOf = (spec: LinkSpec): PodLink => ({
  netns: spec.netns,
  hostDevice: spec.hostDevice,
  ifname: spec.ifname,
  mtu: spec.mtu,
  queues: spec.queues,
  addresses: spec.addresses,
  ipForward: spec.ipForward,
});

/** The pod is known, so that its row says its own policy and not the deny of a stranger; both programs are at the device and the row is in the map. */
function inForce(loop: ApplyLoop, endpoint: LocalEndpoint): boolean {
  if (endpoint.pod !== '' && loop.view?.snapshot.pods.has(`${endpoint.namespace}/${endpoint.pod}`) !== true) return false;
  const { attachments, endpoints } = loop.ledgers;
  const attached = (egress: boolean, program: string): boolean => attachments.actual().get(attachments.table.keyText({ ifindex: endpoint.ifindex, egress }))?.row.program === program;
  const text = endpoints.table.keyText(endpoint.ifindex);
  const wanted = endpoints.desired.get(text);
  const there = endpoints.actual().get(text);
  return wanted !== undefined && there !== undefined && endpoints.table.equal(there.row, wanted.row) && attached(false, FROM_POD) && attached(true, TO_POD);
}

/** From the pod's side where its namespace is there, else from the host's; a device of that name with another ifindex is someone else's. */
async function removeLink({ netns, ifname, hostDevice, ifindex }: LinkRemoval): Promise<void> {
  if (netns !== '') await deletePodLink(netns, ifname);
  if (hostDevice === undefined) return;
  const left = listLinks().find((link) => link.name === hostDevice && link.kind === VETH && (ifindex === undefined || link.ifindex === ifindex));
  if (left !== undefined) deleteLink(left.ifindex, `link ${hostDevice}`);
}

async function inspect(loop: ApplyLoop, endpoint: LocalEndpoint): Promise<LinkFacts> {
  const facts = await inspectPodLink(endpoint.netns, endpoint.hostDevice, endpoint.ifname);
  return {
    netnsAlive: facts.netnsAlive,
    hostIfindex: facts.hostIfindex === 0 ? undefined : facts.hostIfindex,
    up: facts.hostUp && facts.podUp,
    podDevice: facts.podIfindex !== 0,
    podAddresses: facts.addresses,
    podRoute: facts.defaultRoute,
    hostRoutes: hostRoutes().get(facts.hostIfindex) ?? [],
    enforced: inForce(loop, endpoint),
  };
}

function survey(prefix: string): readonly PodDevice[] {
  const routes = hostRoutes();
  return listLinks()
    .filter((link) => link.name.startsWith(prefix) && link.kind === VETH)
    .map((link) => ({ name: link.name, ifindex: link.ifindex, addresses: routes.get(link.ifindex) ?? [] }));
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
