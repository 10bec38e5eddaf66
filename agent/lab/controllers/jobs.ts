import { isFinished, isReady, isTerminating, type Condition, type Job, type Pod } from '../world/objects.js';
import { JOBS } from '../world/resources.js';
import type { World } from '../world/world.js';
import { refOf, statusPatch, type Action } from './action.js';
import { createPod, deletePod, isOwnedBy, ownerReference } from './owned-pods.js';

/** A failed pod's successor waits so long, and twice as long after each further failure (Kubernetes' job controller). */
const BACKOFF_MS = 10_000;
const BACKOFF_MOST_MS = 360_000;
const INDEX = 'batch.kubernetes.io/job-completion-index';

/**
 * Jobs to pods, until enough of them have succeeded or too many have failed.
 * Finished pods stay for their logs. Pod failure and success policies are not
 * looked at.
 */
export function jobs(world: World, nowMs: number): Action[] {
  return world.jobs.flatMap((job) => {
    if (isTerminating(job)) return [];
    return conditionsOf(job).some(isEnd) ? removeAfterTtl(job, nowMs) : reconcile(job, world.pods.filter((pod) => isOwnedBy(pod, job)), nowMs);
  });
}

/** Does time alone change what is to be done about it? */
export function jobWaitsForTime(job: Job): boolean {
  if (conditionsOf(job).some(isEnd)) return job.spec.ttlSecondsAfterFinished !== undefined;
  return job.spec.activeDeadlineSeconds !== undefined || (job.status?.failed ?? 0) > 0;
}

interface Progress {
  readonly active: readonly Pod[];
  readonly succeeded: number;
  readonly failed: number;
}

function reconcile(job: Job, pods: readonly Pod[], nowMs: number): Action[] {
  const startTime = job.spec.suspend === true ? undefined : (job.status?.startTime ?? new Date(nowMs).toISOString().replace(/\.\d+/, ''));
  const active = pods.filter((pod) => !isFinished(pod) && !isTerminating(pod));
  // Pods that somebody has deleted were counted when they finished.
  const progress = { active, succeeded: Math.max(count(pods, 'Succeeded'), job.status?.succeeded ?? 0), failed: Math.max(count(pods, 'Failed'), job.status?.failed ?? 0) };
  const failure = failureOf(job, progress, startTime, nowMs);
  const end = failure ?? (isComplete(job, progress) ? endOf('Complete', 'CompletionsReached', 'Reached expected number of succeeded pods', nowMs) : undefined);
  if (end !== undefined) return [...active.map(deletePod), ...statusOf(job, { ...progress, active: [] }, pods, startTime, end, nowMs)];
  return [...podsFor(job, pods, progress, nowMs), ...statusOf(job, progress, pods, startTime, undefined, nowMs)];
}

function isComplete({ spec }: Job, { active, succeeded }: Progress): boolean {
  // Without a number of completions (a work queue) the first success says that there is no more work.
  return spec.completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= spec.completions;
}

function failureOf({ spec }: Job, { active, failed }: Progress, startTime: string | undefined, nowMs: number): readonly Condition[] | undefined {
  const restarts = active.flatMap((pod) => pod.status?.containerStatuses ?? []).reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  const limit = spec.backoffLimit ?? 6;
  // Restarts in place (OnFailure) count one earlier than failed pods, as in Kubernetes.
  if (failed > limit || restarts >= Math.max(1, limit)) return endOf('Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit', nowMs);
  if (startTime !== undefined && spec.activeDeadlineSeconds !== undefined && nowMs - Date.parse(startTime) >= spec.activeDeadlineSeconds * 1000) {
    return endOf('Failed', 'DeadlineExceeded', 'Job was active longer than specified deadline', nowMs);
  }
  return undefined;
}

function podsFor(job: Job, pods: readonly Pod[], { active, succeeded, failed }: Progress, nowMs: number): Action[] {
  const { spec } = job;
  if (spec.suspend === true) return active.map(deletePod);
  const parallelism = spec.parallelism ?? 1;
  const wanted = spec.completions === undefined ? (succeeded > 0 ? active.length : parallelism) : Math.min(parallelism, spec.completions - succeeded);
  if (active.length >= wanted) return active.slice(wanted).map(deletePod);
  // A pod on its way out still holds its place.
  const missing = Math.max(0, wanted - pods.filter((pod) => !isFinished(pod)).length);
  if (missing === 0 || nowMs < lastFailureMs(pods) + Math.min(BACKOFF_MS * 2 ** Math.max(0, failed - 1), BACKOFF_MOST_MS)) return [];
  if (spec.completionMode !== 'Indexed') return Array.from({ length: missing }, () => make(job));
  return freeIndexes(spec.completions ?? 0, pods).slice(0, missing).map((index) => make(job, index));
}

