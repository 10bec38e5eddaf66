import { sameJson, type KubeObject, type ManagedFieldsEntry } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { fromFieldsV1, leavesOf, stepsOf, toFieldsV1, type FieldPath } from './field-set.js';

/** Notes in metadata.managedFields which fields a plain write (create, update, patch) changed. */
export function recordUpdate(kind: Kind, previous: KubeObject | undefined, draft: KubeObject, manager: string, subresource: string | undefined, time: string): void {
  const entries = previous?.metadata.managedFields ?? [];
  const before = previous === undefined ? new Map<FieldPath, unknown>() : leavesOf(previous, kind.schema);
  const after = leavesOf(draft, kind.schema);
  // What stands in status after a write of the object, the server put there.
  const foreign = (path: FieldPath): boolean => kind.hasStatus && subresource === undefined && stepsOf(path)[0] === 'f:status';
  const changed = new Set([...after].filter(([path, value]) => !foreign(path) && (!before.has(path) || !sameJson(before.get(path), value))).map(([path]) => path));
  const removed = new Set([...before.keys()].filter((path) => !after.has(path)));
  if (changed.size === 0 && removed.size === 0) {
    setEntries(draft, entries);
    return;
  }
  const mine = (entry: ManagedFieldsEntry): boolean => entry.manager === manager && entry.operation === 'Update' && entry.apiVersion === draft.apiVersion && (entry.subresource ?? '') === (subresource ?? '');
  const others = entries.filter((entry) => !mine(entry)).map((entry) => without(entry, new Set([...changed, ...removed])));
  const own = entries.find(mine);
  const paths = new Set([...(own === undefined ? [] : fromFieldsV1(own.fieldsV1)), ...changed].filter((path) => !removed.has(path)));
  const entry = newEntry(manager, 'Update', draft.apiVersion, time, paths, subresource);
  setEntries(draft, [...others, ...(paths.size > 0 ? [entry] : [])]);
}

export function newEntry(manager: string, operation: 'Apply' | 'Update', apiVersion: string, time: string, paths: ReadonlySet<FieldPath>, subresource?: string): ManagedFieldsEntry {
  return { apiVersion, fieldsType: 'FieldsV1', fieldsV1: toFieldsV1(paths), manager, operation, time, ...(subresource === undefined ? {} : { subresource }) };
}

/** Entries that own nothing any more go; one that loses nothing stays as it is. */
export function setEntries(draft: KubeObject, entries: readonly ManagedFieldsEntry[]): void {
  draft.metadata.managedFields = entries.filter((entry) => Object.keys(entry.fieldsV1).length > 0);
}

export function without(entry: ManagedFieldsEntry, paths: ReadonlySet<FieldPath>): ManagedFieldsEntry {
  const own = fromFieldsV1(entry.fieldsV1);
  const left = new Set([...own].filter((path) => !paths.has(path)));
  return left.size === own.size ? entry : { ...entry, fieldsV1: toFieldsV1(left) };
}
