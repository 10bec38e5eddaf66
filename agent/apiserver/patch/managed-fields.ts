import { sameJson, type KubeObject, type ManagedFieldsEntry } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import { fromFieldsV1, leavesAndHolders, stepsOf, toFieldsV1, type FieldPath } from './field-set.js';

/**
 * Who owns what after a plain write (create, update, patch).
 * @param written what the client sent, with defaults, before the server completes it: what the server adds nobody owns
 */
export function ownersAfter(kind: Kind, previous: KubeObject | undefined, written: KubeObject, manager: string, subresource: string | undefined, time: string): ManagedFieldsEntry[] {
  const entries = previous?.metadata.managedFields ?? [];
  const before = previous === undefined ? new Map<FieldPath, unknown>() : leavesAndHolders(previous, kind.schema);
  const after = leavesAndHolders(written, kind.schema);
  // What stands in status after a write of the object, the server put there.
  const foreign = (path: FieldPath): boolean => kind.hasStatus && subresource === undefined && stepsOf(path)[0] === 'f:status';
  const changed = new Set([...after].filter(([path, value]) => !foreign(path) && (!before.has(path) || !sameJson(before.get(path), value))).map(([path]) => path));
  const removed = new Set([...before.keys()].filter((path) => !after.has(path)));
  if (changed.size === 0 && removed.size === 0) return inOrder(entries);
  const mine = (entry: ManagedFieldsEntry): boolean => entry.manager === manager && entry.operation === 'Update' && entry.apiVersion === written.apiVersion && (entry.subresource ?? '') === (subresource ?? '');
  const others = entries.filter((entry) => !mine(entry)).map((entry) => without(entry, new Set([...changed, ...removed])));
  const own = entries.find(mine);
  const paths = new Set([...(own === undefined ? [] : fromFieldsV1(own.fieldsV1)), ...changed].filter((path) => !removed.has(path)));
  const entry = newEntry(manager, 'Update', written.apiVersion, time, paths, subresource);
  return inOrder([...others, ...(paths.size > 0 ? [entry] : [])]);
}

export function newEntry(manager: string, operation: 'Apply' | 'Update', apiVersion: string, time: string, paths: ReadonlySet<FieldPath>, subresource?: string): ManagedFieldsEntry {
  return { apiVersion, fieldsType: 'FieldsV1', fieldsV1: toFieldsV1(paths), manager, operation, time, ...(subresource === undefined ? {} : { subresource }) };
}

/** Entries that still own something, applies first, then by time and name. */
export function inOrder(entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] {
  const key = ({ operation, time = '', manager, apiVersion, subresource = '' }: ManagedFieldsEntry): string => [operation, time, manager, apiVersion, subresource].join('\u0001');
  return entries.filter((entry) => Object.keys(entry.fieldsV1).length > 0).toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

export function without(entry: ManagedFieldsEntry, paths: ReadonlySet<FieldPath>): ManagedFieldsEntry {
  const own = fromFieldsV1(entry.fieldsV1);
  const left = new Set([...own].filter((path) => !paths.has(path)));
  return left.size === own.size ? entry : { ...entry, fieldsV1: toFieldsV1(left) };
}
