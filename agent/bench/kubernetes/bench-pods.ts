import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../base/clock.js';
import { CanalError } from '../../base/errors.js';
import { createKubeClient, type KubeClient } from '../../datastore/client.js';
import type { Connection } from '../../datastore/connection.js';
import { fields, list, text } from '../../datastore/decode/field.js';
import { loadConnection } from '../../datastore/load-connection.js';
import { NODES, PODS } from '../../datastore/resource.js';
import { PORT } from '../lab-plan.js';
import { loadTool } from '../load.js';
import { podRun, type PodRef } from './pod-exec.js';

/** A pod that runs, with the load tool in it. */
export interface BenchPod extends PodRef {
  readonly address: string;
  /** That its server listens on. */
  readonly port: number;
  /** Path of the load tool in it. */
  readonly tool: string;
}

export interface PodOrder extends PodRef {
  readonly node: string;
  readonly hostNetwork: boolean;
  readonly image: string;
}

export interface Cluster {
  readonly client: KubeClient;
  readonly connection: Connection;
}

/** @throws CanalError('CONFIG') as {@link loadConnection} does */
export async function openCluster(kubeconfig: string): Promise<Cluster> {
  const connection = await loadConnection({ kubeconfig, env: {}, clock: systemClock });
  return { connection, client: createKubeClient(connection, systemClock) };
}

const READY_MS = 120_000;
const LOOK_MS = 250;

/** Makes a pod and gives it the tool. @throws CanalError('DATASTORE' | 'KERNEL'), also after two minutes without a running pod */
export async function makePod({ client, connection }: Cluster, order: PodOrder): Promise<BenchPod> {
  const { namespace, name } = order;
  await client.create(PODS, namespace, podObject(order));
  const address = await running(client, order);
  return { namespace, name, address, port: PORT, tool: await giveTool(connection, { namespace, name }) };
}

/** @returns where it is. @throws CanalError('KERNEL') where the container has no `sh`, `head` or `/tmp` that can be written */
export async function giveTool(connection: Connection, pod: PodRef): Promise<string> {
  // A path of its own: a lab's pods share the machine's files.
  const tool = `/tmp/canal-load-${process.pid}-${pod.namespace}-${pod.name}`;
  const bytes = readFileSync(loadTool());
  // By itself, without input: of a command that ends before it has read its own, containerd 1.6 does not always tell the end.
  await podRun(connection, pod, ['sh', '-c', `head -c 0 > ${tool}`]);
  await podRun(connection, pod, ['sh', '-c', `head -c ${bytes.length} > ${tool} && chmod 755 ${tool}`], bytes);
  return tool;
}

/** Takes the tool away again: a pod's files go with it, a lab's do not. */
export const forgetPod = ({ connection }: Cluster, pod: BenchPod): Promise<string> => podRun(connection, pod, ['rm', '-f', pod.tool]);

/** Nodes to put pods on: those that take any, by name. */
export async function usableNodes(client: KubeClient): Promise<string[]> {
  const { items } = await client.list(NODES);
  const usable = items.map(fields).filter((node) => {
    const spec = fields(node['spec']);
    return spec['unschedulable'] !== true && !list(spec['taints']).some((taint) => text(fields(taint)['effect']).startsWith('No'));
  });
  return usable.map((node) => text(fields(node['metadata'])['name'])).sort();
}

async function running(client: KubeClient, pod: PodRef): Promise<string> {
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const found = await client.get(PODS, pod);
    const status = fields(found['status']);
    const address = text(status['podIP']);
    if (status['phase'] === 'Running' && address !== '') return address;
    if (waitedMs > READY_MS) throw new CanalError('KERNEL', `pod ${pod.namespace}/${pod.name} does not run: ${JSON.stringify(status).slice(0, 400)}`);
    await sleep(LOOK_MS);
  }
}

const podObject = ({ name, namespace, node, hostNetwork, image }: PodOrder): Readonly<Record<string, unknown>> => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace },
  spec: {
    nodeName: node, hostNetwork, terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, tolerations: [{ operator: 'Exists' }],
    containers: [{ name: 'load', image, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', 'while :; do sleep 3600; done'] }],
  },
});
