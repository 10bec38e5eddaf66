import type { V1CronJobSpec, V1DaemonSetSpec, V1DeploymentSpec, V1JobSpec, V1LabelSelector, V1PodTemplateSpec, V1ReplicaSetSpec, V1ReplicationControllerSpec, V1RollingUpdateDeployment, V1StatefulSetSpec } from '@kubernetes/client-node';
import { GoText, goIntOrString, goLabelSelector, goStringMap } from '../go-text.js';
import { sameJson, type Fields, type KubeObject } from '../kube-object.js';
import type { Strategy } from '../registry/kind.js';
import { fieldError, type FieldError } from '../status.js';
import { CONTROLLER_UID, validateCronJob, validateJob, validateJobUpdate } from './batch-rules.js';
import { notNegative } from './number-rules.js';
import { defaultTemplate, fill } from './pod-defaults.js';
import { validatePodSpec } from './pod-rules.js';
import { fieldsOf, setMissing } from './zero-values.js';
import { isEmptySelector, selectorMatches, validateLabelSelector } from './selector-rules.js';

interface WorkloadSpec {
  selector?: V1LabelSelector;
  template?: V1PodTemplateSpec;
  replicas?: number;
  minReadySeconds?: number;
}

/** The spec, which Go's types always have. */
const specOf = <T>(object: KubeObject): T => (object['spec'] ??= {}) as T;

/** Status is written by controllers only: a new object has an empty one. */
function emptyStatus(status: object): (draft: KubeObject) => void {
  return (draft) => {
    draft['status'] = { ...status };
  };
}

/** Where a workload's kinds are looked at in different ways (pkg/apis/apps/validation). */
interface WorkloadRules {
  /** As an empty selector's message calls the kind. */
  readonly called: string;
  /** What is said of a selector that cannot be read, after which its template is not looked at. */
  readonly unreadable?: string;
  /** A template's pods are held to the rules of pods. */
  readonly looksAtPods: boolean;
  /** A missing selector is told as such. */
  readonly needsSelector: boolean;
}

function validateWorkload(object: KubeObject, rules: WorkloadRules): FieldError[] {
  const spec = specOf<WorkloadSpec>(object);
  const selector = selectorErrors(spec, rules);
  const restart = spec.template?.spec?.restartPolicy;
  return [
    ...notNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...notNegative(spec.replicas, 'spec.replicas'),
    ...selector.errors,
    ...(restart === undefined || restart === 'Always' ? [] : [fieldError.notSupported('spec.template.spec.restartPolicy', restart, ['Always'])]),
    ...(rules.looksAtPods && selector.readable ? validatePodSpec(spec.template?.spec, 'spec.template.spec') : []),
  ];
}

function selectorErrors(spec: WorkloadSpec, { called, unreadable, needsSelector }: WorkloadRules): { errors: FieldError[]; readable: boolean } {
  const { selector } = spec;
  if (selector === undefined) return { errors: [...(needsSelector ? [fieldError.required('spec.selector')] : []), ...templateLabelErrors(spec)], readable: true };
  if (isEmptySelector(selector)) return { errors: [fieldError.invalid('spec.selector', goLabelSelector(selector), `empty selector is invalid for ${called}`)], readable: true };
  const errors = validateLabelSelector(selector, 'spec.selector');
  if (errors.length === 0) return { errors: templateLabelErrors(spec), readable: true };
  return { errors: [...errors, ...(unreadable === undefined ? [] : [fieldError.invalid('spec.selector', goLabelSelector(selector), unreadable)])], readable: unreadable === undefined };
}

const REPLICATED: WorkloadRules = { called: 'deployment', unreadable: 'invalid label selector', looksAtPods: true, needsSelector: true };
const STATEFUL: WorkloadRules = { called: 'statefulset', unreadable: '', looksAtPods: false, needsSelector: true };
const DAEMON: WorkloadRules = { called: 'daemonset', looksAtPods: true, needsSelector: false };

function templateLabelErrors({ selector, template }: WorkloadSpec): FieldError[] {
  const labels = template?.metadata?.labels;
  if (selector !== undefined && selectorMatches(selector, labels ?? {})) return [];
  return [fieldError.invalid('spec.template.metadata.labels', goStringMap(labels), '`selector` does not match template `labels`')];
}

function validateSelectorKept(object: KubeObject, previous: KubeObject): FieldError[] {
  const [after, before] = [specOf<WorkloadSpec>(object).selector, specOf<WorkloadSpec>(previous).selector];
  return sameJson(after, before) ? [] : [fieldError.invalid('spec.selector', after === undefined ? undefined : goLabelSelector(after), 'field is immutable')];
}

const STATEFUL_SET_FIXED = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

function validateStatefulSetUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  const fixed = ({ replicas: _r, template: _t, updateStrategy: _u, ordinals: _o, minReadySeconds: _m, persistentVolumeClaimRetentionPolicy: _p, revisionHistoryLimit: _h, ...rest }: V1StatefulSetSpec): object => rest;
  return sameJson(fixed(specOf(object)), fixed(specOf(previous))) ? [] : [fieldError.forbidden('spec', STATEFUL_SET_FIXED)];
}

function defaultDeployment(draft: KubeObject): void {
  const spec = specOf<V1DeploymentSpec>(draft);
  defaultTemplate(spec.template);
  fill(spec, 'replicas', 1);
  fill(spec, 'strategy', {});
  const strategy = spec.strategy ?? {};
  fill(strategy, 'type', 'RollingUpdate');
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate = { maxUnavailable: '25%', maxSurge: '25%', ...strategy.rollingUpdate };
  }
  fill(spec, 'revisionHistoryLimit', 10);
  fill(spec, 'progressDeadlineSeconds', 600);
}

function validateDeployment(object: KubeObject): FieldError[] {
  const { strategy } = specOf<V1DeploymentSpec>(object);
  const errors = validateWorkload(object, REPLICATED);
  if (strategy?.type === 'Recreate' && strategy.rollingUpdate !== undefined) errors.push(fieldError.forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'"));
  if (strategy?.type !== 'Recreate' && strategy?.type !== 'RollingUpdate') errors.push(fieldError.notSupported('spec.strategy', new GoText(`apps.DeploymentStrategy{Type:${JSON.stringify(strategy?.type ?? '')}, RollingUpdate:(*apps.RollingUpdateDeployment)(nil)}`), ['Recreate', 'RollingUpdate']));
  if (strategy?.type === 'RollingUpdate') errors.push(...rolloutErrors(strategy.rollingUpdate));
  return errors;
}

/** A rollout has to be able to go on. */
function rolloutErrors({ maxSurge = 0, maxUnavailable = 0 }: V1RollingUpdateDeployment = {}): FieldError[] {
  const none = (value: number | string): boolean => Number.parseInt(String(value), 10) === 0;
  return none(maxSurge) && none(maxUnavailable) ? [fieldError.invalid('spec.strategy.rollingUpdate.maxUnavailable', goIntOrString(maxUnavailable), 'may not be 0 when `maxSurge` is 0')] : [];
}

function defaultReplicaSet(draft: KubeObject): void {
  const spec = specOf<V1ReplicaSetSpec>(draft);
  defaultTemplate(spec.template);
  fill(spec, 'replicas', 1);
}

/** Selector and labels are those of its template where it has none. Nobody runs it here. */
function defaultController(draft: KubeObject): void {
  const spec = specOf<V1ReplicationControllerSpec>(draft);
  defaultTemplate(spec.template);
  fill(spec, 'replicas', 1);
  const labels = spec.template?.metadata?.labels;
  if (labels === undefined) return;
  fill(spec, 'selector', { ...labels });
  draft.metadata.labels ??= { ...labels };
}

function defaultStatefulSet(draft: KubeObject): void {
  const spec = specOf<V1StatefulSetSpec>(draft);
  defaultTemplate(spec.template);
  fill(spec, 'replicas', 1);
  fill(spec, 'podManagementPolicy', 'OrderedReady');
  fill(spec, 'updateStrategy', { type: 'RollingUpdate' });
  if (spec.updateStrategy?.type === 'RollingUpdate') spec.updateStrategy.rollingUpdate = { partition: 0, ...spec.updateStrategy.rollingUpdate };
  fill(spec, 'revisionHistoryLimit', 10);
  fill(spec, 'persistentVolumeClaimRetentionPolicy', { whenDeleted: 'Retain', whenScaled: 'Retain' });
  fill(spec, 'serviceName', '');
}

function validateStatefulSet(object: KubeObject): FieldError[] {
  const { podManagementPolicy: policy = '', updateStrategy } = specOf<V1StatefulSetSpec>(object);
  const type = updateStrategy?.type ?? '';
  return [
    ...(['OrderedReady', 'Parallel'].includes(policy) ? [] : [fieldError.invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'")]),
    ...(STRATEGIES.includes(type) ? [] : [fieldError.invalid('spec.updateStrategy', new GoText(`apps.StatefulSetUpdateStrategy{Type:${JSON.stringify(type)}, RollingUpdate:(*apps.RollingUpdateStatefulSetStrategy)(nil)}`), "must be 'RollingUpdate' or 'OnDelete'")]),
    ...validateWorkload(object, STATEFUL),
  ];
}

const STRATEGIES = ['RollingUpdate', 'OnDelete'];

function validateDaemonSet(object: KubeObject): FieldError[] {
  const type = specOf<V1DaemonSetSpec>(object).updateStrategy?.type ?? '';
  return [...validateWorkload(object, DAEMON), ...(STRATEGIES.includes(type) ? [] : [fieldError.notSupported('spec.updateStrategy', new GoText(`apps.DaemonSetUpdateStrategy{Type:${JSON.stringify(type)}, RollingUpdate:(*apps.RollingUpdateDaemonSet)(nil)}`), STRATEGIES)])];
}

function defaultDaemonSet(draft: KubeObject): void {
  const spec = specOf<V1DaemonSetSpec>(draft);
  defaultTemplate(spec.template);
  fill(spec, 'updateStrategy', { type: 'RollingUpdate' });
  if (spec.updateStrategy?.type === 'RollingUpdate') spec.updateStrategy.rollingUpdate = { maxSurge: 0, maxUnavailable: 1, ...spec.updateStrategy.rollingUpdate };
  fill(spec, 'revisionHistoryLimit', 10);
  draft.metadata.annotations = { [TEMPLATE_GENERATION]: '1', ...draft.metadata.annotations };
}

/** Counts changes of the template, in what was a field before apps/v1. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

function countTemplate(draft: KubeObject, previous: KubeObject): void {
  defaultTemplate(specOf<V1DaemonSetSpec>(draft)?.template);
  const before = Number(previous.metadata.annotations?.[TEMPLATE_GENERATION] ?? 1);
  const changed = !sameJson(specOf<V1DaemonSetSpec>(draft)?.template, specOf<V1DaemonSetSpec>(previous)?.template);
  draft.metadata.annotations = { ...draft.metadata.annotations, [TEMPLATE_GENERATION]: String(before + (changed ? 1 : 0)) };
}

function defaultJobSpec(spec: V1JobSpec): void {
  defaultTemplate(spec.template);
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1;
    spec.parallelism = 1;
  }
  fill(spec, 'parallelism', 1);
  fill(spec, 'backoffLimit', 6);
  fill(spec, 'completionMode', 'NonIndexed');
  fill(spec, 'suspend', false);
  fill(spec, 'podReplacementPolicy', 'TerminatingOrFailed');
  fill(spec, 'manualSelector', false);
}

/** A job selects its pods by a label with its own uid, and has its template's labels where it has none. */
function prepareJob(draft: KubeObject): void {
  emptyStatus({})(draft);
  const spec = specOf<V1JobSpec>(draft);
  if (spec.manualSelector === true || spec.template === undefined) return;
  const uid = draft.metadata.uid ?? '';
  spec.selector = { ...spec.selector, matchLabels: { ...spec.selector?.matchLabels, [CONTROLLER_UID]: uid } };
  const labels = { [CONTROLLER_UID]: uid, 'batch.kubernetes.io/job-name': draft.metadata.name ?? '', 'controller-uid': uid, 'job-name': draft.metadata.name ?? '' };
  spec.template.metadata = { ...spec.template.metadata, labels: { ...spec.template.metadata?.labels, ...labels } };
  draft.metadata.labels ??= { ...spec.template.metadata.labels };
}

function defaultCronJob(draft: KubeObject): void {
  const spec = specOf<V1CronJobSpec>(draft);
  defaultTemplate(spec.jobTemplate?.spec?.template);
  if (spec.jobTemplate !== undefined) setMissing(fieldsOf(spec.jobTemplate as unknown as Fields, 'metadata'), { creationTimestamp: null });
  fill(spec, 'concurrencyPolicy', 'Allow');
  fill(spec, 'suspend', false);
  fill(spec, 'successfulJobsHistoryLimit', 3);
  fill(spec, 'failedJobsHistoryLimit', 1);
}

export const WORKLOAD_STRATEGIES: Readonly<Record<string, Strategy>> = {
  Deployment: { prepareCreate: emptyStatus({}), applyDefaults: defaultDeployment, validate: validateDeployment, validateUpdate: validateSelectorKept, generationFields: ['annotations'], statusKeepsMetadata: true },
  ReplicaSet: { prepareCreate: emptyStatus({ replicas: 0 }), applyDefaults: defaultReplicaSet, validate: (object) => validateWorkload(object, REPLICATED), validateUpdate: validateSelectorKept },
  ReplicationController: { prepareCreate: emptyStatus({ replicas: 0 }), applyDefaults: defaultController },
  StatefulSet: { prepareCreate: emptyStatus({ replicas: 0, availableReplicas: 0 }), applyDefaults: defaultStatefulSet, validate: validateStatefulSet, validateUpdate: validateStatefulSetUpdate },
  DaemonSet: { prepareCreate: emptyStatus({ currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 }), prepareUpdate: countTemplate, applyDefaults: defaultDaemonSet, validate: validateDaemonSet, validateUpdate: (object, previous) => [...validateWorkload(object, DAEMON), ...validateSelectorKept(object, previous)] },
  Job: { prepareCreate: prepareJob, applyDefaults: (draft) => defaultJobSpec(specOf(draft)), validate: validateJob, validateUpdate: validateJobUpdate, orphansByDefault: true },
  CronJob: { prepareCreate: emptyStatus({}), applyDefaults: defaultCronJob, validate: validateCronJob },
};
