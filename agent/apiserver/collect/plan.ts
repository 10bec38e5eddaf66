import { listAt, textAt, type KubeObject, type OwnerReference } from '../kube-object.js';

/** An object with the resource it is stored under. */
export interface Held {
  readonly resource: string;
  readonly namespaced: boolean;
  readonly object: KubeObject;
}

/** One thing that the collector has to do. */
export type Step =
  | { readonly do: 'delete'; readonly held: Held; readonly why: 'orphaned' | 'namespace' | 'expired' | 'unscheduled' }
  | { readonly do: 'release'; readonly held: Held; readonly finalizer: 'orphan' | 'foregroundDeletion' | typeof CLAIM_IN_USE | typeof VOLUME_IN_USE }
  | { readonly do: 'disown'; readonly held: Held; readonly owner: string }
  | { readonly do: 'finishNamespace'; readonly held: Held };

/** Keeps a claim until no pod has it mounted. */
export const CLAIM_IN_USE = 'kubernetes.io/pvc-protection';
/** The same of a volume; nothing here binds one to a claim. */
export const VOLUME_IN_USE = 'kubernetes.io/pv-protection';

/** Events live for an hour, as kube-apiserver's --event-ttl has it. */
const EVENT_TTL_MS = 3_600_000;

/**
 * What has to go, from the current objects alone: dependents whose owners are
 * all gone, the content of terminating namespaces, old events, pods on nodes that no longer exist;
 * and which deleted objects may be let go. Run again after each change until it returns nothing.
 */
export function planCollection(all: readonly Held[], now: number): Step[] {
  const byUid = new Map(all.map((held) => [held.object.metadata.uid ?? '', held]));
  const dependents = dependentsByOwner(all);
  const terminating = new Set(all.filter((held) => isNamespace(held) && isDeleted(held)).map((held) => held.object.metadata.name));
  const nodes = new Set(all.filter((held) => held.resource === 'nodes').map((held) => held.object.metadata.name));
  return all.flatMap((held) => [
    ...ownerSteps(held, byUid),
    ...finalizerSteps(held, dependents),
    ...storageSteps(held, all),
    ...namespaceSteps(held, all, terminating),
    ...(isExpired(held, now) ? [{ do: 'delete', held, why: 'expired' } as const] : []),
    ...(isStranded(held, nodes) ? [{ do: 'delete', held, why: 'unscheduled' } as const] : []),
  ]);
}

const isDeleted = ({ object }: Held): boolean => object.metadata.deletionTimestamp !== undefined;
const isNamespace = ({ resource }: Held): boolean => resource === 'namespaces';

function dependentsByOwner(all: readonly Held[]): Map<string, Held[]> {
  const dependents = new Map<string, Held[]>();
  for (const held of all) {
    for (const owner of held.object.metadata.ownerReferences ?? []) dependents.set(owner.uid, [...(dependents.get(owner.uid) ?? []), held]);
  }
  return dependents;
}

/** A dependent goes when none of its owners is left, or when a waiting owner is in foreground deletion. */
function ownerSteps(held: Held, byUid: ReadonlyMap<string, Held>): Step[] {
  const owners = held.object.metadata.ownerReferences ?? [];
  if (owners.length === 0 || isDeleted(held)) return [];
  const solid = owners.filter((owner) => isSolid(owner, byUid, held));
  return solid.length === 0 ? [{ do: 'delete', held, why: 'orphaned' }] : [];
}

function isSolid(owner: OwnerReference, byUid: ReadonlyMap<string, Held>, dependent: Held): boolean {
  const found = byUid.get(owner.uid);
  if (found === undefined) return false;
  // An owner in another namespace does not count (kubernetes.io docs, "Owners and dependents").
  if (found.namespaced && found.object.metadata.namespace !== dependent.object.metadata.namespace) return false;
  return !(isDeleted(found) && found.object.metadata.finalizers?.includes('foregroundDeletion') === true);
}

function finalizerSteps(held: Held, dependents: ReadonlyMap<string, readonly Held[]>): Step[] {
  if (!isDeleted(held)) return [];
  const { finalizers = [], uid = '' } = held.object.metadata;
  const mine = dependents.get(uid) ?? [];
  if (finalizers.includes('orphan')) {
    return [...mine.map((dependent) => ({ do: 'disown', held: dependent, owner: uid }) as const), { do: 'release', held, finalizer: 'orphan' }];
  }
  if (!finalizers.includes('foregroundDeletion')) return [];
  const blocking = mine.filter(({ object }) => object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true) === true);
  return blocking.length === 0 ? [{ do: 'release', held, finalizer: 'foregroundDeletion' }] : [];
}

function storageSteps(held: Held, all: readonly Held[]): Step[] {
  const { namespace, name, finalizers } = held.object.metadata;
  if (held.resource === 'persistentvolumes' && isDeleted(held) && finalizers?.includes(VOLUME_IN_USE) === true) return [{ do: 'release', held, finalizer: VOLUME_IN_USE }];
  if (held.resource !== 'persistentvolumeclaims' || !isDeleted(held) || finalizers?.includes(CLAIM_IN_USE) !== true) return [];
  const mounts = (pod: KubeObject): boolean => listAt(pod, 'spec', 'volumes').some((volume) => textAt(volume, 'persistentVolumeClaim', 'claimName') === name);
  const used = all.some(({ resource, object }) => resource === 'pods' && object.metadata.namespace === namespace && !['Succeeded', 'Failed'].includes(textAt(object, 'status', 'phase')) && mounts(object));
  return used ? [] : [{ do: 'release', held, finalizer: CLAIM_IN_USE }];
}

function namespaceSteps(held: Held, all: readonly Held[], terminating: ReadonlySet<string | undefined>): Step[] {
  if (held.namespaced) return terminating.has(held.object.metadata.namespace) && !isDeleted(held) ? [{ do: 'delete', held, why: 'namespace' }] : [];
  if (!isNamespace(held) || !isDeleted(held) || listAt(held.object, 'spec', 'finalizers').length === 0) return [];
  const empty = !all.some(({ namespaced, object }) => namespaced && object.metadata.namespace === held.object.metadata.name);
  return empty ? [{ do: 'finishNamespace', held }] : [];
}

function isExpired({ resource, object }: Held, now: number): boolean {
  if (resource !== 'events') return false;
  const last = textAt(object, 'lastTimestamp') || textAt(object, 'eventTime') || (object.metadata.creationTimestamp ?? '');
  return now - Date.parse(last) > EVENT_TTL_MS;
}

/** A pod that waits for a kubelet which no longer exists would wait for ever. */
function isStranded(held: Held, nodes: ReadonlySet<string | undefined>): boolean {
  const node = textAt(held.object, 'spec', 'nodeName');
  return held.resource === 'pods' && isDeleted(held) && node !== '' && !nodes.has(node);
}
