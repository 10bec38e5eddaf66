import { draftOf, sameJson, timestamp, type KubeObject, type ManagedFieldsEntry } from '../kube-object.js';
import { keyOf, resourceIdOf, type Kind } from '../registry/kind.js';
import { ApiError, badRequest, type StatusCause } from '../status.js';
import type { ApiContext, WriteOptions } from '../verbs/context.js';
import { createObject, otherUid } from '../verbs/create.js';
import { updateObject } from '../verbs/update.js';
import { fromFieldsV1, isItemOwnedBy, leavesOf, mergeApplied, removePath, shownPath, stepsOf, type FieldPath } from './field-set.js';
import { inOrder, newEntry, without } from './managed-fields.js';

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  readonly force: boolean;
}

/**
 * Server-side apply: the manager states all that it wants; what it wanted
 * before and nobody else owns goes, what others own with another value is a
 * conflict (409) unless forced.
 */
export function applyObject(context: ApiContext, kind: Kind, namespace: string, name: string, config: KubeObject, options: ApplyOptions): { object: KubeObject; created: boolean } {
  if ((config.metadata.managedFields ?? []).length > 0) throw badRequest('metadata.managedFields must be nil');
  const time = timestamp(context.now());
  const current = context.store.get(resourceIdOf(kind), keyOf(kind, namespace, name));
  if (current === undefined) {
    if (options.subresource !== undefined) throw new ApiError(404, 'NotFound', `${kind.resource} "${name}" not found`);
    const { resourceVersion: _version, ...metadata } = config.metadata;
    if ((metadata.name ?? '') === '') throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
    if ((metadata.uid ?? '') !== '') throw otherUid(kind, name, metadata.uid ?? '');
    const entry = newEntry(options.fieldManager, 'Apply', config.apiVersion, time, new Set(leavesOf(config, kind.schema).keys()));
    const object = createObject(context, kind, namespace, { ...config, metadata }, { ...options, managedFields: [entry] });
    return { object, created: true };
  }
  return { object: updateObject(context, kind, namespace, name, (live) => ({ object: merged(kind, live, config, options, time), applied: true, patched: true }), options), created: false };
}

function merged(kind: Kind, live: KubeObject, config: KubeObject, options: ApplyOptions, time: string): KubeObject {
  const entries = live.metadata.managedFields ?? [];
  const isMine = (entry: ManagedFieldsEntry): boolean => entry.manager === options.fieldManager && entry.operation === 'Apply' && (entry.subresource ?? '') === (options.subresource ?? '');
  const others = entries.filter((entry) => !isMine(entry));
  const mine = entries.find(isMine);
  const wanted = leavesOf(config, kind.schema);
  const conflicts = conflictsOf(others, wanted, leavesOf(live, kind.schema));
  if (conflicts.size > 0 && !options.force) throw conflictError(conflicts);
  const taken = new Set([...conflicts.values()].flat());
  const draft = mergeApplied(draftOf(live), draftOf(config), kind.schema) as KubeObject;
  const dropped = removeUnwanted(kind, draft, mine, others, wanted);
  const entry = newEntry(options.fieldManager, 'Apply', config.apiVersion, time, new Set(wanted.keys()), options.subresource);
  const unchanged = mine !== undefined && sameJson(mine.fieldsV1, entry.fieldsV1) && taken.size === 0;
  draft.metadata.managedFields = inOrder([...others.map((other) => without(other, new Set([...taken, ...dropped]))), unchanged ? mine : entry]);
  return draft;
}

/** By the other managers' entries: the fields that both own with different values. */
function conflictsOf(others: readonly ManagedFieldsEntry[], wanted: ReadonlyMap<FieldPath, unknown>, live: ReadonlyMap<FieldPath, unknown>): Map<ManagedFieldsEntry, FieldPath[]> {
  const conflicts = new Map<ManagedFieldsEntry, FieldPath[]>();
  for (const other of others) {
    const paths = [...fromFieldsV1(other.fieldsV1)].filter((path) => wanted.has(path) && live.has(path) && !sameJson(wanted.get(path), live.get(path)));
    if (paths.length > 0) conflicts.set(other, paths);
  }
  return conflicts;
}

/** What this manager applied before, does not want now, and nobody else owns, goes. */
function removeUnwanted(kind: Kind, draft: KubeObject, mine: ManagedFieldsEntry | undefined, others: readonly ManagedFieldsEntry[], wanted: ReadonlyMap<FieldPath, unknown>): FieldPath[] {
  if (mine === undefined) return [];
  const ownedElsewhere = new Set(others.flatMap((other) => [...fromFieldsV1(other.fieldsV1)]));
  const gone = [...fromFieldsV1(mine.fieldsV1)].filter((path) => !wanted.has(path) && !ownedElsewhere.has(path) && !isItemOwnedBy(path, ownedElsewhere) && !isPrefixOf(path, wanted));
  for (const path of gone) removePath(draft, kind.schema, stepsOf(path));
  return gone;
}

/** A leaf may have become a parent (an empty map that now has keys): then it is still wanted. */
function isPrefixOf(path: FieldPath, wanted: ReadonlyMap<FieldPath, unknown>): boolean {
  return [...wanted.keys()].some((other) => other.startsWith(`${path}\u0001`));
}

function conflictError(conflicts: ReadonlyMap<ManagedFieldsEntry, readonly FieldPath[]>): ApiError {
  const causes: StatusCause[] = [...conflicts].flatMap(([entry, paths]) => paths.map((path) => ({ reason: 'FieldManagerConflict', message: `conflict with ${managerText(entry)}`, field: shownPath(path) })));
  const groups = [...conflicts].map(([entry, paths]) => {
    const shown = paths.map(shownPath).sort();
    return shown.length === 1 ? `conflict with ${managerText(entry)}: ${shown[0] ?? ''}` : `conflicts with ${managerText(entry)}:\n- ${shown.join('\n- ')}`;
  });
  const count = causes.length;
  return new ApiError(409, 'Conflict', `Apply failed with ${count} conflict${count === 1 ? '' : 's'}: ${groups.join('\n')}`, { causes });
}

function managerText({ manager, operation, subresource, apiVersion }: ManagedFieldsEntry): string {
  const sub = subresource === undefined ? '' : ` with subresource "${subresource}"`;
  return operation === 'Update' ? `"${manager}"${sub} using ${apiVersion}` : `"${manager}"${sub}`;
}
