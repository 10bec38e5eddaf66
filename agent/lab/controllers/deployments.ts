import type { Resource } from '../../datastore/resource.js';
import { isOwnedBy, ownerReference, templateHash } from './owned-pods.js';
import { isTerminating, type Condition, type Deployment, type ReplicaSet } from '../world/objects.js';
import { DEPLOYMENTS, REPLICA_SETS } from '../world/resources.js';
import type { World } from '../world/world.js';
import { refOf, statusPatch, type Action } from './action.js';

const HASH = 'pod-template-hash';
const REVISION = 'deployment.kubernetes.io/revision';

/** Deployment to ReplicaSets: one a template, scaled against each other within the strategy's bounds. */
export function deployments(world: World, nowMs: number): Action[] {
  return world.deployments.flatMap((deployment) => {
    if (isTerminating(deployment)) return [];
    const sets = world.replicaSets.filter((set) => isOwnedBy(set, deployment) && !isTerminating(set));
    return reconcile(deployment, sets, nowMs);
  });
}

function reconcile(deployment: Deployment, sets: readonly ReplicaSet[], nowMs: number): Action[] {
  const hash = templateHash(deployment.spec.template);
  const current = sets.find((set) => set.metadata.labels?.[HASH] === hash);
  const old = sets.filter((set) => set !== current);
  const status = statusPatch(DEPLOYMENTS, deployment, statusOf(deployment, current, sets, nowMs));
  if (deployment.spec.paused === true) return [...scaleInProportion(deployment, sets), ...status];
  if (current === undefined) return [createSet(deployment, hash, old), ...status];
  return [...revise(deployment, current, old), ...scale(deployment, current, old), ...dropHistory(deployment, old), ...status];
}

function createSet(deployment: Deployment, hash: string, old: readonly ReplicaSet[]): Action {
  const { name, namespace = 'default', annotations } = deployment.metadata;
  const { template, selector, minReadySeconds } = deployment.spec;
  const labels = { ...template.metadata?.labels, [HASH]: hash };
  const object = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: { ...withoutApplied(annotations), [REVISION]: String(1 + lastRevision(old)) },
      ownerReferences: [ownerReference('apps/v1', 'Deployment', deployment)],
    },
    spec: {
      // The first step of the rollout follows once the set exists.
      replicas: old.some((set) => (set.spec.replicas ?? 1) > 0) ? 0 : (deployment.spec.replicas ?? 1),
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
  return { verb: 'create', resource: REPLICA_SETS, namespace, object };
}

const revisionOf = (set: ReplicaSet): number => Number(set.metadata.annotations?.[REVISION] ?? 0);
const lastRevision = (sets: readonly ReplicaSet[]): number => Math.max(0, ...sets.map(revisionOf));

function withoutApplied(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration' && key !== REVISION));
}

