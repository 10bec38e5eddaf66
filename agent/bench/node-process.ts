import { IpAddress } from '../base/address.js';
import { systemClock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';
import { createLogger } from '../base/log.js';
import { compile } from '../compile/compile.js';
import type { LocalEndpoint, NodeFacts } from '../compile/desired.js';
import { PolicyCompiler } from '../compile/policy/compiler.js';
import { openKernel } from '../daemon/kernel.js';
import { createLedgers } from '../daemon/ledgers.js';
import { Wishes } from '../daemon/wishes.js';
import type { Device, NodeKernel } from '../daemon/node-kernel.js';
import { OverlayPlanner } from '../daemon/overlay-planner.js';
import { loadSettings } from '../daemon/settings/load.js';
import { parseNetConf } from '../daemon/settings/net-conf.js';
import { totalWrites } from '../reconcile/outcome.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { podMac } from './lab.js';
import { HOST_MAC, NODES, PODS, POD_MTU, UPLINK, type NodeName } from './lab-plan.js';
import { benchSnapshot, NAMESPACE, type PolicySize } from './policies.js';

/** What the process is told, as JSON in its first argument. */
export interface NodeOrder {
  readonly node: NodeName;
  readonly size: PolicySize;
  readonly fastPath: 'off' | 'local' | 'on';
  readonly directVxlan: boolean;
  /** Where a bpffs may be mounted, in a mount namespace of the process's own. */
  readonly bpffs: string;
}

/** Rows that the hash and LPM maps must hold beyond what they are made for. */
const LARGE_MAPS = { canal_cidr4: 1_048_576, canal_peer4: 1_048_576, canal_table: 1_048_576 };

/**
 * One node of the lab under the product's own dataplane: settings, compile,
 * reconcile, kernel, all but the API. Runs inside the node's network namespace,
 * says `ready` when policy is in force, and stays until its input ends.
 */
function main(order: NodeOrder): void {
  const flags = { iface: [UPLINK], 'fast-path': order.fastPath, 'direct-vxlan': String(order.directVxlan), bpffs: order.bpffs };
  const { settings } = loadSettings(flags, { NODE_NAME: order.node }, undefined);
  const mapSizes = order.size.cidrs > 50_000 ? LARGE_MAPS : {};
  const netConf = parseNetConf('{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan"}}', 'bench');
  const kernel = openKernel({ settings: { ...settings, mapSizes }, networks: [netConf.network!], sysctls: () => [], log: createLogger('warn') });
  const vtepMac = NODES.find((node) => node.name === order.node)!.vtepMac;
  const planner = new OverlayPlanner({ nodeName: order.node, settings: { ...settings.uplink, blackholeRoute: false }, netConf, kernel, resolve: () => undefined, randomMac: () => vtepMac });
  const ledgers = createLedgers(kernel.tables);
  const reconciler = new Reconciler(Object.values(ledgers), kernel.epoch, () => systemClock.monotonic());
  new Wishes(ledgers, kernel.families).want(desired(order, kernel, planner, settings));
  const outcome = reconciler.apply();
  if (outcome.troubles.length > 0 || outcome.blocked > 0) throw new CanalError('KERNEL', `cannot set up ${order.node}: ${JSON.stringify(outcome.troubles.slice(0, 3))}`);
  process.stdout.write(`ready ${totalWrites(outcome)}\n`);
  process.stdin.resume().on('end', () => kernel.close());
}

function desired(order: NodeOrder, kernel: NodeKernel, planner: OverlayPlanner, settings: Parameters<typeof compile>[0]['settings']): ReturnType<typeof compile> {
  const snapshot = benchSnapshot(order.size);
  const devices = kernel.devices();
  const addresses = kernel.addresses();
  const facts: NodeFacts = { nodeName: order.node, endpoints: endpointsOf(order.node, devices), hostAddresses: addresses.map((a) => a.address) };
  const policy = new PolicyCompiler().compile(snapshot, facts);
  const up = new Set(devices.filter((d) => d.up).map((d) => d.ifindex));
  const { problem, ...planned } = planner.plan(snapshot, devices, addresses);
  if (problem !== undefined) throw new CanalError('KERNEL', `no overlay on ${order.node}: ${problem.message}`);
  return compile({ facts, up, policy, ...planned, settings });
}

const endpointsOf = (node: NodeName, devices: readonly Device[]): LocalEndpoint[] =>
  PODS.filter((pod) => pod.node === node).map((pod) => ({
    containerId: pod.name, ifname: 'eth0', netns: '', namespace: NAMESPACE, pod: pod.name, podUid: pod.name,
    hostDevice: pod.device, podMac: podMac(pod), hostMac: HOST_MAC, addresses: [IpAddress.parse(pod.address)!], mtu: POD_MTU,
    ifindex: devices.find((d) => d.name === pod.device)!.ifindex,
  }));

main(JSON.parse(process.argv[2] ?? '') as NodeOrder);
