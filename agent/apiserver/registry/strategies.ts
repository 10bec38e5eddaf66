import type { V1ConfigMap, V1Namespace, V1PodSpec, V1Secret } from '@kubernetes/client-node';
import { CLAIM_IN_USE, VOLUME_IN_USE } from '../collect/plan.js';
import { GoText } from '../go-text.js';
import { isFields, listAt, sameJson, textAt, type Fields, type KubeObject } from '../kube-object.js';
import { defaultClaim, defaultEndpoints, defaultEvent, defaultLimitRange, defaultNode, defaultPodStatus, defaultPriorityClass, defaultVolume } from '../kinds/core-defaults.js';
import { validateRole, validateRoleBinding } from '../kinds/access-rules.js';
import { secretTypeErrors, validateClaim, validateClaimUpdate, validateDisruptionBudget, validateEvent, validateLease, validateNode, validatePriorityClass } from '../kinds/cluster-rules.js';
import { customResourceStrategy } from '../kinds/custom-resource-definition.js';
import { defaultEndpointSlice, validateEndpointSlice, validateEndpointSliceUpdate } from '../kinds/endpoint-slice-rules.js';
import { validateEndpoints } from '../kinds/endpoints-rules.js';
import { validateIngress, validateIngressClass } from '../kinds/ingress-rules.js';
import { defaultNetworkPolicy, networkPolicyWarnings, validateNetworkPolicy } from '../kinds/network-policy-rules.js';
import { defaultPodSpec, preparePod, tolerateBriefOutages } from '../kinds/pod-defaults.js';
import { validatePodSpec, validatePodUpdate } from '../kinds/pod-rules.js';
import { validateLimitRange, validateResourceQuota } from '../kinds/limit-rules.js';
import { defaultService, keepServiceAllocations, validateService, validateServiceUpdate } from '../kinds/service-rules.js';
import { WORKLOAD_STRATEGIES } from '../kinds/workload-strategies.js';
import { startStatus } from '../kinds/zero-values.js';
import { fieldError, type FieldError } from '../status.js';
import type { Strategy } from './kind.js';
import { dns1035Label, dnsLabel, pathSegment, qualifiedName } from './name-rules.js';

const podSpec = (object: KubeObject): V1PodSpec | undefined => object['spec'] as V1PodSpec | undefined;

function prepareNamespace(draft: KubeObject): void {
  draft['spec'] = { finalizers: ['kubernetes'] };
  draft['status'] = { phase: 'Active' };
}

function labelNamespace(draft: KubeObject): void {
  draft.metadata.labels = { ...draft.metadata.labels, 'kubernetes.io/metadata.name': draft.metadata.name ?? '' };
}

/** Its finalizers change through `/finalize` only. */
function keepNamespaceSpec(draft: KubeObject, previous: KubeObject): void {
  const before = (previous as unknown as V1Namespace).spec;
  draft['spec'] = before === undefined ? {} : { ...before };
}

