import type { V1CronJob, V1DaemonSet, V1Deployment, V1Job, V1PodSpec, V1ReplicaSet, V1ReplicationControllerSpec, V1StatefulSet } from '@kubernetes/client-node';
import { groupOf, type KubeObject } from '../kube-object.js';
import { age, ageColumn, column, humanDuration, nameColumn, type Column } from './column.js';
import { labelSelectorText, labelsText } from './selector-text.js';

const deployment = (object: KubeObject): V1Deployment => object as unknown as V1Deployment;
const replicaSet = (object: KubeObject): V1ReplicaSet => object as unknown as V1ReplicaSet;
const statefulSet = (object: KubeObject): V1StatefulSet => object as unknown as V1StatefulSet;
const daemonSet = (object: KubeObject): V1DaemonSet => object as unknown as V1DaemonSet;
const job = (object: KubeObject): V1Job => object as unknown as V1Job;
const cronJob = (object: KubeObject): V1CronJob => object as unknown as V1CronJob;

const integer = (name: string, cell: (object: KubeObject) => number): Column => column(name, cell, { type: 'integer' });

/** The columns that `-o wide` adds for everything with a pod template. */
function templateColumns(specOf: (object: KubeObject) => V1PodSpec | undefined): Column[] {
  return [
    column('Containers', (object) => (specOf(object)?.containers ?? []).map(({ name }) => name).join(','), { wide: true }),
    column('Images', (object) => (specOf(object)?.containers ?? []).map(({ image }) => image).join(','), { wide: true }),
  ];
}

const selector = (object: KubeObject): string => labelSelectorText(deployment(object).spec?.selector);

/** Of kinds that keep a number of pods. */
function replicated(selects: (object: KubeObject) => string): Column[] {
  return [
    nameColumn,
    integer('Desired', (object) => replicaSet(object).spec?.replicas ?? 0),
    integer('Current', (object) => replicaSet(object).status?.replicas ?? 0),
    integer('Ready', (object) => replicaSet(object).status?.readyReplicas ?? 0),
    ageColumn,
    ...templateColumns((object) => replicaSet(object).spec?.template?.spec),
    column('Selector', selects, { wide: true }),
  ];
}

function jobCompletions({ spec, status }: V1Job): string {
  if (spec?.completions !== undefined) return `${status?.succeeded ?? 0}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${status?.succeeded ?? 0}/1 of ${parallelism}` : `${status?.succeeded ?? 0}/1`;
}

function jobStatus({ metadata, status }: V1Job): string {
  const holds = (type: string): boolean => status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') === true;
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (metadata?.deletionTimestamp !== undefined) return 'Terminating';
  return holds('Suspended') ? 'Suspended' : 'Running';
}

function jobDuration({ status }: V1Job, now: number): string {
  if (status?.startTime === undefined) return '';
  const end = status.completionTime === undefined ? now : Date.parse(String(status.completionTime));
  return humanDuration(end - Date.parse(String(status.startTime)));
}

/** `statefulset.apps/web` */
function controller({ metadata }: KubeObject): string {
  const owner = metadata.ownerReferences?.find((one) => one.controller === true);
  return owner === undefined ? '<none>' : `${owner.kind.toLowerCase()}.${groupOf(owner.apiVersion)}/${owner.name}`;
}

export const WORKLOAD_COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  Deployment: [
    nameColumn,
    column('Ready', (object) => `${deployment(object).status?.readyReplicas ?? 0}/${deployment(object).spec?.replicas ?? 0}`),
    column('Up-to-date', (object) => deployment(object).status?.updatedReplicas ?? 0),
    column('Available', (object) => deployment(object).status?.availableReplicas ?? 0),
    ageColumn,
    ...templateColumns((object) => deployment(object).spec?.template.spec),
    column('Selector', selector, { wide: true }),
  ],
  ControllerRevision: [nameColumn, column('Controller', controller), column('Revision', (object) => Number(object['revision'] ?? 0)), ageColumn],
  ReplicaSet: replicated(selector),
  ReplicationController: replicated((object) => labelsText((object['spec'] as V1ReplicationControllerSpec | undefined)?.selector)),
  StatefulSet: [
    nameColumn,
    column('Ready', (object) => `${statefulSet(object).status?.readyReplicas ?? 0}/${statefulSet(object).spec?.replicas ?? 0}`),
    ageColumn,
    ...templateColumns((object) => statefulSet(object).spec?.template.spec),
  ],
  DaemonSet: [
    nameColumn,
    integer('Desired', (object) => daemonSet(object).status?.desiredNumberScheduled ?? 0),
    integer('Current', (object) => daemonSet(object).status?.currentNumberScheduled ?? 0),
    integer('Ready', (object) => daemonSet(object).status?.numberReady ?? 0),
    integer('Up-to-date', (object) => daemonSet(object).status?.updatedNumberScheduled ?? 0),
    integer('Available', (object) => daemonSet(object).status?.numberAvailable ?? 0),
    column('Node Selector', (object) => labelsText(daemonSet(object).spec?.template.spec?.nodeSelector)),
    ageColumn,
    ...templateColumns((object) => daemonSet(object).spec?.template.spec),
    column('Selector', selector, { wide: true }),
  ],
  Job: [
    nameColumn,
    column('Status', (object) => jobStatus(job(object))),
    column('Completions', (object) => jobCompletions(job(object))),
    column('Duration', (object, now) => jobDuration(job(object), now)),
    ageColumn,
    ...templateColumns((object) => job(object).spec?.template.spec),
    column('Selector', selector, { wide: true }),
  ],
  CronJob: [
    nameColumn,
    column('Schedule', (object) => cronJob(object).spec?.schedule ?? ''),
    column('Timezone', (object) => cronJob(object).spec?.timeZone ?? '<none>'),
    column('Suspend', (object) => String(cronJob(object).spec?.suspend ?? false)[0]?.toUpperCase() + String(cronJob(object).spec?.suspend ?? false).slice(1), { type: 'boolean' }),
    integer('Active', (object) => cronJob(object).status?.active?.length ?? 0),
    column('Last Schedule', (object, now) => (cronJob(object).status?.lastScheduleTime === undefined ? '<none>' : age(String(cronJob(object).status?.lastScheduleTime), now))),
    ageColumn,
    ...templateColumns((object) => cronJob(object).spec?.jobTemplate.spec?.template.spec),
    column('Selector', (object) => labelSelectorText(cronJob(object).spec?.jobTemplate.spec?.selector), { wide: true }),
  ],
};
