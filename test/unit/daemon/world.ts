import { pino } from 'pino';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import type { LocalEndpoint } from '../../../agent/compile/desired.js';
import { ApplyLoop, type AppliedView } from '../../../agent/daemon/apply-loop.js';
import { LocalEndpoints } from '../../../agent/daemon/local-endpoints.js';
import { OverlayPlanner } from '../../../agent/daemon/overlay-planner.js';
import { loadSettings } from '../../../agent/daemon/settings/load.js';
import type { Node, Pod } from '../../../agent/model/objects.js';
import { DEFAULT_TIER, type Policy } from '../../../agent/model/policy.js';
import { ALL } from '../../../agent/model/selector.js';
import type { Snapshot } from '../../../agent/model/snapshot.js';
import { ManualClock } from '../../support/manual-clock.js';
import { MemoryKernel } from './memory-kernel.js';

export const node = (name: string, podCidr: string | undefined, address: string, mac?: string): Node => ({
  name,
  labels: {},
  podCidrs: podCidr === undefined ? [] : [Cidr.parse(podCidr)!],
  internalAddresses: [IpAddress.parse(address)!],
  lease: mac === undefined ? undefined : { backendType: 'vxlan', backendData: `{"VNI":1,"VtepMAC":"${mac}"}`, backendV6Data: undefined, publicIp: IpAddress.parse(address), publicIpV6: undefined },
  flannelAnnotations: {},
  networkUnavailable: undefined,
});

export const pod = (name: string, address: string, nodeName = 'one', labels: Record<string, string> = { app: name }): Pod => ({
  namespace: 'shop', name, uid: '', labels, serviceAccount: 'default', nodeName, hostNetwork: false,
  addresses: [IpAddress.parse(address)!], finished: false, namedPorts: [], hostPorts: [],
});

/** Lets `from` reach `to` on TCP 80 and isolates `to`. */
export const policy = (to: string, from: string): Policy => ({
  key: { kind: 'NetworkPolicy', namespace: 'shop', name: `${to}-from-${from}` },
  tier: DEFAULT_TIER.name,
  order: 1000,
  subject: { namespaces: { name: 'shop' }, pods: { op: 'in', key: 'app', values: [to] } },
  directions: ['ingress'],
  ingress: [{ action: 'allow', peers: [{ selection: { namespaces: { name: 'shop' }, pods: { op: 'in', key: 'app', values: [from] } } }], services: [{ protocol: 6, ports: [{ from: 80, to: 80 }] }] }],
  egress: [],
});

export const endpoint = (name: string, ifindex: number, address: string): LocalEndpoint => ({
  containerId: `c-${name}`, ifname: 'eth0', netns: `/run/netns/${name}`, namespace: 'shop', pod: name, podUid: '', hostDevice: `cali${name}`,
  podMac: '0a:00:00:00:00:01', addresses: [IpAddress.parse(address)!], mtu: 1450, ifindex, hostMac: 'ee:ee:ee:ee:ee:ee',
});

export function snapshot(parts: { nodes?: readonly Node[]; pods?: readonly Pod[]; policies?: readonly Policy[]; services?: Snapshot['services']; endpointSlices?: Snapshot['endpointSlices'] }): Snapshot {
  return {
    namespaces: new Map([['shop', { name: 'shop', labels: {} }]]),
    pods: new Map((parts.pods ?? []).map((p) => [`${p.namespace}/${p.name}`, p])),
    nodes: new Map((parts.nodes ?? NODES).map((n) => [n.name, n])),
    policies: new Map((parts.policies ?? []).map((p) => [`NetworkPolicy/${p.key.namespace}/${p.key.name}`, p])),
    services: parts.services ?? new Map(),
    endpointSlices: parts.endpointSlices ?? new Map(),
    tiers: new Map([[DEFAULT_TIER.name, DEFAULT_TIER]]),
    problems: [],
  };
}

export const NODES = [node('one', '10.42.0.0/24', '192.168.0.1'), node('two', '10.42.1.0/24', '192.168.0.2', '02:00:00:00:01:01')];
export const everyone = ALL;

/** An agent's loop over a kernel in memory. */
export class World {
  readonly clock = new ManualClock();
  readonly stored: LocalEndpoint[] = [];
  readonly applied: AppliedView[] = [];
  loop!: ApplyLoop;
  endpoints!: LocalEndpoints;

  constructor(readonly kernel = new MemoryKernel()) {
    this.restart();
  }

  /** A new agent over the same kernel and the same files. */
  restart(flags: Readonly<Record<string, string>> = {}): void {
    const { settings } = loadSettings({ 'node-name': 'one', ...flags }, {}, undefined);
    const netConf = {
      enableIPv4: true, enableIPv6: false, network: Cidr.parse('10.42.0.0/16'), ipv6Network: undefined,
      backend: { type: 'vxlan', vni: 1, port: 0, mtu: 0, gbp: false, learning: false, directRouting: false } as const,
    };
    this.endpoints = new LocalEndpoints(() => this.stored);
    const planner = new OverlayPlanner({ nodeName: 'one', settings: { ...settings.uplink, blackholeRoute: false }, netConf, kernel: this.kernel, resolve: () => undefined, randomMac: () => '02:00:00:00:00:aa' });
    this.loop = new ApplyLoop({ kernel: this.kernel, planner, endpoints: this.endpoints, settings, clock: this.clock, log: pino({ enabled: false }), onApplied: (view) => this.applied.push(view) });
  }

  /** Hands over a snapshot and applies at once. */
  apply(state?: Snapshot): void {
    if (state !== undefined) this.loop.update(state);
    this.loop.applyNow();
  }

  /** A pod whose ADD is complete. */
  addPod(name: string, ifindex: number, address: string): void {
    this.kernel.addPod(`cali${name}`, ifindex);
    this.stored.push(endpoint(name, ifindex, address));
    this.kernel.changes.add('link');
  }
}
