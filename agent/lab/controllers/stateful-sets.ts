import { isReady, isTerminating, type Pod, type StatefulSet } from '../world/objects.js';
import { STATEFUL_SETS } from '../world/resources.js';
import type { World } from '../world/world.js';
import { statusPatch, type Action } from './action.js';
import { createPod, deletePod, isOwnedBy, ownerReference, templateHash } from './owned-pods.js';
import { isFinished } from '../world/objects.js';

const HASH = 'controller-revision-hash';

/** StatefulSet to pods with ordinals: made upwards, removed and updated downwards, one at a time unless Parallel. */
export function statefulSets(world: World): Action[] {
  return world.statefulSets.flatMap((set) => (isTerminating(set) ? [] : reconcile(set, world.pods.filter((pod) => isOwnedBy(pod, set)))));
}

function reconcile(set: StatefulSet, pods: readonly Pod[]): Action[] {
  const hash = `${set.metadata.name}-${templateHash(set.spec.template)}`;
  const { replicas = 1, ordinals } = set.spec;
  const first = ordinals?.start ?? 0;
  const names = Array.from({ length: replicas }, (_, i) => `${set.metadata.name}-${first + i}`);
  const step = set.spec.podManagementPolicy === 'Parallel' ? Infinity : 1;
  return [...nextSteps(set, pods, names, hash).slice(0, step), ...statusPatch(STATEFUL_SETS, set, statusOf(set, pods, names, hash))];
}

/** Everything that remains to be done, the most urgent first; empty while a pod must be waited for. */
function nextSteps(set: StatefulSet, pods: readonly Pod[], names: readonly string[], hash: string): Action[] {
  const parallel = set.spec.podManagementPolicy === 'Parallel';
  const byName = new Map(pods.map((pod) => [pod.metadata.name, pod]));
  const steps: Action[] = [];
  for (const [i, name] of names.entries()) {
    const pod = byName.get(name);
    if (pod === undefined) steps.push(make(set, name, (set.spec.ordinals?.start ?? 0) + i, hash));
    else if (isFinished(pod) && !isTerminating(pod)) steps.push(deletePod(pod));
    const settled = pod !== undefined && isReady(pod) && !isTerminating(pod);
    if (!parallel && !settled) return steps;
  }
  const excess = pods.filter((pod) => !names.includes(pod.metadata.name)).sort(highestFirst);
  if (excess.length > 0) return excess.filter((pod, i) => !isTerminating(pod) && (parallel || i === 0)).map(deletePod);
  return steps.length > 0 ? steps : updates(set, names.map((name) => byName.get(name)).filter((pod) => pod !== undefined), hash);
}

function updates(set: StatefulSet, pods: readonly Pod[], hash: string): Action[] {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type === 'OnDelete') return [];
  for (const pod of [...pods].sort(highestFirst)) {
    if (ordinalOf(pod) < (rollingUpdate?.partition ?? 0)) return [];
    if (pod.metadata.labels?.[HASH] !== hash) return isTerminating(pod) ? [] : [deletePod(pod)];
    // The next waits until this one serves again.
    if (!isReady(pod)) return [];
  }
  return [];
}

function make(set: StatefulSet, name: string, ordinal: number, hash: string): Action {
  const labels = { [HASH]: hash, 'statefulset.kubernetes.io/pod-name': name, 'apps.kubernetes.io/pod-index': String(ordinal) };
  const { serviceName, template } = set.spec;
  const spec = { hostname: name, ...(serviceName === undefined ? {} : { subdomain: serviceName }) };
  return createPod({ owner: ownerReference('apps/v1', 'StatefulSet', set), namespace: set.metadata.namespace ?? 'default', template, name, labels, spec });
}

const ordinalOf = (pod: Pod): number => Number(pod.metadata.name.slice(pod.metadata.name.lastIndexOf('-') + 1));
const highestFirst = (a: Pod, b: Pod): number => ordinalOf(b) - ordinalOf(a);

function statusOf(set: StatefulSet, pods: readonly Pod[], names: readonly string[], hash: string): Record<string, unknown> {
  const active = pods.filter((pod) => !isTerminating(pod));
  const updated = active.filter((pod) => pod.metadata.labels?.[HASH] === hash);
  const ready = active.filter(isReady).length;
  const done = updated.length === names.length && ready >= names.length;
  return {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: active.length,
    readyReplicas: ready,
    availableReplicas: ready,
    updatedReplicas: updated.length,
    currentReplicas: done ? updated.length : active.length - updated.length,
    updateRevision: hash,
    currentRevision: done ? hash : ((set.status?.['currentRevision'] as string | undefined) ?? hash),
  };
}
