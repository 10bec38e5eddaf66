import { GoText } from '../go-text.js';
import type { KubeObject, OwnerReference } from '../kube-object.js';
import { fieldError, type FieldError } from '../status.js';
import type { Kind } from './kind.js';
import { dnsSubdomain, labelValue, qualifiedName } from './name-rules.js';

const ANNOTATIONS_MAX_BYTES = 256 << 10;

/** The rules of ObjectMeta that hold for every kind (apimachinery `api/validation/objectmeta.go`). */
export function validateMetadata(kind: Kind, object: KubeObject): FieldError[] {
  const { metadata } = object;
  const name = metadata.name ?? '';
  return [
    ...(kind.strategy.validateName ?? dnsSubdomain)(name).map((why) => fieldError.invalid('metadata.name', name, why)),
    ...generateNameErrors(kind, metadata.generateName ?? ''),
    ...labelErrors(metadata.labels ?? {}, 'metadata.labels'),
    ...annotationErrors(metadata.annotations ?? {}),
    ...ownerErrors(object),
    ...(metadata.finalizers ?? []).flatMap((finalizer, index) => finalizerErrors(finalizer, index)),
  ];
}

/** What is generated goes on, so that a prefix may end in a hyphen. */
function generateNameErrors(kind: Kind, prefix: string): FieldError[] {
  if (prefix === '') return [];
  return (kind.strategy.validateName ?? dnsSubdomain)(prefix.replace(/-$/, 'a')).map((why) => fieldError.invalid('metadata.generateName', prefix, why));
}

/** What an update may not change, and what a deleted object may not gain. */
export function validateMetadataUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  if (previous.metadata.deletionTimestamp === undefined) return [];
  const added = (object.metadata.finalizers ?? []).filter((one) => previous.metadata.finalizers?.includes(one) !== true);
  if (added.length === 0) return [];
  return [fieldError.forbidden('metadata.finalizers', `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((one) => JSON.stringify(one)).join(', ')}}`)];
}

export function labelErrors(labels: Readonly<Record<string, string>>, field: string): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...qualifiedName(key).map((why) => fieldError.invalid(field, key, why)),
    ...labelValue(value).map((why) => fieldError.invalid(field, value, why)),
  ]);
}

function annotationErrors(annotations: Readonly<Record<string, string>>): FieldError[] {
  const errors = Object.keys(annotations).flatMap((key) => qualifiedName(key.toLowerCase()).map((why) => fieldError.invalid('metadata.annotations', key, why)));
  const bytes = Object.entries(annotations).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return bytes > ANNOTATIONS_MAX_BYTES ? [...errors, fieldError.tooLong('metadata.annotations', ANNOTATIONS_MAX_BYTES)] : errors;
}

function ownerErrors(object: KubeObject): FieldError[] {
  const owners = object.metadata.ownerReferences ?? [];
  const field = 'metadata.ownerReferences';
  const errors = owners.flatMap((owner) => [
    ...(['apiVersion', 'kind', 'name', 'uid'] as const).flatMap((name) => {
      const missing = (owner[name] ?? '') === '' || (name === 'apiVersion' && owner.apiVersion.split('/').length > 2);
      return missing ? [fieldError.invalid(`${field}.${name}`, owner[name] ?? '', `${name === 'apiVersion' ? 'version' : name} must not be empty`)] : [];
    }),
    ...(owner.kind === 'Event' && owner.apiVersion === 'v1' ? [fieldError.invalid(field, goOwner(owner), '/v1, Kind=Event is disallowed from being an owner')] : []),
  ]);
  const controllers = owners.filter((owner) => owner.controller === true);
  if (controllers.length <= 1) return errors;
  const why = `Only one reference can have Controller set to true. Found "true" in references for ${controllers[0]?.kind}/${controllers[0]?.name} and ${controllers[1]?.kind}/${controllers[1]?.name}`;
  return [...errors, fieldError.invalid(field, owners, why)];
}

function goOwner({ apiVersion, kind, name, uid }: OwnerReference): GoText {
  return new GoText(`v1.OwnerReference{APIVersion:${JSON.stringify(apiVersion)}, Kind:${JSON.stringify(kind)}, Name:${JSON.stringify(name)}, UID:${JSON.stringify(uid)}, Controller:(*bool)(nil), BlockOwnerDeletion:(*bool)(nil)}`);
}

function finalizerErrors(finalizer: string, index: number): FieldError[] {
  const errors = qualifiedName(finalizer).map((why) => fieldError.invalid('metadata.finalizers', finalizer, why));
  if (finalizer.includes('/') || finalizer === 'orphan' || finalizer === 'foregroundDeletion') return errors;
  return [...errors, fieldError.invalid(`metadata.finalizers[${index}]`, finalizer, 'name is neither a standard finalizer name nor is it fully qualified')];
}
