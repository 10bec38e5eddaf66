import { setTimeout as sleep } from 'node:timers/promises';
import { CanalError } from '../../base/errors.js';
import type { KubeClient } from '../../datastore/client.js';
import { fields, text } from '../../datastore/decode/field.js';
import { ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, SERVICES } from '../../datastore/resource.js';
import type { Contender, Driver } from '../driver.js';
import { PORT } from '../lab-plan.js';
import { policyObjects } from '../policies.js';
import type { Path } from '../report.js';
import { benchServices, SERVICE_PORT, serviceObjects } from '../services.js';
import type { Size } from '../size.js';
import { forgetPod, makePod, openCluster, usableNodes, type BenchPod, type Cluster } from './bench-pods.js';
import { givenPods, type PodPair } from './given-pods.js';
import { isFiltered, measurePods } from './measure.js';

export interface ClusterDriverOptions {
  /** Kubeconfigs by contender, at least one; the contender `limit` is the host network of the first. */
  readonly clusters: ReadonlyMap<string, string>;
  /** With `sh` and `head`. */
  readonly image: string;
  /** Two, the first for the client; empty: the cluster's first two that take pods. */
  readonly nodes: readonly string[];
  /** To measure between these, which are there, under what policies there are; undefined: between pods of its own. */
  readonly pods: PodPair | undefined;
  readonly onNotice: (message: string) => void;
}

type Pods = Readonly<Record<'client' | Path, BenchPod>>;

const FORCE_MS = 60_000;
/** Objects that are created at a time. */
const AT_ONCE = 16;

/** Every contender in a namespace of its own of a cluster. */
export function clusterDriver(options: ClusterDriverOptions): Driver {
  return {
    async create({ contender, size }, id) {
      const kubeconfig = options.clusters.get(contender) ?? (contender === 'limit' ? [...options.clusters.values()][0] : undefined);
      if (kubeconfig === undefined) throw new CanalError('CONFIG', `${contender}: no --cluster of that name`);
      const cluster = await openCluster(kubeconfig);
      if (options.pods !== undefined) return givenPods(cluster, options.pods);
      const namespace = `canal-bench-${process.pid}-${id}`;
      await cluster.client.create(NAMESPACES, undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
      try {
        return await setUp(options, cluster, namespace, contender === 'limit', size);
      } catch (error) {
        await cluster.client.remove(NAMESPACES, { name: namespace });
        cluster.client.close();
        throw error;
      }
    },
  };
}

async function setUp(options: ClusterDriverOptions, cluster: Cluster, namespace: string, hostNetwork: boolean, size: Size): Promise<Contender> {
  const [first, second] = options.nodes.length > 0 ? options.nodes : await usableNodes(cluster.client);
  if (first === undefined || second === undefined) throw new CanalError('CONFIG', 'the cluster has no two nodes that take pods');
  const make = (name: string, node: string): Promise<BenchPod> => makePod(cluster, { namespace, name, node, hostNetwork, image: options.image });
  const [client, same, across] = await Promise.all([make('client', first), make('same', first), make('across', second)]);
  const pods: Pods = { client, same, across };
  const services = hostNetwork ? new Map<Path, string>() : await applySize(cluster.client, namespace, size, pods);
  if (!hostNetwork && size.policies > 0) await awaitPolicies(options, cluster, pods);
  const measure: Contender['measure'] = async (ask) => {
    if (ask.perCpuSecond) throw new CanalError('CONFIG', 'no figures per processor second from pods');
    const server = pods[ask.path];
    return measurePods(cluster.connection, { client, server }, services.get(ask.path) ?? `${server.address}:${PORT}`, ask);
  };
  await awaitAnswers(measure);
  return {
    measure,
    close: async () => {
      await Promise.all(Object.values(pods).map((pod) => forgetPod(cluster, pod)));
      await cluster.client.remove(NAMESPACES, { name: namespace });
      cluster.client.close();
    },
  };
}

/** Policies and services of the namespace. @returns whom to ask on a path, where it is a service */
async function applySize(client: KubeClient, namespace: string, size: Size, pods: Pods): Promise<ReadonlyMap<Path, string>> {
  await inParts(policyObjects(size, namespace), async (policy) => void (await client.create(NETWORK_POLICIES, namespace, policy)));
  if (size.services === 0) return new Map();
  const all = benchServices(size.services, { same: pods.same.address, across: pods.across.address }).map((each) => ({ ...each, clusterIp: undefined }));
  const addresses = new Map<string, string>();
  const make = async (service: (typeof all)[number]): Promise<void> => {
    const [object, slice] = serviceObjects(service, namespace);
    addresses.set(service.name, text(fields((await client.create(SERVICES, namespace, object))['spec'])['clusterIP']));
    await client.create(ENDPOINT_SLICES, namespace, slice);
  };
  const asked = { same: all.at(-2)!, across: all.at(-1)! };
  await inParts(all.slice(0, -2), make);
  for (const service of [asked.same, asked.across]) await make(service);
  return new Map((['same', 'across'] as const).map((path) => [path, `${addresses.get(asked[path].name)}:${SERVICE_PORT}`]));
}

async function inParts<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE) await Promise.all(items.slice(at, at + AT_ONCE).map(each));
}

/** Until both paths carry a connection: what the cluster writes for services and policies takes its time. */
async function awaitAnswers(measure: Contender['measure']): Promise<void> {
  const until = Date.now() + FORCE_MS;
  for (const path of ['same', 'across'] as const) {
    for (;;) {
      const failed = await measure({ path, metric: 'crr', warmMs: 0, countMs: 20, perCpuSecond: false }).then(() => undefined, (error: unknown) => error as Error);
      if (failed === undefined) break;
      if (Date.now() > until) throw failed;
      await sleep(500);
    }
  }
}

async function awaitPolicies({ onNotice }: ClusterDriverOptions, { connection }: Cluster, { client, same, across }: Pods): Promise<void> {
  for (const server of [same, across]) {
    const until = Date.now() + FORCE_MS;
    while (!(await isFiltered(connection, client, server))) {
      if (Date.now() > until) return onNotice('no port is closed by silence after a minute: policies are not in force, or this cluster rejects instead of dropping');
      await sleep(500);
    }
  }
}
