import { CanalError } from '../base/errors.js';
import type { PodSource } from '../cni/context.js';
import type { EndpointDataplane, LinkMade, LinkSpec } from '../cni/dataplane.js';
import type { LocalEndpoint } from '../compile/desired.js';
import { FROM_POD, TO_POD } from '../compile/endpoints/endpoints.js';
import { examinePodDevices, podLinkFacts, removePodLink, surveyPodDevices } from '../kernel/pod-devices.js';
import { addPodLink, upPodLink, type PodLink } from '../kernel/pod-link.js';
import type { Pod } from '../model/objects.js';
import type { ApplyLoop } from './apply-loop.js';
import type { LocalEndpoints } from './local-endpoints.js';

const ENODEV = 19;

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
      loop.podMade(endpoint);
      const gone = (): boolean => loop.view?.devices.some(({ ifindex }) => ifindex === endpoint.ifindex) === false;
      await loop.until(() => inForce(loop, endpoint) || gone(), signal);
      if (gone()) throw new CanalError('KERNEL', 'the device has gone', { subject: endpoint.hostDevice, errno: ENODEV });
    },
    async up(endpoint) {
      await upPodLink(links.get(endpoint.hostDevice) ?? linkOf({ ...endpoint, queues: 1, ipForward: false }));
      links.delete(endpoint.hostDevice);
      loop.podUp(endpoint);
    },
    async remove(link) {
      if (link.hostDevice !== undefined) endpoints.leaving(link.hostDevice, link.ifindex);
      await removePodLink(link);
      loop.podsChanged();
    },
    async inspect(endpoint) {
      return { ...(await podLinkFacts(endpoint)), enforced: inForce(loop, endpoint) };
    },
    survey: () => Promise.resolve(surveyPodDevices((name) => name.startsWith(interfacePrefix))),
    examine: (devices, netns) => examinePodDevices(devices, netns),
  };
}

/** Pods as the last apply knew them: ADD waits for its own. */
export function createPodSource(loop: ApplyLoop): PodSource {
  return {
    async asks(namespace, pod, signal) {
      const known = (): Pod | undefined => loop.view?.snapshot.pods.get(`${namespace}/${pod}`);
      await loop.until(() => known() !== undefined, signal);
      return known()?.asks ?? {};
    },
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
  podMac: spec.podMac,
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
