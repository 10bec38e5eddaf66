import { IpAddress } from '../base/address.js';
import { systemClock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';
import { createLogger } from '../base/log.js';
import type { LocalEndpoint } from '../compile/desired.js';
import { ApplyLoop } from '../daemon/apply-loop.js';
import { openKernel, type LinuxKernel } from '../daemon/kernel.js';
import { LocalEndpoints } from '../daemon/local-endpoints.js';
import type { Device } from '../daemon/node-kernel.js';
import { OverlayPlanner } from '../daemon/overlay-planner.js';
import { loadSettings } from '../daemon/settings/load.js';
import { parseNetConf } from '../daemon/settings/net-conf.js';
import { EventPump } from '../flows/event-pump.js';
import { RecentEvents } from '../flows/recent-events.js';
import type { AgentSettings } from '../model/settings.js';
import { totalWrites } from '../reconcile/outcome.js';
import { podMac } from './lab.js';
import { HOST_MAC, NAMESPACE, NODES, PODS, POD_MTU, UPLINK, type NodeName } from './lab-plan.js';
import type { Size } from './size.js';
import { benchSnapshot } from './snapshot.js';

export type FastPath = AgentSettings['fastPath'];

/** What the process is told, as JSON in its first argument. */
export interface NodeOrder {
  readonly node: NodeName;
  readonly size: Size;
  readonly fastPath: FastPath;
  /** Services at the socket and per packet, and events read: as the agent is by default. */
  readonly everything: boolean;
  /** The node's; empty: none. */
  readonly cgroup: string;
  /** Where a bpffs may be mounted, in a mount namespace of the process's own. */
  readonly bpffs: string;
}

/** Rows that the hash and LPM maps must hold beyond what they are made for. */
const LARGE_MAPS = { canal_cidr4: 1_048_576, canal_peer4: 1_048_576, canal_table: 1_048_576 };
/** Events kept of those read, as the agent does. */
const EVENTS = 4096;

/**
 * One node of the lab under the product's own apply loop and programs: all but
 * the API, the CNI socket and the servers. Runs inside the node's network
 * namespace, says `ready` when everything is in force, and stays until its
 * input ends. It applies once: nothing changes while packets are counted.
 */
async function main(order: NodeOrder): Promise<void> {
  const services = order.everything ? 'on' : 'off';
  const flags = { iface: [UPLINK], 'fast-path': order.fastPath, bpffs: order.bpffs, services, 'cgroup-v2': order.cgroup };
  const settings = { ...loadSettings(flags, { NODE_NAME: order.node }, undefined).settings, mapSizes: order.size.cidrs > 50_000 ? LARGE_MAPS : {} };
  const netConf = parseNetConf('{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan"}}', 'bench');
  const log = createLogger('warn');
  const kernel = openKernel({ settings, networks: [netConf.network!], sysctls: () => [...loop.ledgers.sysctls.desired.keys()], log });
  const vtepMac = NODES.find((node) => node.name === order.node)!.vtepMac;
  const planner = new OverlayPlanner({ nodeName: order.node, settings: { ...settings.uplink, blackholeRoute: false }, netConf, kernel, resolve: () => undefined, randomMac: () => vtepMac });
  const endpoints = new LocalEndpoints(() => endpointsOf(order.node, kernel.devices()));
  const loop: ApplyLoop = new ApplyLoop({ kernel, planner, endpoints, settings, clock: systemClock, log, onApplied: () => undefined });
  loop.update(benchSnapshot(order.size));
  loop.applyNow();
  const outcome = loop.view?.outcome;
  if (outcome === undefined || outcome.troubles.length > 0 || outcome.blocked > 0) throw new CanalError('KERNEL', `cannot set up ${order.node}: ${JSON.stringify(outcome?.troubles.slice(0, 3))}`);
  while (await kernel.upgradeHook(0)); // as it is on a node where no pod has come for a while
  process.stdout.write(`ready ${totalWrites(outcome)}\n`);
  stay(kernel, order.everything);
}

function stay(kernel: LinuxKernel, readEvents: boolean): void {
  const events = new RecentEvents(EVENTS);
  const pump = new EventPump(kernel.ring, systemClock, (event) => events.add(event));
  if (readEvents) pump.start();
  process.stdin.resume().on('end', () => void pump.close().then(() => kernel.close()));
}

const endpointsOf = (node: NodeName, devices: readonly Device[]): LocalEndpoint[] =>
  PODS.filter((pod) => pod.node === node).map((pod) => ({
    containerId: pod.name, ifname: 'eth0', netns: '', namespace: NAMESPACE, pod: pod.name, podUid: pod.name,
    hostDevice: pod.device, podMac: podMac(pod), hostMac: HOST_MAC, addresses: [IpAddress.parse(pod.address)!], mtu: POD_MTU,
    ifindex: devices.find((d) => d.name === pod.device)!.ifindex,
  }));

await main(JSON.parse(process.argv[2] ?? '') as NodeOrder);