function prepareSecret(draft: KubeObject): void {
  const { stringData } = draft as unknown as V1Secret;
  if (stringData !== undefined) {
    const encoded = Object.fromEntries(Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
    draft['data'] = { ...(draft['data'] as Fields | undefined), ...encoded };
    delete draft['stringData'];
  }
  draft['type'] ??= 'Opaque';
}

function validateDataKeys(object: KubeObject): FieldError[] {
  const { data, binaryData } = object as unknown as V1ConfigMap;
  const twice = Object.keys(data ?? {}).filter((key) => binaryData?.[key] !== undefined);
  if (twice.length > 0) return twice.map((key) => fieldError.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
  const dots = Object.keys({ ...data, ...binaryData }).filter((key) => key === '.' || key.startsWith('..'));
  if (dots.length > 0) return dots.map((key) => fieldError.invalid(`data[${key}]`, key, key === '.' || key === '..' ? `must not be '${key}'` : "must not start with '..'"));
  return Object.keys({ ...data, ...binaryData }).flatMap((key) =>
    /^[-._a-zA-Z0-9]+$/.test(key) && key.length <= 253 ? [] : [fieldError.invalid(`data[${key}]`, key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')")],
  );
}

function validateImmutable(object: KubeObject, previous: KubeObject): FieldError[] {
  const type = object.kind === 'Secret' && object['type'] !== previous['type'] ? [fieldError.invalid('type', object['type'], 'field is immutable')] : [];
  if (previous['immutable'] !== true) return type;
  const errors = object['immutable'] === true ? [] : [fieldError.forbidden('immutable', FIXED)];
  const changed = ['data', 'binaryData'].filter((field) => !sameJson(object[field], previous[field]));
  return [...type, ...errors, ...changed.map((field) => fieldError.forbidden(field, FIXED))];
}

const FIXED = 'field is immutable when `immutable` is set';
const DATA_MAX_BYTES = 1 << 20;

/** A ConfigMap's is about no field, by its path. */
function sizeErrors(object: KubeObject): FieldError[] {
  const { data, binaryData } = object as unknown as V1ConfigMap;
  const bytes = (text: string): number => (object.kind === 'Secret' ? Buffer.byteLength(text, 'base64') : Buffer.byteLength(text));
  const sum = Object.values(data ?? {}).reduce((total, text) => total + bytes(text), 0) + Object.values(binaryData ?? {}).reduce((total, text) => total + Buffer.byteLength(text, 'base64'), 0);
  return sum <= DATA_MAX_BYTES ? [] : [fieldError.tooLong(object.kind === 'Secret' ? 'data' : '[]', DATA_MAX_BYTES)];
}

function validateRoleBindingKept(object: KubeObject, previous: KubeObject): FieldError[] {
  return sameJson(object['roleRef'], previous['roleRef']) ? [] : [fieldError.invalid('roleRef', goRoleRef(object['roleRef']), 'cannot change roleRef')];
}

const goRoleRef = (role: unknown): GoText => new GoText(`rbac.RoleRef{APIGroup:${JSON.stringify(textAt(role, 'apiGroup'))}, Kind:${JSON.stringify(textAt(role, 'kind'))}, Name:${JSON.stringify(textAt(role, 'name'))}}`);

function defaultSubjects(draft: KubeObject): void {
  const role = draft['roleRef'];
  if (isFields(role)) role['apiGroup'] ??= 'rbac.authorization.k8s.io';
  for (const subject of (draft['subjects'] as Fields[] | undefined) ?? []) {
    if (subject['kind'] !== 'ServiceAccount') subject['apiGroup'] ??= 'rbac.authorization.k8s.io';
  }
}

/** A node's pod range is given once. */
function validateNodeUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  const [after, before] = [object['spec'] as Fields | undefined, previous['spec'] as Fields | undefined];
  if (before?.['podCIDR'] === undefined || sameJson(after?.['podCIDRs'], before['podCIDRs'])) return [];
  return [fieldError.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')];
}

/** Only a load balancer has addresses to announce. */
function validateServiceStatus(object: KubeObject): FieldError[] {
  if (textAt(object, 'spec', 'type') === 'LoadBalancer' || listAt(object, 'status', 'loadBalancer', 'ingress').length === 0) return [];
  return [fieldError.forbidden('status.loadBalancer.ingress', "may only be used when `spec.type` is 'LoadBalancer'")];
}

/** A negative one counts as one second. */
const gracePeriod = (spec: V1PodSpec | undefined): number => ((spec?.terminationGracePeriodSeconds ?? 30) < 0 ? 1 : (spec?.terminationGracePeriodSeconds ?? 30));
const isOver = (object: KubeObject): boolean => ['Succeeded', 'Failed'].includes(textAt(object, 'status', 'phase'));

const protect = (draft: KubeObject, finalizer: string): void => void (draft.metadata.finalizers = [...new Set([...(draft.metadata.finalizers ?? []), finalizer])]);

function prepareClaim(draft: KubeObject): void {
  startStatus({ phase: 'Pending' })(draft);
  protect(draft, CLAIM_IN_USE);
}

function prepareVolume(draft: KubeObject): void {
  startStatus({ phase: 'Pending', lastPhaseTransitionTime: draft.metadata.creationTimestamp })(draft);
  protect(draft, VOLUME_IN_USE);
}

/** What is stored of no rules. */
const nullRules = (draft: KubeObject): void => void (listAt(draft, 'rules').length === 0 && (draft['rules'] = null));

const rbac: Strategy = { validateName: pathSegment, createsOnUpdate: true };

/** What each kind adds to the common handling of writes. */
export const STRATEGIES: Readonly<Record<string, Strategy>> = {
  ...WORKLOAD_STRATEGIES,
  Namespace: { goesAlone: true, validateName: dnsLabel, prepareCreate: prepareNamespace, prepareUpdate: keepNamespaceSpec, applyDefaults: labelNamespace },
  Node: { applyDefaults: defaultNode, validate: validateNode, validateUpdate: validateNodeUpdate },
  Pod: {
    prepareCreate: preparePod,
    prepareUpdate: (draft) => tolerateBriefOutages(podSpec(draft) ?? ({} as V1PodSpec)),
    applyDefaults: (draft) => {
      const spec = podSpec(draft);
      if (spec !== undefined) {
        defaultPodSpec(spec);
        spec.enableServiceLinks ??= true;
      }
      defaultPodStatus(draft);
    },
    validate: (object) => validatePodSpec(podSpec(object), 'spec'),
    validateUpdate: validatePodUpdate,
    graceSeconds: (object) => (podSpec(object)?.nodeName && !isOver(object) ? gracePeriod(podSpec(object)) : 0),
  },
  Service: {
    validateName: dns1035Label,
    prepareCreate: (draft) => (draft['status'] = { loadBalancer: {} }),
    prepareUpdate: keepServiceAllocations,
    applyDefaults: defaultService,
    validate: validateService,
    validateUpdate: validateServiceUpdate,
    validateStatus: validateServiceStatus,
    returnsDeleted: true,
    createsOnUpdate: true,
  },
  ConfigMap: { validate: (object) => [...validateDataKeys(object), ...sizeErrors(object)], validateUpdate: validateImmutable },
  Secret: { applyDefaults: prepareSecret, validate: (object) => [...validateDataKeys(object), ...sizeErrors(object), ...secretTypeErrors(object)], validateUpdate: validateImmutable },
  NetworkPolicy: { applyDefaults: defaultNetworkPolicy, validate: validateNetworkPolicy, warnings: networkPolicyWarnings },
  EndpointSlice: { applyDefaults: defaultEndpointSlice, validate: validateEndpointSlice, validateUpdate: validateEndpointSliceUpdate, generationFields: ['labels'] },
  ClusterRole: { ...rbac, applyDefaults: nullRules, validate: validateRole },
  Role: { ...rbac, applyDefaults: nullRules, validate: validateRole },
  ClusterRoleBinding: { ...rbac, validate: validateRoleBinding, applyDefaults: defaultSubjects, validateUpdate: validateRoleBindingKept },
  RoleBinding: { ...rbac, validate: validateRoleBinding, applyDefaults: defaultSubjects, validateUpdate: validateRoleBindingKept },
  Endpoints: { createsOnUpdate: true, applyDefaults: defaultEndpoints, validate: validateEndpoints, warning: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice' },
  ServiceAccount: { returnsDeleted: true },
  LimitRange: { createsOnUpdate: true, applyDefaults: defaultLimitRange, validate: validateLimitRange },
  ResourceQuota: { prepareCreate: startStatus({}), validate: validateResourceQuota, returnsDeleted: true },
  PersistentVolume: { prepareCreate: prepareVolume, applyDefaults: defaultVolume, returnsDeleted: true },
  PersistentVolumeClaim: { prepareCreate: prepareClaim, applyDefaults: defaultClaim, validate: validateClaim, validateUpdate: validateClaimUpdate, returnsDeleted: true },
  Ingress: { prepareCreate: startStatus({ loadBalancer: {} }), validate: validateIngress },
  IngressClass: { validate: validateIngressClass },
  PodDisruptionBudget: { prepareCreate: startStatus({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }), validate: validateDisruptionBudget, needsVersion: true },
  PriorityClass: { applyDefaults: defaultPriorityClass, validate: validatePriorityClass },
  Lease: { applyDefaults: (draft) => void (draft['spec'] ??= {}), validate: validateLease, needsVersion: true, createsOnUpdate: true },
  Event: {
    createsOnUpdate: true,
    applyDefaults: defaultEvent,
    validate: validateEvent,
    validateName: (name) => qualifiedName(`event/${name.slice(0, 63)}`).filter(() => name.length > 253),
  },
  CustomResourceDefinition: customResourceStrategy,
};
