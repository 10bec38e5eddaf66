import { setTimeout as sleep } from 'node:timers/promises';
import { wantedRows } from '../../daemon/ledgers.js';
import { growthOf } from '../../daemon/map-plan.js';
import { isOpen } from '../../reconcile/epoch.js';
import { addDevices, ScaleNode, type ScaleOrder } from './scale-node.js';

/** What a figure is of. Times are from the change to its being in force; CPU is all that follows from it. */
export type ScaleMetric =
  | 'start' | 'start-cpu' | 'restart' | 'restart-cpu' | 'restart-writes' | 'resident' | 'maps'
  | 'remote-label' | 'local-label' | 'policy' | 'endpoint-slice' | 'node' | 'pod-add'
  | 'events-cpu' | 'events-epochs' | 'idle-cpu';

export interface ScaleFigure {
  readonly metric: ScaleMetric;
  readonly unit: 'ms' | 'MB' | '% of a core' | 'writes' | 'times';
  readonly value: number;
  /** Of many changes: `value` is the median. */
  readonly p99?: number;
  /** Processor time of one, garbage collection included; ms. */
  readonly cpu?: number;
}

/** Changes of one kind come so far apart: each meets an agent at rest. Streams are measured as pod events. */
const REST_MS = 20;
/** Of the rows at first, for what is added later: here nobody starts the agent anew when a map is nearly full. */
const ROOM = 1.25;

/** Starts a node, changes one thing after another, and starts it again. */
export async function measureNode(order: ScaleOrder): Promise<readonly ScaleFigure[]> {
  const figures: ScaleFigure[] = [];
  const node = await started(order, figures, 'start', 'start-cpu');
  const { size } = order;
  const { cluster } = node;
  const remote = size.pods - size.localPods;
  let turn = 0;
  const each = async (metric: ScaleMetric, change: (n: number) => void): Promise<void> => void figures.push(await changes(node, metric, change));
  if (remote > 0) await each('remote-label', (n) => cluster.relabel(size.localPods + ((n * 7919) % remote)));
  if (size.localPods > 0) await each('local-label', (n) => cluster.relabel((n * 7919) % size.localPods));
  if (size.policies > 0) await each('policy', (n) => cluster.policy((n * 7919) % size.policies, ++turn));
  if (size.services > 0) await each('endpoint-slice', (n) => cluster.slice((n * 7919) % size.services, ++turn));
  await each('node', (n) => (n % 2 === 0 ? cluster.node(size.nodes + n) : cluster.nodeGone(size.nodes + n - 1)));
  if (order.changes % 2 === 1) cluster.nodeGone(size.nodes + order.changes - 1); // the last has come, too: the next start knows none of them
  figures.push(await podAdds(node));
  figures.push(...(await events(node)));
  figures.push(await idle(node));
  const applied = node.applied();
  cluster.load(); // as it was, which is what the next one starts with
  await applied;
  await node.close();
  await (await started(order, figures, 'restart', 'restart-cpu', node.stored)).close();
  return figures;
}

async function started(order: ScaleOrder, figures: ScaleFigure[], wall: ScaleMetric, cpu: ScaleMetric, stored: ScaleNode['stored'] = []): Promise<ScaleNode> {
  const [startMs, before] = [performance.now(), process.cpuUsage()];
  const node = await inForce(order, stored);
  const used = process.cpuUsage(before);
  const { troubles } = node.loop.record;
  if (troubles.length > 0) throw new Error(`not all is in the kernel: ${JSON.stringify(troubles.slice(0, 3))}`);
  figures.push({ metric: wall, unit: 'ms', value: performance.now() - startMs }, { metric: cpu, unit: 'ms', value: (used.user + used.system) / 1000 });
  if (wall === 'restart') figures.push({ metric: 'restart-writes', unit: 'writes', value: node.loop.record.firstWrites });
  else figures.push({ metric: 'resident', unit: 'MB', value: process.memoryUsage.rss() / 1e6 }, { metric: 'maps', unit: 'MB', value: [...node.kernel.maps.memory().values()].reduce((sum, bytes) => sum + bytes, 0) / 1e6 });
  return node;
}

