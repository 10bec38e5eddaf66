import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { startApiServer } from '../../apiserver/server.js';
import { nodeName, nodeObject, nodeStatus, podObject, podStatus } from './api-objects.js';
import { podAddress, type ClusterSize } from './cluster.js';

/**
 * The embedded API server with a cluster in it, whose nodes and pods nobody
 * runs. Says its URL; does what each line asks and answers it with its own
 * resident megabytes; ends with its input.
 */
async function main(size: ClusterSize): Promise<void> {
  const server = await startApiServer({ serviceCidr: '172.16.0.0/12' });
  const { client } = server;
  for (let i = 0; i < size.namespaces; i++) client.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `ns-${i}`, labels: { team: `team-${i % 140}` } } });
  for (let i = 0; i < size.nodes; i++) client.create('nodes', nodeObject(i));
  for (let i = 0; i < size.pods; i++) client.create('pods', podObject(i, size));
  for (let i = 0; i < size.policies; i++) {
    const spec = { podSelector: { matchLabels: { app: `app-${i % 20}` } }, ingress: [{ from: [{ podSelector: { matchLabels: { tier: 'front' } } }], ports: [{ port: 1000 + i }] }] };
    client.create('networkpolicies.networking.k8s.io', { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace: `ns-${i % size.namespaces}`, name: `p-${i}` }, spec });
  }
  process.stdout.write(`${server.url}\n`);
  let turn = 0;
  const podOf = (i: number): [string, string] => [`ns-${i % size.namespaces}`, `pod-${i}`];
  const orders: Readonly<Record<string, (i: number) => void>> = {
    'node-heartbeat': (i) => void client.patchStatus('nodes', '', nodeName(i), nodeStatus(i, ++turn)),
    'node-add': (i) => void client.create('nodes', nodeObject(i)),
    'node-move': (i) => void client.patch('nodes', '', nodeName(i), { metadata: { annotations: nodeObject(i, ++turn).metadata.annotations! } }),
    'node-gone': (i) => void client.delete('nodes', '', nodeName(i)),
    'pod-label': (i) => void client.patch('pods', ...podOf(i), { metadata: { labels: podObject(i, size, ++turn).metadata.labels! } }),
    'pod-status': (i) => void client.patchStatus('pods', ...podOf(i), podStatus(podAddress(i, size), ++turn)),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const [order = '', count = '', perSecond] = line.split(' ');
    if (perSecond === undefined) orders[order]!(Number(count));
    else await steadily(Number(count), Number(perSecond), (n) => orders[order]!(order.startsWith('node') ? 1 + (n % (size.nodes - 1)) : (n * 7919) % size.pods));
    process.stdout.write(`${process.memoryUsage.rss() / 1e6}\n`);
  }
  await server.close();
}

async function steadily(count: number, perSecond: number, change: (n: number) => void): Promise<void> {
  const startMs = performance.now();
  for (let n = 0; n < count; n++) {
    change(n);
    const aheadMs = startMs + ((n + 1) * 1000) / perSecond - performance.now();
    if (aheadMs > 0) await sleep(aheadMs);
  }
}

await main(JSON.parse(process.argv[2] ?? '') as ClusterSize);
