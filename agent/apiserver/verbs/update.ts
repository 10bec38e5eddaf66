import { draftOf, sameJson, timestamp, type KubeObject, type ManagedFieldsEntry } from '../kube-object.js';
import { ownersAfter } from '../patch/managed-fields.js';
import { keyOf, resourceIdOf, type Kind } from '../registry/kind.js';
import { validateMetadata, validateMetadataUpdate } from '../registry/metadata-rules.js';
import { STALE, badRequest, conflict, invalid } from '../status.js';
import type { ApiContext, WriteOptions } from './context.js';
import { dropEmptyMetadata, existing, managerOf, otherUid, sameButVersion, wrongUid } from './create.js';
import { removeIfFinished } from './delete.js';

/**
 * How the new object came about: a plain write is recorded against its manager, an apply has recorded itself,
 * and a pod that was bound to a node counts as unchanged by anybody.
 */
export interface Proposal {
  readonly object: KubeObject;
  readonly applied?: boolean;
  readonly bound?: boolean;
  /** Another uid is a wrong value then, not a conflict. */
  readonly patched?: boolean;
}

/**
 * Replaces an object by what `propose` makes of the current one: update,
 * every kind of patch, and the status subresource go through here.
 * @throws ApiError 404, 409 for a stale resourceVersion or another uid, 422 invalid
 */
export function updateObject(
  context: ApiContext,
  kind: Kind,
  namespace: string,
  name: string,
  propose: (current: KubeObject) => Proposal,
  options: WriteOptions = {},
): KubeObject {
  const current = existing(context, kind, namespace, name);
  const { object, applied, bound, patched } = propose(current);
  const draft = draftOf(object);
  dropEmptyMetadata(draft);
  checkIdentity(kind, draft, current, namespace, name);
  checkUid(kind, draft, current, patched === true);
  keepSystemFields(draft, current);
  keepOtherParts(kind, draft, current, options.subresource);
  if (applied !== true && bound !== true) draft.metadata.managedFields = ownersOfUpdate(context, kind, draft, current, options);
  if (options.subresource !== 'status') kind.strategy.prepareUpdate?.(draft, current);
  kind.strategy.applyDefaults?.(draft);
  context.admission.admitUpdate(kind, draft, current);
  if (bound !== true) bumpGeneration(kind, draft, current);
  const errors = [...validateMetadata(kind, draft), ...twice(validateMetadataUpdate(draft, current)), ...(kind.strategy.validate?.(draft) ?? []), ...(bound === true ? [] : (kind.strategy.validateUpdate?.(draft, current) ?? [])), ...(options.subresource === 'status' ? (kind.strategy.validateStatus?.(draft) ?? []) : [])];
  if (errors.length > 0) throw invalid(kind.group, kind.kind, name, errors);
  return store(context, kind, namespace, name, draft, current, options);
}

/** A real server looks twice: as with every object, and as with this kind. */
const twice = <T>(errors: readonly T[]): T[] => [...errors, ...errors];

function ownersOfUpdate(context: ApiContext, kind: Kind, draft: KubeObject, current: KubeObject, options: WriteOptions): ManagedFieldsEntry[] {
  const written = draftOf(draft);
  kind.strategy.applyDefaults?.(written);
  return ownersAfter(kind, forgetsOwners(draft) ? { ...current, metadata: { ...current.metadata, managedFields: [] } } : current, written, managerOf(options), options.subresource, timestamp(context.now()));
}

/** Who writes no owners at all, or an empty one, gives them up. */
function forgetsOwners({ metadata: { managedFields } }: KubeObject): boolean {
  return managedFields !== undefined && (managedFields.length === 0 || (managedFields.length === 1 && Object.keys(managedFields[0] ?? {}).length === 0));
}

function store(context: ApiContext, kind: Kind, namespace: string, name: string, draft: KubeObject, current: KubeObject, options: WriteOptions): KubeObject {
  if (sameButVersion(draft, current) && sameOwners(draft, current)) return current;
  if (options.dryRun === true) return draft;
  const removed = removeIfFinished(context, kind, draft);
  return removed ?? context.store.put(resourceIdOf(kind), keyOf(kind, namespace, name), draft);
}

/** Managed fields apart from their times: an apply that only takes ownership is a change. */
function sameOwners(a: KubeObject, b: KubeObject): boolean {
  const owners = (object: KubeObject): unknown => (object.metadata.managedFields ?? []).map(({ time: _time, ...entry }) => entry);
  return sameJson(owners(a), owners(b));
}

function checkIdentity(kind: Kind, draft: KubeObject, current: KubeObject, namespace: string, name: string): void {
  const { metadata } = draft;
  if (metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (kind.namespaced && metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const version = metadata.resourceVersion;
  if ((version === undefined || version === '') && (kind.custom || kind.strategy.needsVersion === true)) {
    throw invalid(kind.group, kind.resource, name, [{ type: 'Invalid', field: 'metadata.resourceVersion', message: 'Invalid value: 0x0: must be specified for an update' }]);
  }
  if (version !== undefined && version !== '' && version !== '0' && version !== current.metadata.resourceVersion) throw conflict(kind, name, STALE);
}

function checkUid(kind: Kind, { metadata }: KubeObject, current: KubeObject, patched: boolean): void {
  const { uid = '' } = metadata;
  const { name = '', namespace = '' } = current.metadata;
  if (uid === '' || uid === current.metadata.uid) return;
  if (patched) throw otherUid(kind, name, uid);
  throw conflict(kind, name, wrongUid(kind, namespace, name, uid, current.metadata.uid ?? ''));
}

/** Fields of metadata that no client may change. */
function keepSystemFields(draft: KubeObject, current: KubeObject): void {
  const fixed = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation', 'generateName', 'resourceVersion'] as const;
  for (const field of fixed) {
    if (current.metadata[field] === undefined) delete draft.metadata[field];
    else (draft.metadata as Record<string, unknown>)[field] = current.metadata[field];
  }
  draft.metadata.managedFields ??= current.metadata.managedFields ?? [];
  draft.apiVersion = current.apiVersion;
  draft.kind = current.kind;
}

/** A write of the object leaves status as it is; a write of status leaves the rest. */
function keepOtherParts(kind: Kind, draft: KubeObject, current: KubeObject, subresource: WriteOptions['subresource']): void {
  if (!kind.hasStatus) return;
  if (subresource === 'status') {
    for (const field of Object.keys(draft)) if (field !== 'status' && field !== 'metadata') delete draft[field];
    const { status: _status, metadata: _metadata, ...rest } = current;
    Object.assign(draft, rest);
    const { managedFields } = draft.metadata;
    if (kind.custom || kind.strategy.statusKeepsMetadata === true) draft.metadata = { ...current.metadata, ...(managedFields ? { managedFields } : {}) };
  } else if (current['status'] === undefined) {
    delete draft['status'];
  } else {
    draft['status'] = current['status'];
  }
}

function bumpGeneration(kind: Kind, draft: KubeObject, current: KubeObject): void {
  if (!kind.hasGeneration) return;
  const intent = (object: KubeObject): unknown => {
    const { metadata, status: _status, ...rest } = object;
    return [rest, ...(kind.strategy.generationFields ?? []).map((field) => metadata[field] ?? {})];
  };
  const before = current.metadata.generation ?? 0;
  draft.metadata.generation = sameJson(intent(draft), intent(current)) ? before : before + 1;
}
