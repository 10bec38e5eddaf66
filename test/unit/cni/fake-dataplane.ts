import { CanalError } from '../../../agent/base/errors.js';
import type { IpAddress } from '../../../agent/base/address.js';
import type { EndpointDataplane, ForeignLink, LinkFacts, LinkMade, LinkRemoval, LinkSpec, PodDevice } from '../../../agent/cni/dataplane.js';
import type { LocalEndpoint } from '../../../agent/compile/desired.js';

interface Link {
  readonly spec: LinkSpec;
  readonly ifindex: number;
  readonly podMac: string;
  enforced: boolean;
  up: boolean;
}

/** A node's dataplane with its state in memory; devices are found by name as the kernel does. */
export class FakeDataplane implements EndpointDataplane {
  /** Host device name -> link. */
  readonly links = new Map<string, Link>();
  readonly deadNetns = new Set<string>();
  /** Namespaces that nobody can look into. */
  readonly hiddenNetns = new Set<string>();
  /** Calls in order, as `verb device`. */
  readonly calls: string[] = [];
  /** Calls that fail, by verb. */
  readonly failing = new Set<string>();
  synced = true;
  enforceStalls = false;
  /** An agent awaits it before and after every step, so a test can stop one dead there. */
  atStep: () => Promise<void> = async () => undefined;
  private nextIfindex = 10;

  async ready(signal: AbortSignal): Promise<void> {
    if (!this.synced) await aborted(signal);
  }

  async addLink(spec: LinkSpec): Promise<LinkMade> {
    this.step('addLink', spec.hostDevice);
    if (this.deadNetns.has(spec.netns)) throw new CanalError('KERNEL', 'cannot enter the netns', { subject: spec.netns, errno: 2 });
    const ifindex = this.nextIfindex++;
    const podMac = spec.podMac !== '' ? spec.podMac : `02:00:00:00:00:${ifindex.toString(16).padStart(2, '0').slice(-2)}`;
    this.links.set(spec.hostDevice, { spec, ifindex, podMac, enforced: false, up: false });
    return { ifindex, podMac, hostMac: 'ee:ee:ee:ee:ee:ee' };
  }

  async enforce(endpoint: LocalEndpoint, signal: AbortSignal): Promise<void> {
    this.step('enforce', endpoint.hostDevice);
    if (this.enforceStalls) await aborted(signal);
    this.link(endpoint).enforced = true;
  }

  async up(endpoint: LocalEndpoint): Promise<void> {
    this.step('up', endpoint.hostDevice);
    const link = this.link(endpoint);
    if (!link.enforced) throw new Error(`${endpoint.hostDevice} would be up without policy`);
    link.up = true;
  }

  async remove({ netns, ifname, hostDevice, ifindex }: LinkRemoval): Promise<void> {
    this.step('remove', hostDevice ?? `${netns}/${ifname}`);
    for (const [name, link] of this.links) {
      const byName = name === hostDevice && (ifindex === undefined || ifindex === link.ifindex);
      if (byName || (netns !== '' && link.spec.netns === netns && link.spec.ifname === ifname)) this.links.delete(name);
    }
  }

  async inspect(endpoint: LocalEndpoint): Promise<LinkFacts> {
    const host = this.links.get(endpoint.hostDevice);
    const mine = [...this.links.values()].find(({ spec }) => spec.netns === endpoint.netns && spec.ifname === endpoint.ifname);
    return {
      netnsAlive: !this.deadNetns.has(endpoint.netns),
      hostIfindex: host?.ifindex,
      up: mine?.up ?? false,
      podDevice: mine !== undefined,
      podAddresses: mine?.spec.addresses ?? [],
      podRoute: mine?.up ?? false,
      hostRoutes: host?.up === true ? host.spec.addresses : [],
      enforced: host?.enforced ?? false,
    };
  }

  async survey(): Promise<readonly PodDevice[]> {
    return [...this.links].map(([name, { ifindex, spec, up }]) => ({ name, ifindex, addresses: up ? spec.addresses : [] }));
  }

  async examine(devices: readonly PodDevice[]): Promise<ReadonlyMap<number, ForeignLink>> {
    return new Map(devices.flatMap(({ name, ifindex }) => {
      const link = this.links.get(name);
      if (link === undefined) return [];
      const seen = !this.hiddenNetns.has(link.spec.netns);
      const end = seen ? { netns: link.spec.netns, ifname: link.spec.ifname, podMac: link.podMac, addresses: link.spec.addresses } : { netns: '', ifname: '', podMac: '', addresses: [] };
      return [[ifindex, { hostMac: 'ee:ee:ee:ee:ee:ee', mtu: link.spec.mtu, ...end }]];
    }));
  }

  /** What the kernel does when a netns goes: its devices go, and their peers. */
  killNetns(netns: string): void {
    this.deadNetns.add(netns);
    for (const [name, link] of this.links) if (link.spec.netns === netns) this.links.delete(name);
  }

  /** A device and route that another plugin made. */
  foreign(hostDevice: string, address: IpAddress): void {
    const spec = { netns: `/netns/${hostDevice}`, ifname: 'eth0', hostDevice, mtu: 1500, queues: 1, addresses: [address], ipForward: false, podMac: '' };
    this.links.set(hostDevice, { spec, ifindex: this.nextIfindex++, podMac: '0a:00:00:00:00:01', enforced: false, up: true });
  }

  private link(endpoint: LocalEndpoint): Link {
    const link = this.links.get(endpoint.hostDevice);
    if (link === undefined || link.ifindex !== endpoint.ifindex) throw new CanalError('KERNEL', 'no such device', { subject: endpoint.hostDevice, errno: 19 });
    return link;
  }

  private step(verb: string, device: string): void {
    this.calls.push(`${verb} ${device}`);
    if (this.failing.has(verb)) throw new CanalError('KERNEL', `${verb} failed`, { subject: device, errno: 5 });
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
