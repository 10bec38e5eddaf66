import type { V1CronJob, V1Job, V1JobSpec } from '@kubernetes/client-node';
import { goLabelSelector, goStringMap } from '../go-text.js';
import { sameJson, type KubeObject } from '../kube-object.js';
import { fieldError, type FieldError } from '../status.js';
import { notNegative } from './number-rules.js';
import { oneOf, validatePodSpec } from './pod-rules.js';
import { selectorMatches } from './selector-rules.js';

/** By what a job finds its pods, unless it says how. */
export const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';

/** pkg/apis/batch/validation. */
export function validateJob(object: KubeObject): FieldError[] {
  const { spec } = object as unknown as V1Job;
  return [...ownSelectorErrors(spec), ...jobSpecErrors(spec, 'spec')];
}

/** What a job was made for stays: only its parallelism, its pace and its end may change. */
export function validateJobUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  const [after, before] = [(object as unknown as V1Job).spec, (previous as unknown as V1Job).spec];
  const fixed = (['completions', 'selector', 'template', 'completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const).filter((field) => field !== 'template' || before?.suspend !== true);
  return [...jobSpecErrors(after, 'spec'), ...fixed.flatMap((field) => (sameJson(after?.[field], before?.[field]) ? [] : [fieldError.invalid(`spec.${field}`, after?.[field], 'field is immutable')]))];
}

/** Who wants a selector of their own has to say so. */
function ownSelectorErrors(spec: V1JobSpec | undefined): FieldError[] {
  const { manualSelector, selector, template } = spec ?? {};
  if (manualSelector === true || selector === undefined || Object.keys(selector.matchLabels ?? {}).length === 1) return [];
  const labels = template?.metadata?.labels ?? {};
  return [
    fieldError.invalid('spec.selector', goLabelSelector(selector), '`selector` not auto-generated'),
    ...(selectorMatches(selector, labels) ? [] : [fieldError.invalid('spec.template.metadata.labels', goStringMap(labels), '`selector` does not match template `labels`')]),
  ];
}

function jobSpecErrors(spec: V1JobSpec | undefined, path: string): FieldError[] {
  const numbers = (['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'] as const).flatMap((field) => notNegative(spec?.[field], `${path}.${field}`));
  const template = `${path}.template.spec`;
  const restart = spec?.template?.spec?.restartPolicy;
  const ends = restart === 'Never' || restart === 'OnFailure';
  const why = restart === undefined || restart === 'Always' ? fieldError.required(`${template}.restartPolicy`, 'valid values: "OnFailure", "Never"') : undefined;
  const count = spec?.completionMode === 'Indexed' && spec.completions === undefined ? [fieldError.required(`${path}.completions`, 'when completion mode is Indexed')] : [];
  return [...numbers, ...count, ...validatePodSpec(spec?.template?.spec, template), ...(ends || why === undefined ? [] : [why])];
}

const FIELDS = 5;
/** Eleven characters are for the time in the names of its jobs. */
const NAME_MAX = 52;

export function validateCronJob(object: KubeObject): FieldError[] {
  const { spec } = object as unknown as V1CronJob;
  const name = object.metadata.name ?? '';
  return [
    ...scheduleErrors(spec?.schedule ?? ''),
    ...oneOf(spec?.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], 'spec.concurrencyPolicy'),
    ...(['startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit'] as const).flatMap((field) => notNegative(spec?.[field], `spec.${field}`)),
    ...jobSpecErrors(spec?.jobTemplate?.spec, 'spec.jobTemplate.spec'),
    ...(name.length > NAME_MAX ? [fieldError.invalid('metadata.name', name, `must be no more than ${NAME_MAX} characters`)] : []),
  ];
}

/** The number of fields only: what stands in them is read by whoever runs the jobs. */
function scheduleErrors(schedule: string): FieldError[] {
  if (schedule === '') return [fieldError.required('spec.schedule')];
  const fields = schedule.trim().split(/\s+/);
  return schedule.startsWith('@') || fields.length === FIELDS ? [] : [fieldError.invalid('spec.schedule', schedule, `expected exactly ${FIELDS} fields, found ${fields.length}: [${fields.join(' ')}]`)];
}
