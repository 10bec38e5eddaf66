import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { KubeClient } from '../../datastore/client.js';
import type { Resource } from '../../datastore/resource.js';
import { ObjectCache } from './object-cache.js';
import type { ControllerRevision, DaemonSet, Deployment, EndpointSlice, Job, KubeObject, Namespace, Node, Pod, ReplicaSet, Service, StatefulSet } from './objects.js';
import { CONTROLLER_REVISIONS, DAEMON_SETS, DEPLOYMENTS, ENDPOINT_SLICES, JOBS, NAMESPACES, NODES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS, SERVICES, STATEFUL_SETS } from './resources.js';
import { follow } from './watcher.js';

/** What the controllers decide from. */
export interface World {
  readonly namespaces: readonly Namespace[];
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
  readonly serviceAccounts: readonly KubeObject[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly deployments: readonly Deployment[];
  readonly replicaSets: readonly ReplicaSet[];
  readonly statefulSets: readonly StatefulSet[];
  readonly daemonSets: readonly DaemonSet[];
  readonly controllerRevisions: readonly ControllerRevision[];
  readonly jobs: readonly Job[];
}

/** The caches behind a {@link World}; kubelets and controllers of a lab share them. */
export class Caches {
  readonly namespaces = new ObjectCache<Namespace>();
  readonly nodes = new ObjectCache<Node>();
  readonly pods = new ObjectCache<Pod>();
  readonly services = new ObjectCache<Service>();
  readonly serviceAccounts = new ObjectCache<KubeObject>();
  readonly endpointSlices = new ObjectCache<EndpointSlice>();
  readonly deployments = new ObjectCache<Deployment>();
  readonly replicaSets = new ObjectCache<ReplicaSet>();
  readonly statefulSets = new ObjectCache<StatefulSet>();
  readonly daemonSets = new ObjectCache<DaemonSet>();
  readonly controllerRevisions = new ObjectCache<ControllerRevision>();
  readonly jobs = new ObjectCache<Job>();

  /** Every cache with the kind that it holds. */
  entries(): readonly (readonly [Resource, ObjectCache<KubeObject>])[] {
    const entry = <T extends KubeObject>(resource: Resource, cache: ObjectCache<T>) => [resource, cache as unknown as ObjectCache<KubeObject>] as const;
    return [
      entry(NAMESPACES, this.namespaces),
      entry(NODES, this.nodes),
      entry(PODS, this.pods),
      entry(SERVICES, this.services),
      entry(SERVICE_ACCOUNTS, this.serviceAccounts),
      entry(ENDPOINT_SLICES, this.endpointSlices),
      entry(DEPLOYMENTS, this.deployments),
      entry(REPLICA_SETS, this.replicaSets),
      entry(STATEFUL_SETS, this.statefulSets),
      entry(DAEMON_SETS, this.daemonSets),
      entry(CONTROLLER_REVISIONS, this.controllerRevisions),
      entry(JOBS, this.jobs),
    ];
  }

  /** The cache of a kind, where the lab keeps one. */
  of(resource: Resource): ObjectCache<KubeObject> | undefined {
    return this.entries().find(([one]) => one.plural === resource.plural && one.group === resource.group)?.[1];
  }

  snapshot(): World {
    return {
      namespaces: this.namespaces.list(),
      nodes: this.nodes.list(),
      pods: this.pods.list(),
      services: this.services.list(),
      serviceAccounts: this.serviceAccounts.list(),
      endpointSlices: this.endpointSlices.list(),
      deployments: this.deployments.list(),
      replicaSets: this.replicaSets.list(),
      statefulSets: this.statefulSets.list(),
      daemonSets: this.daemonSets.list(),
      controllerRevisions: this.controllerRevisions.list(),
      jobs: this.jobs.list(),
    };
  }

  /** Follows the given kinds (all by default); resolves once all are listed. */
  async follow(options: { client: KubeClient; clock: Clock; log: Logger; signal: AbortSignal }, only?: readonly Resource[]): Promise<void> {
    const wanted = this.entries().filter(([resource]) => only === undefined || only.includes(resource));
    await Promise.all(wanted.map(([resource, cache]) => follow(cache, { ...options, resource })));
  }
}