function lastFailureMs(pods: readonly Pod[]): number {
  const ends = pods.filter(({ status }) => status?.phase === 'Failed').map(({ status, metadata }) => {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
    return Date.parse(ready ?? metadata.creationTimestamp ?? '');
  });
  return Math.max(-Infinity, ...ends.filter(Number.isFinite));
}

function freeIndexes(completions: number, pods: readonly Pod[]): number[] {
  const taken = new Set(pods.filter(({ status }) => status?.phase !== 'Failed').map(({ metadata }) => Number(metadata.annotations?.[INDEX])));
  return Array.from({ length: completions }, (_, index) => index).filter((index) => !taken.has(index));
}

function make(job: Job, index?: number): Action {
  const { name, namespace = 'default' } = job.metadata;
  const owner = ownerReference('batch/v1', 'Job', job);
  if (index === undefined) return createPod({ owner, namespace, template: job.spec.template, generateName: `${name}-` });
  const { metadata, spec } = job.spec.template;
  const containers = spec.containers.map((container) => ({ ...container, env: [...(container.env ?? []), { name: 'JOB_COMPLETION_INDEX', value: String(index) }] }));
  const template = { metadata: { ...metadata, annotations: { ...metadata?.annotations, [INDEX]: String(index) } }, spec };
  return createPod({ owner, namespace, template, generateName: `${name}-${index}-`, labels: { [INDEX]: String(index) }, spec: { containers, hostname: `${name}-${index}` } });
}

function statusOf(job: Job, { active, succeeded, failed }: Progress, pods: readonly Pod[], startTime: string | undefined, end: readonly Condition[] | undefined, nowMs: number): Action[] {
  const complete = end?.some(({ type }) => type === 'Complete');
  const indexed = job.spec.completionMode === 'Indexed' ? { completedIndexes: ranges(pods) } : {};
  return statusPatch(JOBS, job, {
    ...(startTime === undefined ? {} : { startTime }),
    active: active.length, ready: active.filter(isReady).length, succeeded, failed,
    terminating: pods.filter((pod) => isTerminating(pod) && !isFinished(pod)).length,
    ...indexed,
    ...(complete === true ? { completionTime: new Date(nowMs).toISOString().replace(/\.\d+/, '') } : {}),
    ...(end === undefined ? {} : { conditions: [...conditionsOf(job), ...end] }),
  });
}

/** Succeeded indexes as the API writes them: `0,2-4`. */
function ranges(pods: readonly Pod[]): string {
  const done = [...new Set(pods.filter(({ status }) => status?.phase === 'Succeeded').map(({ metadata }) => Number(metadata.annotations?.[INDEX])))].sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const index of done) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

function removeAfterTtl(job: Job, nowMs: number): Action[] {
  const { ttlSecondsAfterFinished } = job.spec;
  const ended = Date.parse(conditionsOf(job).find(isEnd)?.lastTransitionTime ?? '');
  if (ttlSecondsAfterFinished === undefined || !(nowMs - ended >= ttlSecondsAfterFinished * 1000)) return [];
  return [{ verb: 'delete', resource: JOBS, ref: refOf(job), uid: job.metadata.uid }];
}

/** What has been decided, and that it has come about: 1.31 and later say both. */
function endOf(type: 'Complete' | 'Failed', reason: string, message: string, nowMs: number): Condition[] {
  const now = new Date(nowMs).toISOString().replace(/\.\d+/, '');
  const one = (of: string) => ({ type: of, status: 'True', lastProbeTime: now, lastTransitionTime: now, reason, message });
  return [one(type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget'), one(type)];
}

const conditionsOf = (job: Job): readonly Condition[] => job.status?.conditions ?? [];
const isEnd = ({ type, status }: Condition): boolean => (type === 'Complete' || type === 'Failed') && status === 'True';
const count = (pods: readonly Pod[], phase: string): number => pods.filter(({ status }) => status?.phase === phase).length;
