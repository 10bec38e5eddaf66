import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpAddress } from '../../base/address.js';
import { systemClock } from '../../base/clock.js';
import { CanalError } from '../../base/errors.js';
import { createLogger } from '../../base/log.js';
import type { LocalEndpoint } from '../../compile/desired.js';
import { ApplyLoop } from '../../daemon/apply-loop.js';
import { collectGarbage, optimiseLater } from '../../daemon/engine.js';
import { openKernel, type LinuxKernel } from '../../daemon/kernel.js';
import { LocalEndpoints } from '../../daemon/local-endpoints.js';
import { OverlayPlanner } from '../../daemon/overlay-planner.js';
import { loadSettings } from '../../daemon/settings/load.js';
import { parseNetConf } from '../../daemon/settings/net-conf.js';
import type { MapSizes } from '../../kernel/bpf-object.js';
import type { Snapshot } from '../../model/snapshot.js';
import { createStore, type Store } from '../../store/store.js';
import { HERE, podAddress, ScaleCluster, type ClusterSize } from './cluster.js';

const LONGEST_MS = 60_000;

/** What one process measures: a node of a cluster of this size. */
export interface ScaleOrder {
  readonly size: ClusterSize;
  /** Changes of each kind. */
  readonly changes: number;
  /** Pod events a second, and for how many seconds. */
  readonly eventRate: number;
  readonly eventSeconds: number;
  readonly bpffs: string;
  /** Of the node: what maps' sizes go by. */
  readonly memoryGb: number;
  /** Rows that maps must have room for, where a start has found that they need more. */
  readonly grown?: MapSizes;
}

/** The agent's own store, compile, reconcile and kernel, without API and CNI; pods' devices are real. */
export class ScaleNode {
  readonly loop: ApplyLoop;
  readonly store: Store;
  readonly cluster: ScaleCluster;
  readonly endpoints: LocalEndpoints;
  readonly kernel: LinuxKernel;
  readonly stored: LocalEndpoint[] = [];
  #applied: (() => void) | undefined;
  #seen: Snapshot | undefined;

  /** @param stored pods whose ADD is complete; those of `this.stored` by default */
  constructor(
    readonly order: ScaleOrder,
    stored: () => readonly LocalEndpoint[] = () => this.stored,
  ) {
    optimiseLater();
    const { settings } = loadSettings({ iface: ['uplink'], bpffs: order.bpffs, 'node-name': HERE }, {}, undefined);
    const netConf = parseNetConf('{"Network":"10.0.0.0/7","Backend":{"Type":"vxlan"}}', 'bench');
    this.kernel = openKernel({ settings, memory: order.memoryGb * 2 ** 30, grown: order.grown ?? {}, networks: [netConf.network!], sysctls: () => [...this.loop.ledgers.sysctls.desired.keys()], log: createLogger('warn') });
    const planner = new OverlayPlanner({ nodeName: HERE, settings: { ...settings.uplink, blackholeRoute: false }, netConf, kernel: this.kernel, resolve: () => undefined, randomMac: () => '02:00:00:ff:00:01' });
    this.endpoints = new LocalEndpoints(stored);
    this.loop = new ApplyLoop({ kernel: this.kernel, planner, endpoints: this.endpoints, settings, clock: systemClock, log: createLogger('warn'), onApplied: (view) => this.#see(view.snapshot) });
    this.store = createStore({ clock: systemClock, onChange: (snapshot) => this.loop.update(snapshot) });
    this.cluster = new ScaleCluster(order.size, this.store.sinks);
  }

  /** Resolves after the apply of the next snapshot. @throws CanalError('INTERNAL') after a minute */
  async applied(): Promise<void> {
    const given = new AbortController();
    const late = sleep(LONGEST_MS, undefined, { signal: given.signal }).then(() => {
      throw new CanalError('INTERNAL', `no apply within ${LONGEST_MS} ms`);
    });
    await Promise.race([late, new Promise<void>((resolve) => (this.#applied = resolve))]);
    given.abort();
    await late.catch(() => undefined);
  }

  /** A pod's endpoint, whose device is there. */
  endpoint(i: number, ifindex: number): LocalEndpoint {
    return {
      containerId: `c${i}`, ifname: 'eth0', netns: '', namespace: this.cluster.namespaceOf(i), pod: `pod-${i}`, podUid: `uid-${i}`, hostDevice: `cali${i}`,
      podMac: '02:00:00:00:00:02', hostMac: 'ee:ee:ee:ee:ee:ee', addresses: [IpAddress.parse(podAddress(i, this.order.size))!], mtu: 1450, ifindex,
    };
  }

  #see(snapshot: Snapshot): void {
    if (snapshot === this.#seen) return;
    if (this.#seen === undefined) collectGarbage(); // as the agent does
    this.#seen = snapshot;
    this.#applied?.();
  }

  async close(): Promise<void> {
    this.store.close();
    await this.loop.close();
    this.kernel.close();
  }
}

/** Devices by name, in one go. */
export function addDevices(names: readonly string[]): void {
  const lines = names.flatMap((name) => [`link add ${name} mtu 1450 type veth peer name p${name}`, `link set ${name} up`]);
  execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });
}