/** The current set has the highest revision (also after a rollback), and the deployment shows it. It has the deployment's annotations too: `rollout history` reads the cause of a change there. */
function revise(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Action[] {
  const revision = revisionOf(current) > lastRevision(old) ? revisionOf(current) : lastRevision(old) + 1;
  const number = { [REVISION]: String(revision) };
  return [...annotate(REPLICA_SETS, current, { ...withoutApplied(deployment.metadata.annotations), ...number }), ...annotate(DEPLOYMENTS, deployment, number)];
}

function annotate(resource: Resource, object: Deployment | ReplicaSet, annotations: Readonly<Record<string, string>>): Action[] {
  const missing = Object.entries(annotations).some(([key, value]) => object.metadata.annotations?.[key] !== value);
  return missing ? [{ verb: 'patch', resource, ref: refOf(object), body: { metadata: { annotations } }, kind: 'merge' }] : [];
}

function scale(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Action[] {
  const replicas = deployment.spec.replicas ?? 1;
  if (deployment.spec.strategy?.type === 'Recreate') {
    // Not one of the new before the last of the old is gone.
    const gone = old.every((set) => (set.spec.replicas ?? 1) === 0 && (set.status?.replicas ?? 0) === 0);
    return [...old.flatMap((set) => scaleTo(set, 0)), ...(gone ? scaleTo(current, replicas) : [])];
  }
  const { surge, unavailable } = bounds(deployment);
  const total = sum([current, ...old].map(wanted));
  const up = Math.min(replicas, wanted(current) + Math.max(0, replicas + surge - total));
  const next = wanted(current) > replicas ? replicas : up;
  return [...scaleTo(current, next), ...shrink(old, current, replicas - unavailable)];
}

/** Takes replicas from old sets while `minimum` stay available: first those that are not, then the others. */
function shrink(old: readonly ReplicaSet[], current: ReplicaSet, minimum: number): Action[] {
  const available = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;
  let spare = Math.max(0, sum([current, ...old].map((set) => Math.min(available(set), wanted(set)))) - minimum);
  return old.flatMap((set) => {
    const healthy = Math.min(available(set), wanted(set));
    const taken = Math.min(spare, healthy);
    spare -= taken;
    return scaleTo(set, healthy - taken);
  });
}

/** A paused deployment still follows its own size: by its current set where it has but one. */
function scaleInProportion(deployment: Deployment, sets: readonly ReplicaSet[]): Action[] {
  const active = sets.filter((set) => wanted(set) > 0);
  return active.length === 1 ? scaleTo(active[0]!, deployment.spec.replicas ?? 1) : [];
}

function scaleTo(set: ReplicaSet, replicas: number): Action[] {
  return wanted(set) === replicas ? [] : [{ verb: 'patch', resource: REPLICA_SETS, ref: refOf(set), body: { spec: { replicas } }, kind: 'merge' }];
}

/** Numbers of pods by which a rollout may exceed or fall below the wanted size; never both zero. */
export function bounds(deployment: Deployment): { surge: number; unavailable: number } {
  const replicas = deployment.spec.replicas ?? 1;
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = share(maxSurge, replicas, Math.ceil);
  const unavailable = share(maxUnavailable, replicas, Math.floor);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable: Math.min(unavailable, replicas) };
}

/** A number, or a percentage of `whole`. */
export function share(value: number | string, whole: number, round: (x: number) => number): number {
  return typeof value === 'number' ? value : value.endsWith('%') ? round((whole * parseInt(value, 10)) / 100) : Number(value);
}

function dropHistory(deployment: Deployment, old: readonly ReplicaSet[]): Action[] {
  const empty = old.filter((set) => wanted(set) === 0 && (set.status?.replicas ?? 0) === 0).sort((a, b) => revisionOf(a) - revisionOf(b));
  const excess = empty.slice(0, Math.max(0, empty.length - (deployment.spec.revisionHistoryLimit ?? 10)));
  return excess.map((set) => ({ verb: 'delete', resource: REPLICA_SETS, ref: refOf(set), uid: set.metadata.uid }));
}

function statusOf(deployment: Deployment, current: ReplicaSet | undefined, sets: readonly ReplicaSet[], nowMs: number): Record<string, unknown> {
  const replicas = deployment.spec.replicas ?? 1;
  const count = (of: (set: ReplicaSet) => number | undefined): number => sum(sets.map((set) => of(set) ?? 0));
  const available = count((set) => set.status?.availableReplicas);
  const updated = current?.status?.replicas ?? 0;
  const complete = updated === replicas && available >= replicas && count((set) => set.status?.replicas) === replicas;
  const enough = available >= replicas - bounds(deployment).unavailable;
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: count((set) => set.status?.replicas),
    updatedReplicas: updated,
    readyReplicas: count((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, replicas - available),
    conditions: [
      condition(deployment, 'Available', enough, enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable', nowMs),
      condition(deployment, 'Progressing', true, complete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated', nowMs),
    ],
  };
}

function condition(deployment: Deployment, type: string, holds: boolean, reason: string, nowMs: number): Condition {
  const status = holds ? 'True' : 'False';
  const before = deployment.status?.conditions?.find((one) => one.type === type);
  if (before?.status === status && before.reason === reason) return before;
  return { type, status, reason, message: '', lastTransitionTime: new Date(nowMs).toISOString().replace(/\.\d+/, '') };
}

const wanted = (set: ReplicaSet): number => set.spec.replicas ?? 1;
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
