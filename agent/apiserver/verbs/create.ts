import { randomInt, randomUUID } from 'node:crypto';
import { draftOf, sameJson, timestamp, type KubeObject, type ManagedFieldsEntry } from '../kube-object.js';
import { ownersAfter } from '../patch/managed-fields.js';
import { keyOf, resourceIdOf, type Kind } from '../registry/kind.js';
import { alreadyExists, badRequest, conflict, fieldError, invalid, notFound, unclassified, type ApiError } from '../status.js';
import { validateMetadata } from '../registry/metadata-rules.js';
import type { ApiContext, WriteOptions } from './context.js';

/**
 * Creates an object from a decoded one.
 * @throws ApiError as the real server refuses: 404 namespace, 409 exists, 422 invalid, 400 mismatch
 */
export function createObject(context: ApiContext, kind: Kind, namespace: string, input: KubeObject, options: WriteOptions = {}): KubeObject {
  const draft = draftOf(input);
  dropEmptyMetadata(draft);
  adoptNamespace(kind, draft, namespace);
  nameDraft(kind, draft);
  resetSystemFields(context, kind, draft);
  const owners = options.managedFields ?? ownersOfNew(context, kind, draft, options);
  kind.strategy.prepareCreate?.(draft);
  kind.strategy.applyDefaults?.(draft);
  context.admission.admitCreate(kind, draft);
  const errors = [...validateMetadata(kind, draft), ...(kind.strategy.validate?.(draft) ?? [])];
  if (errors.length > 0) throw invalid(kind.group, kind.kind, draft.metadata.name ?? '', errors);
  const name = draft.metadata.name ?? '';
  const id = resourceIdOf(kind);
  if (context.store.get(id, keyOf(kind, namespace, name)) !== undefined) throw alreadyExists(kind, name);
  draft.metadata.managedFields = owners;
  return options.dryRun === true ? draft : context.store.put(id, keyOf(kind, namespace, name), draft);
}

/**
 * What an update of an object makes that is not there, of kinds that may be made so.
 * @returns undefined where there is something to update, or nothing may be made
 */
export function replaceNothing(context: ApiContext, kind: Kind, namespace: string, input: KubeObject, options: WriteOptions): KubeObject | undefined {
  const { name = '', uid = '' } = input.metadata;
  if (kind.strategy.createsOnUpdate !== true || context.store.get(resourceIdOf(kind), keyOf(kind, namespace, name)) !== undefined) return undefined;
  if (uid !== '') throw conflict(kind, name, wrongUid(kind, namespace, name, uid, ''));
  const { resourceVersion: _version, ...metadata } = input.metadata;
  return createObject(context, kind, namespace, { ...input, metadata }, options);
}

/** Of a patch or an apply, which says what the object shall be. */
export function otherUid(kind: Kind, name: string, uid: string): ApiError {
  const error = fieldError.invalid('metadata.uid', uid, 'field is immutable');
  return invalid(kind.group, kind.kind, name, [error, error]);
}

/** In etcd's words, which name the key there. */
export function wrongUid(kind: Kind, namespace: string, name: string, given: string, uid: string): string {
  const key = ['/registry', kind.custom ? `${kind.group}/${kind.resource}` : storedAs(kind), ...(kind.namespaced ? [namespace] : []), name].join('/');
  return `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${given}, UID in object meta: ${uid}`;
}

const STORED_AS: Readonly<Record<string, string>> = { endpoints: 'services/endpoints', services: 'services/specs', nodes: 'minions', ingresses: 'ingress', replicationcontrollers: 'controllers' };
const storedAs = ({ resource, group }: Kind): string => (group === 'apiextensions.k8s.io' ? `${group}/${resource}` : (STORED_AS[resource] ?? resource));

function ownersOfNew(context: ApiContext, kind: Kind, draft: KubeObject, options: WriteOptions): ManagedFieldsEntry[] {
  const written = draftOf(draft);
  kind.strategy.applyDefaults?.(written);
  return ownersAfter(kind, undefined, written, managerOf(options), options.subresource, timestamp(context.now()));
}

/** Go leaves empty maps and lists of metadata out (omitempty), so they never are a difference. */
export function dropEmptyMetadata({ metadata }: KubeObject): void {
  for (const field of ['labels', 'annotations', 'ownerReferences', 'finalizers'] as const) {
    if (metadata[field] !== undefined && Object.keys(metadata[field]).length === 0) delete metadata[field];
  }
}

export function managerOf(options: WriteOptions): string {
  return options.fieldManager ?? 'unknown';
}

function adoptNamespace(kind: Kind, draft: KubeObject, namespace: string): void {
  const own = draft.metadata.namespace;
  if (!kind.namespaced) {
    delete draft.metadata.namespace;
    return;
  }
  if (own !== undefined && own !== '' && own !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  draft.metadata.namespace = namespace;
}

function nameDraft(kind: Kind, draft: KubeObject): void {
  const { metadata } = draft;
  if (metadata.name !== undefined && metadata.name !== '') return;
  if (metadata.generateName === undefined || metadata.generateName === '') {
    throw invalid(kind.group, kind.kind, '', [{ type: 'Required', field: 'metadata.name', message: 'Required value: name or generateName is required' }]);
  }
  metadata.name = generatedName(metadata.generateName);
}

/** apimachinery's alphabet: no vowels, no digits that look like letters. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** `base` cut to 58 characters and five random ones, as `names.SimpleNameGenerator` makes them. */
export function generatedName(base: string): string {
  const random = Array.from({ length: 5 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return `${base.slice(0, 58)}${random}`;
}

function resetSystemFields(context: ApiContext, kind: Kind, draft: KubeObject): void {
  if (draft.metadata.resourceVersion !== undefined && draft.metadata.resourceVersion !== '') {
    throw unclassified('resourceVersion should not be set on objects to be created');
  }
  const { metadata } = draft;
  if ((metadata.generation ?? 0) < 0) throw invalid(kind.group, kind.kind, metadata.name ?? '', [fieldError.invalid('metadata.generation', metadata.generation, 'must be greater than or equal to 0')]);
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.managedFields;
  // A generation that a client chose stays, with kinds that count none.
  if (kind.hasGeneration || metadata.generation === 0) delete metadata.generation;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(context.now());
  if (kind.hasGeneration) metadata.generation = 1;
  if (kind.custom && kind.hasStatus) delete draft['status'];
}

/** The stored object, or a 404. */
export function existing(context: ApiContext, kind: Kind, namespace: string, name: string): KubeObject {
  const found = context.store.get(resourceIdOf(kind), keyOf(kind, namespace, name));
  if (found === undefined) throw notFound(kind, name);
  return found;
}

/** True if a write would change nothing but the version. */
export function sameButVersion(a: KubeObject, b: KubeObject): boolean {
  const bare = (object: KubeObject): KubeObject => {
    const { resourceVersion: _version, managedFields: _managed, ...metadata } = object.metadata;
    return { ...object, metadata };
  };
  return sameJson(bare(a), bare(b));
}
