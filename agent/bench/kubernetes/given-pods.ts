import { CanalError } from '../../base/errors.js';
import { fields, list, text } from '../../datastore/decode/field.js';
import { PODS } from '../../datastore/resource.js';
import type { Contender } from '../driver.js';
import type { Path } from '../report.js';
import { forgetPod, giveTool, openCluster, type BenchPod, type Cluster } from './bench-pods.js';
import { measurePods } from './measure.js';
import type { PodRef } from './pod-exec.js';

/** Pods that somebody else has made: `from` asks `to`. */
export interface PodPair {
  readonly from: PodRef;
  readonly to: PodRef;
  /** Free in `to`, and open to `from` as far as policies go. */
  readonly port: number;
}

/** Which path leads from one to the other. @throws CanalError('CONFIG' | 'DATASTORE') */
export async function pathBetween(kubeconfig: string, { from, to }: PodPair): Promise<Path> {
  const cluster = await openCluster(kubeconfig);
  try {
    const [client, server] = await Promise.all([find(cluster, from), find(cluster, to)]);
    return client.node === server.node ? 'same' : 'across';
  } finally {
    cluster.client.close();
  }
}

/** The two pods as a contender. Nothing of the cluster changes; the pods hold the load tool until it is closed. */
export async function givenPods(cluster: Cluster, { from, to, port }: PodPair): Promise<Contender> {
  const given: BenchPod[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(given.map((pod) => forgetPod(cluster, pod)));
    cluster.client.close();
  };
  try {
    for (const ref of [from, to]) {
      const { container, address } = await find(cluster, ref);
      const pod = { ...ref, container };
      given.push({ ...pod, address, port, tool: await giveTool(cluster.connection, pod) });
    }
    const [client, server] = given as [BenchPod, BenchPod];
    return {
      close,
      measure: async (ask) => {
        if (ask.perCpuSecond) throw new CanalError('CONFIG', 'no figures per processor second from pods');
        return measurePods(cluster.connection, { client, server }, `${server.address}:${port}`, ask);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Found {
  readonly node: string;
  readonly address: string;
  /** The first. */
  readonly container: string;
}

async function find({ client }: Cluster, ref: PodRef): Promise<Found> {
  const pod = await client.get(PODS, ref);
  const [spec, status] = [fields(pod['spec']), fields(pod['status'])];
  const found = { node: text(spec['nodeName']), address: text(status['podIP']), container: text(fields(list(spec['containers'])[0])['name']) };
  if (status['phase'] !== 'Running' || found.address === '') throw new CanalError('CONFIG', `pod ${ref.namespace}/${ref.name} does not run`);
  return found;
}
