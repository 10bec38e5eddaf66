import { execFileSync } from 'node:child_process';
import { nodeAddress } from './cluster.js';
import { measureNode } from './measure.js';
import { addDevices, type ScaleOrder } from './scale-node.js';

/** Runs in namespaces of its own: makes the node's devices, and tells the figures as one line of JSON. */
async function main(order: ScaleOrder): Promise<void> {
  const lines = ['link set lo up', 'link add uplink type veth peer name far', `addr add ${nodeAddress(0)}/16 dev uplink`, 'link set uplink up', 'link set far up'];
  execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });
  addDevices(Array.from({ length: order.size.localPods }, (_, i) => `cali${i}`));
  const figures = await measureNode(order);
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

await main(JSON.parse(process.argv[2] ?? '') as ScaleOrder);
