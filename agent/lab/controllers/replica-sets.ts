import { isReady, isTerminating, type Pod, type ReplicaSet } from '../world/objects.js';
import { REPLICA_SETS } from '../world/resources.js';
import type { World } from '../world/world.js';
import { statusPatch, type Action } from './action.js';
import { activePods, createPod, deletePod, isAvailable, ownerReference } from './owned-pods.js';

/** ReplicaSet to pods: as many as it wants, the least useful deleted first. */
export function replicaSets(world: World, nowMs: number): Action[] {
  return world.replicaSets.flatMap((set) => (isTerminating(set) ? [] : reconcile(set, activePods(world.pods, set), nowMs)));
}

function reconcile(set: ReplicaSet, pods: readonly Pod[], nowMs: number): Action[] {
  const { replicas = 1, minReadySeconds = 0, template } = set.spec;
  const { name, namespace = 'default', generation } = set.metadata;
  const owner = ownerReference('apps/v1', 'ReplicaSet', set);
  const missing = Array.from({ length: Math.max(0, replicas - pods.length) }, () => createPod({ owner, namespace, template, generateName: `${name}-` }));
  const excess = [...pods].sort(leastUsefulFirst).slice(0, Math.max(0, pods.length - replicas));
  const status = {
    replicas: pods.length,
    fullyLabeledReplicas: pods.length,
    readyReplicas: pods.filter(isReady).length,
    availableReplicas: pods.filter((pod) => isAvailable(pod, minReadySeconds, nowMs)).length,
    observedGeneration: generation ?? 0,
  };
  return [...missing, ...excess.map(deletePod), ...statusPatch(REPLICA_SETS, set, status)];
}

/** Unscheduled, then not ready, then the youngest. */
function leastUsefulFirst(a: Pod, b: Pod): number {
  const rank = (pod: Pod): number => (pod.spec.nodeName === undefined ? 0 : isReady(pod) ? 2 : 1);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  return (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '') || a.metadata.name.localeCompare(b.metadata.name);
}
