import { draftOf, timestamp, type KubeObject } from '../kube-object.js';
import { keyOf, resourceIdOf, type Kind } from '../registry/kind.js';
import { conflict } from '../status.js';
import type { ApiContext } from './context.js';
import { existing } from './create.js';

/** metav1.DeleteOptions, as far as they are heeded. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagationPolicy?: string;
  readonly dryRun?: boolean;
}

/** `gone` says that the object is no longer stored; otherwise it waits for a kubelet or for finalizers. */
export interface Deletion {
  readonly object: KubeObject;
  readonly gone: boolean;
}

/** Deletes an object, or marks it deleted where somebody has to finish it first. */
export function deleteObject(context: ApiContext, kind: Kind, namespace: string, name: string, options: DeleteOptions = {}): Deletion {
  const current = existing(context, kind, namespace, name);
  checkPreconditions(kind, name, current, options);
  const grace = graceOf(kind, current, options);
  const draft = draftOf(current);
  const otherwise = addPropagationFinalizer(kind, draft, options);
  const { prepareDelete } = kind.strategy;
  if (grace === 0 && !isHeld(draft) && prepareDelete === undefined) {
    if (kind.strategy.graceSeconds !== undefined) markDeleted(context, draft, 0);
    if (options.dryRun === true) return { object: draft, gone: true };
    return { object: removeMarked(context, kind, draft, keyOf(kind, namespace, name)), gone: true };
  }
  if (!markDeleted(context, draft, grace) && !otherwise) return { object: current, gone: false };
  prepareDelete?.(draft);
  if (options.dryRun === true) return { object: draft, gone: false };
  return { object: context.store.put(resourceIdOf(kind), keyOf(kind, namespace, name), draft), gone: false };
}

/** Of kinds with a grace period watchers first see the mark, then the removal. */
function removeMarked(context: ApiContext, kind: Kind, draft: KubeObject, key: string): KubeObject {
  const id = resourceIdOf(kind);
  if (kind.strategy.graceSeconds === undefined) return context.store.remove(id, key) ?? draft;
  const marked = context.store.put(id, key, draft);
  context.store.remove(id, key);
  return marked;
}

/**
 * Removes a deleted object whose last finalizer an update has just taken away.
 * @returns the removed object, or undefined if it stays
 */
export function removeIfFinished(context: ApiContext, kind: Kind, draft: KubeObject): KubeObject | undefined {
  if (draft.metadata.deletionTimestamp === undefined || isHeld(draft)) return undefined;
  if ((draft.metadata.deletionGracePeriodSeconds ?? 0) !== 0) return undefined;
  const key = keyOf(kind, draft.metadata.namespace ?? '', draft.metadata.name ?? '');
  context.store.put(resourceIdOf(kind), key, draft);
  return context.store.remove(resourceIdOf(kind), key);
}

function checkPreconditions(kind: Kind, name: string, current: KubeObject, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = current.metadata;
  if (preconditions?.uid !== undefined && preconditions.uid !== uid) {
    throw conflict({ group: kind.group, resource: kind.kind }, name, `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid ?? ''}). The object might have been deleted and then recreated`);
  }
  if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
    throw conflict({ group: kind.group, resource: kind.kind }, name, `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion ?? ''}). The object might have been modified`);
  }
}

function graceOf(kind: Kind, object: KubeObject, options: DeleteOptions): number {
  const own = kind.strategy.graceSeconds?.(object);
  if (own === undefined || own === 0) return 0;
  return Math.max(0, options.gracePeriodSeconds ?? own);
}

/** Foreground and orphan deletion are finalizers that the garbage collector takes away; the last one that is asked for holds. @returns whether that is another one */
function addPropagationFinalizer(kind: Kind, draft: KubeObject, options: DeleteOptions): boolean {
  const propagationPolicy = options.propagationPolicy ?? (kind.strategy.orphansByDefault === true ? 'Orphan' : undefined);
  const wanted = propagationPolicy === 'Orphan' ? 'orphan' : propagationPolicy === 'Foreground' ? 'foregroundDeletion' : undefined;
  const finalizers = draft.metadata.finalizers ?? [];
  if (wanted === undefined || finalizers.includes(wanted)) return false;
  draft.metadata.finalizers = [...finalizers.filter((one) => one !== 'orphan' && one !== 'foregroundDeletion'), wanted];
  return true;
}

const isHeld = (object: KubeObject): boolean =>
  (object.metadata.finalizers?.length ?? 0) > 0 || (object.kind === 'Namespace' && object.apiVersion === 'v1' && specFinalizers(object).length > 0);

function specFinalizers(object: KubeObject): readonly unknown[] {
  const spec = object['spec'] as { finalizers?: unknown[] } | undefined;
  return spec?.finalizers ?? [];
}

/** @returns false if the object was marked already and the grace period does not get shorter */
function markDeleted(context: ApiContext, draft: KubeObject, grace: number): boolean {
  const { metadata } = draft;
  if (metadata.deletionTimestamp !== undefined && (metadata.deletionGracePeriodSeconds ?? 0) <= grace) return false;
  if (metadata.deletionTimestamp === undefined && metadata.generation !== undefined && draft.kind !== 'CustomResourceDefinition') metadata.generation++;
  metadata.deletionTimestamp = timestamp(context.now() + grace * 1000);
  if (draft.kind !== 'Namespace' || draft.apiVersion !== 'v1') metadata.deletionGracePeriodSeconds = grace;
  if (draft.kind === 'Namespace' && draft.apiVersion === 'v1') draft['status'] = { ...(draft['status'] as object | undefined), phase: 'Terminating' };
  return true;
}
