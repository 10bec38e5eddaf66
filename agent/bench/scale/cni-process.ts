import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../base/clock.js';
import { createLogger } from '../../base/log.js';
import { EndpointStore } from '../../cni/endpoint-store.js';
import { startCni } from '../../cni/service.js';
import { createPodDataplane, createPodSource } from '../../daemon/pod-dataplane.js';
import { Ipam } from '../../ipam/ipam.js';
import { FlockFileLock } from '../../kernel/file-lock.js';
import { HERE, nodeAddress } from './cluster.js';
import { ScaleNode, type ScaleOrder } from './scale-node.js';

/** What the process of `canal bench cni` is told. */
export interface CniOrder extends ScaleOrder {
  /** For socket, records and addresses. */
  readonly directory: string;
}

/** A node with the agent's CNI service, in namespaces of its own. Says `ready`, and the same to each line, when all hooks have been moved that wait for it; ends with its input. */
async function main(order: CniOrder): Promise<void> {
  const lines = ['link set lo up', 'link add uplink type veth peer name far', `addr add ${nodeAddress(0)}/16 dev uplink`, 'link set uplink up', 'link set far up'];
  execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });
  const stored = new EndpointStore(join(order.directory, 'endpoints'));
  const node = new ScaleNode(order, () => stored.ready());
  const applied = node.applied();
  node.loop.start();
  node.cluster.load();
  await applied;
  const { loop, endpoints } = node;
  const network = { podCidrs: () => loop.view?.snapshot.nodes.get(HERE)?.podCidrs, podMtu: () => loop.view?.planned.overlay?.mtu };
  const annotator = { attached: () => undefined, detached: () => undefined };
  const cni = await startCni(
    { dataplane: createPodDataplane({ loop, endpoints, interfacePrefix: 'cali' }), network, pods: createPodSource(loop), ipam: new Ipam(new FlockFileLock()), endpoints: stored, annotator, clock: systemClock, log: createLogger('error') },
    { socket: join(order.directory, 'cni.sock'), queue: join(order.directory, 'queue'), addressDirectories: [], resultCache: join(order.directory, 'results') },
  );
  process.stdout.write('ready\n');
  for await (const line of createInterface({ input: process.stdin })) {
    while (await node.kernel.upgradeHook(0));
    process.stdout.write(`ready ${line}\n`);
  }
  await cni.close();
  await node.close();
}

await main(JSON.parse(process.argv[2] ?? '') as CniOrder);
