import type { CoreV1Event, V1Lease, V1Node, V1PersistentVolumeClaim, V1PodDisruptionBudget, V1PriorityClass, V1Secret } from '@kubernetes/client-node';
import { Cidr } from '../../base/address.js';
import { GoText, goIntOrString } from '../go-text.js';
import { sameJson, type KubeObject } from '../kube-object.js';
import { qualifiedName } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';
import { NOT_CIDR } from './address-rules.js';
import { notNegative, positive } from './number-rules.js';
import { oneOf } from './pod-rules.js';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Taints are about `metadata` there too, wherever they stand. */
export function validateNode(object: KubeObject): FieldError[] {
  const { taints = [], podCIDRs = [] } = (object as unknown as V1Node).spec ?? {};
  const seen = new Set<string>();
  return [
    ...taints.flatMap(({ key, value = '', effect }, index) => {
      const at = `metadata.taints[${index}]`;
      const errors = [...qualifiedName(key).map((why) => fieldError.invalid(`${at}.key`, key, why)), ...(EFFECTS.includes(effect) ? [] : [fieldError.notSupported(`${at}.effect`, effect, EFFECTS)])];
      const twice = seen.has(`${key} ${effect}`);
      seen.add(`${key} ${effect}`);
      const taint = new GoText(`core.Taint{Key:${JSON.stringify(key)}, Value:${JSON.stringify(value)}, Effect:${JSON.stringify(effect)}, TimeAdded:<nil>}: taints must be unique by key and effect pair`);
      return twice ? [...errors, fieldError.duplicate(at, taint)] : errors;
    }),
    ...podCIDRs.flatMap((text, index) => (Cidr.parseSloppy(text) === undefined ? [fieldError.invalid(`spec.podCIDRs[${index}]`, text, NOT_CIDR)] : [])),
  ];
}

/** Keys that a Secret of these types has. */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

export function secretTypeErrors(object: KubeObject): FieldError[] {
  const { type = '', data } = object as unknown as V1Secret;
  return (SECRET_KEYS[type] ?? []).flatMap((key) => (data?.[key] === undefined ? [fieldError.required(`data[${key}]`)] : []));
}

export function validateDisruptionBudget(object: KubeObject): FieldError[] {
  const spec = (object as unknown as V1PodDisruptionBudget).spec ?? {};
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) return [fieldError.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set')];
  return (['minAvailable', 'maxUnavailable'] as const).flatMap((field) => {
    const value = spec[field];
    if (typeof value === 'number') return notNegative(value, `spec.${field}`);
    return value !== undefined && Number.parseInt(value, 10) > 100 ? [fieldError.invalid(`spec.${field}`, goIntOrString(value), 'must not be greater than 100%')] : [];
  });
}

export function validateLease(object: KubeObject): FieldError[] {
  const { spec } = object as unknown as V1Lease;
  return [...positive(spec?.leaseDurationSeconds, 'spec.leaseDurationSeconds'), ...notNegative(spec?.leaseTransitions, 'spec.leaseTransitions')];
}

const CLAIM_FIXED = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** What a claim asks for stays, but for its size; it is bound to one volume, once. */
export function validateClaimUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  const fixed = ({ spec }: V1PersistentVolumeClaim): object => {
    const { volumeName: _bound, volumeAttributesClassName: _class, resources, ...rest } = spec ?? {};
    const { requests: _requests, ...others } = resources ?? {};
    return { ...rest, others };
  };
  return sameJson(fixed(object as unknown as V1PersistentVolumeClaim), fixed(previous as unknown as V1PersistentVolumeClaim)) ? [] : [fieldError.forbidden('spec', CLAIM_FIXED)];
}

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export function validateClaim(object: KubeObject): FieldError[] {
  const { accessModes = [], resources } = (object as unknown as V1PersistentVolumeClaim).spec ?? {};
  return [
    ...(accessModes.length === 0 ? [fieldError.required('spec.accessModes', 'at least 1 access mode is required')] : []),
    ...accessModes.filter((mode) => !ACCESS_MODES.includes(mode)).map((mode) => fieldError.notSupported('spec.accessModes', mode, ACCESS_MODES)),
    ...(resources?.requests?.['storage'] === undefined ? [fieldError.required('spec.resources[storage]')] : []),
  ];
}

const HIGHEST_PRIORITY = 1_000_000_000;
const SYSTEM_CLASSES = ['system-node-critical', 'system-cluster-critical'];

export function validatePriorityClass(object: KubeObject): FieldError[] {
  const { value, preemptionPolicy } = object as unknown as V1PriorityClass;
  const name = object.metadata.name ?? '';
  if (SYSTEM_CLASSES.includes(name)) return [];
  if (name.startsWith('system-')) return [fieldError.forbidden('metadata.name', `priority class names with 'system-' prefix are reserved for system use only. error: ${name} is not a known system priority class`)];
  if (value > HIGHEST_PRIORITY) return [fieldError.forbidden('value', `maximum allowed value of a user defined priority is ${HIGHEST_PRIORITY}`)];
  return oneOf(preemptionPolicy, ['PreemptLowerPriority', 'Never'], 'preemptionPolicy');
}

export function validateEvent(object: KubeObject): FieldError[] {
  const { namespace = '' } = (object as unknown as CoreV1Event).involvedObject ?? {};
  return namespace === '' || namespace === object.metadata.namespace ? [] : [fieldError.invalid('involvedObject.namespace', namespace, 'does not match event.namespace')];
}