/** A node whose first apply is over; where its maps have too little room it starts anew with larger ones, as the agent does. */
async function inForce(order: ScaleOrder, stored: ScaleNode['stored']): Promise<ScaleNode> {
  const node = new ScaleNode(order);
  const ifindexes = new Map(node.kernel.devices().map((device) => [device.name, device.ifindex]));
  if (stored.length > 0) node.stored.push(...stored);
  else for (let i = 0; i < order.size.localPods; i++) node.stored.push(node.endpoint(i, ifindexes.get(`cali${i}`)!));
  const applied = node.applied();
  node.loop.start();
  node.cluster.load();
  await applied;
  const wanted = new Map([...wantedRows(node.loop.ledgers)].map(([map, rows]) => [map, rows * ROOM]));
  const more = growthOf(wanted, node.kernel.maps.growing, {});
  if (more === undefined) return node;
  await node.close();
  return inForce({ ...order, grown: { ...order.grown, ...more } }, stored);
}

async function changes(node: ScaleNode, metric: ScaleMetric, change: (n: number) => void): Promise<ScaleFigure> {
  const times: number[] = [];
  const before = process.cpuUsage();
  for (let n = 0; n < node.order.changes; n++) {
    const applied = node.applied();
    const startMs = performance.now();
    change(n);
    await applied;
    times.push(performance.now() - startMs);
    await sleep(REST_MS);
  }
  const { user, system } = process.cpuUsage(before);
  return { metric, unit: 'ms', ...spread(times), cpu: (user + system) / 1000 / times.length };
}

/** The part of an ADD that waits for policy: from the device's being there, which is made just before, to rows and programs in force. Pods and their objects come to stay. */
async function podAdds(node: ScaleNode): Promise<ScaleFigure> {
  const { size, changes } = node.order;
  const times: number[] = [];
  let cpu = 0;
  for (let i = size.localPods; i < size.pods && times.length < changes; i++) {
    const name = `cali${i}`;
    addDevices([name]);
    const endpoint = node.endpoint(i, node.kernel.devices().find((device) => device.name === name)!.ifindex);
    const [startMs, before] = [performance.now(), process.cpuUsage()];
    node.stored.push(endpoint);
    node.loop.podsChanged();
    times.push(performance.now() - startMs);
    await sleep(REST_MS);
    const { user, system } = process.cpuUsage(before);
    cpu += (user + system) / 1000;
  }
  const { troubles } = node.loop.record;
  if (troubles.length > 0) throw new Error(`not all pods are in the kernel: ${JSON.stringify(troubles.slice(0, 3))}`);
  return { metric: 'pod-add', unit: 'ms', ...spread(times), cpu: cpu / times.length };
}

/** Labels of one pod after another change, at a steady rate. */
async function events(node: ScaleNode): Promise<ScaleFigure[]> {
  const { size, eventRate, eventSeconds } = node.order;
  const [startMs, before, epoch] = [performance.now(), process.cpuUsage(), node.kernel.epoch.read()];
  for (let n = 0; n < eventRate * eventSeconds; n++) {
    node.cluster.relabel((n * 7919) % size.pods);
    const aheadMs = startMs + ((n + 1) * 1000) / eventRate - performance.now();
    if (aheadMs > 0) await sleep(aheadMs);
  }
  const cpu = percent(before, startMs);
  const now = node.kernel.epoch.read();
  return [{ metric: 'events-cpu', unit: '% of a core', value: cpu }, { metric: 'events-epochs', unit: 'times', value: (now - epoch + Number(isOpen(now))) / 2 }];
}

async function idle(node: ScaleNode): Promise<ScaleFigure> {
  await sleep(1000);
  const [startMs, before] = [performance.now(), process.cpuUsage()];
  await sleep(node.order.eventSeconds * 1000);
  return { metric: 'idle-cpu', unit: '% of a core', value: percent(before, startMs) };
}

function percent(before: NodeJS.CpuUsage, startMs: number): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 10 / (performance.now() - startMs);
}

function spread(times: readonly number[]): { readonly value: number; readonly p99: number } {
  const sorted = [...times].sort((a, b) => a - b);
  return { value: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! };
}
