import type { CoreV1Event, V1ConfigMap, V1Lease, V1Node, V1PodDisruptionBudget, V1RoleBinding, V1Secret } from '@kubernetes/client-node';
import { fieldsAt, listAt, textAt, type KubeObject } from '../kube-object.js';
import { age, ageColumn, column, nameColumn, plainColumns, type Column } from './column.js';

const nodeOf = (object: KubeObject): V1Node => object as unknown as V1Node;
const eventOf = (object: KubeObject): CoreV1Event => object as unknown as CoreV1Event;
const ROLE = 'node-role.kubernetes.io/';

function nodeStatus({ spec, status }: V1Node): string {
  const ready = status?.conditions?.find((condition) => condition.type === 'Ready');
  const text = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable === true ? `${text},SchedulingDisabled` : text;
}

function nodeRoles(object: KubeObject): string {
  const labels = object.metadata.labels ?? {};
  const roles = Object.keys(labels).filter((key) => key.startsWith(ROLE)).map((key) => key.slice(ROLE.length));
  const old = labels['kubernetes.io/role'];
  return [...roles, ...(old ? [old] : [])].filter((role) => role !== '').sort().join(',') || '<none>';
}

const nodeAddress = (object: KubeObject, type: string): string => nodeOf(object).status?.addresses?.find((one) => one.type === type)?.address ?? '<none>';
const nodeInfo = (object: KubeObject, field: 'osImage' | 'kernelVersion' | 'containerRuntimeVersion' | 'kubeletVersion'): string => nodeOf(object).status?.nodeInfo?.[field] || (field === 'kubeletVersion' ? '' : '<unknown>');

function eventTime(event: CoreV1Event, now: number): string {
  const last = String(event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp ?? '');
  return age(last, now);
}

function firstSeen(event: CoreV1Event, now: number): string {
  return age(String(event.firstTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? ''), now);
}

function eventSource({ source, reportingComponent, reportingInstance }: CoreV1Event): string {
  const [component, host] = [source?.component || reportingComponent, source?.host || reportingInstance];
  return [component, host].filter((part) => part !== undefined && part !== '').join(', ');
}

/** The column's name carries the kind it shows: `User`, `Group`, `ServiceAccount`. */
function subjects(kind: string): (object: KubeObject) => string {
  return (object) => {
    const all = ((object as unknown as V1RoleBinding).subjects ?? []);
    return all.filter((subject) => subject.kind === kind).map((subject) => (kind === 'ServiceAccount' ? `${subject.namespace ?? ''}/${subject.name}` : subject.name)).join(', ');
  };
}

const roleRef = (object: KubeObject): string => `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`;
const bindingColumns: readonly Column[] = [
  nameColumn,
  column('Role', roleRef),
  ageColumn,
  column('Users', subjects('User'), { wide: true }),
  column('Groups', subjects('Group'), { wide: true }),
  column('ServiceAccounts', subjects('ServiceAccount'), { wide: true }),
];
const roleColumns: readonly Column[] = [nameColumn, column('Created At', (object) => object.metadata.creationTimestamp ?? '', { type: 'date' })];
const orNone = (value: string | number | undefined, none: string): string => (value === undefined ? none : String(value));
const count = (value: object | undefined): number => Object.keys(value ?? {}).length;

const ACCESS_MODES: Readonly<Record<string, string>> = { ReadWriteOnce: 'RWO', ReadOnlyMany: 'ROX', ReadWriteMany: 'RWX', ReadWriteOncePod: 'RWOP' };

/** `pods: 3/100, ...` of what is limited, or of what is asked for. */
function quotaText(object: KubeObject, limits: boolean): string {
  const [hard, used] = [fieldsAt(object, 'status', 'hard'), fieldsAt(object, 'status', 'used')];
  return Object.keys(hard)
    .filter((name) => name.startsWith('limits.') === limits)
    .sort()
    .map((name) => `${name}: ${textAt(used, name) || '0'}/${textAt(hard, name)}`)
    .join(', ');
}

export const CLUSTER_COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  Namespace: [nameColumn, column('Status', (object) => textAt(object, 'status', 'phase')), ageColumn],
  Node: [
    nameColumn,
    column('Status', (object) => nodeStatus(nodeOf(object))),
    column('Roles', nodeRoles),
    ageColumn,
    column('Version', (object) => nodeInfo(object, 'kubeletVersion')),
    column('Internal-IP', (object) => nodeAddress(object, 'InternalIP'), { wide: true }),
    column('External-IP', (object) => nodeAddress(object, 'ExternalIP'), { wide: true }),
    column('OS-Image', (object) => nodeInfo(object, 'osImage'), { wide: true }),
    column('Kernel-Version', (object) => nodeInfo(object, 'kernelVersion'), { wide: true }),
    column('Container-Runtime', (object) => nodeInfo(object, 'containerRuntimeVersion'), { wide: true }),
  ],
  ConfigMap: [nameColumn, column('Data', (object) => count((object as unknown as V1ConfigMap).data) + count((object as unknown as V1ConfigMap).binaryData), { type: 'string' }), ageColumn],
  Secret: [nameColumn, column('Type', (object) => textAt(object, 'type')), column('Data', (object) => count((object as unknown as V1Secret).data), { type: 'string' }), ageColumn],
  ServiceAccount: [nameColumn, column('Secrets', (object) => (Array.isArray(object['secrets']) ? object['secrets'].length : 0), { type: 'string' }), ageColumn],
  Event: [
    column('Last Seen', (object, now) => eventTime(eventOf(object), now)),
    column('Type', (object) => eventOf(object).type ?? ''),
    column('Reason', (object) => eventOf(object).reason ?? ''),
    column('Object', (object) => `${textAt(object, 'involvedObject', 'kind').toLowerCase()}/${textAt(object, 'involvedObject', 'name')}`),
    column('Subobject', (object) => textAt(object, 'involvedObject', 'fieldPath'), { wide: true }),
    column('Source', (object) => eventSource(eventOf(object)), { wide: true }),
    column('Message', (object) => (eventOf(object).message ?? '').trim()),
    column('First Seen', (object, now) => firstSeen(eventOf(object), now), { wide: true }),
    column('Count', (object) => eventOf(object).series?.count ?? eventOf(object).count ?? 1, { wide: true }),
    { ...nameColumn, priority: 1 },
  ],
  LimitRange: plainColumns,
  ResourceQuota: [nameColumn, column('Request', (object) => quotaText(object, false)), column('Limit', (object) => quotaText(object, true)), ageColumn],
  PersistentVolume: [
    nameColumn,
    column('Capacity', (object) => textAt(object, 'spec', 'capacity', 'storage')),
    column('Access Modes', (object) => listAt(object, 'spec', 'accessModes').map((mode) => ACCESS_MODES[String(mode)] ?? '').join(',')),
    column('Reclaim Policy', (object) => textAt(object, 'spec', 'persistentVolumeReclaimPolicy')),
    column('Status', (object) => (object.metadata.deletionTimestamp === undefined ? textAt(object, 'status', 'phase') : 'Terminating')),
    column('Claim', (object) => [textAt(object, 'spec', 'claimRef', 'namespace'), textAt(object, 'spec', 'claimRef', 'name')].filter((part) => part !== '').join('/')),
    column('StorageClass', (object) => textAt(object, 'spec', 'storageClassName')),
    column('VolumeAttributesClass', (object) => textAt(object, 'spec', 'volumeAttributesClassName') || '<unset>'),
    column('Reason', (object) => textAt(object, 'status', 'reason')),
    ageColumn,
    column('VolumeMode', (object) => textAt(object, 'spec', 'volumeMode') || '<unset>', { wide: true }),
  ],
  PersistentVolumeClaim: [
    nameColumn,
    column('Status', (object) => (object.metadata.deletionTimestamp === undefined ? textAt(object, 'status', 'phase') : 'Terminating')),
    column('Volume', (object) => textAt(object, 'spec', 'volumeName')),
    column('Capacity', (object) => (textAt(object, 'spec', 'volumeName') === '' ? '' : textAt(object, 'status', 'capacity', 'storage'))),
    column('Access Modes', (object) => (textAt(object, 'spec', 'volumeName') === '' ? '' : listAt(object, 'status', 'accessModes').map((mode) => ACCESS_MODES[String(mode)] ?? '').join(','))),
    column('StorageClass', (object) => textAt(object, 'spec', 'storageClassName')),
    column('VolumeAttributesClass', (object) => textAt(object, 'spec', 'volumeAttributesClassName') || '<unset>'),
    ageColumn,
    column('VolumeMode', (object) => textAt(object, 'spec', 'volumeMode') || '<unset>', { wide: true }),
  ],
  Lease: [nameColumn, column('Holder', (object) => (object as unknown as V1Lease).spec?.holderIdentity ?? ''), ageColumn],
  ClusterRole: roleColumns,
  Role: roleColumns,
  ClusterRoleBinding: bindingColumns,
  RoleBinding: bindingColumns,
  PodDisruptionBudget: [
    nameColumn,
    column('Min Available', (object) => orNone((object as unknown as V1PodDisruptionBudget).spec?.minAvailable, 'N/A')),
    column('Max Unavailable', (object) => orNone((object as unknown as V1PodDisruptionBudget).spec?.maxUnavailable, 'N/A')),
    column('Allowed Disruptions', (object) => Number(fieldsAt(object, 'status')['disruptionsAllowed'] ?? 0), { type: 'integer' }),
    ageColumn,
  ],
  PriorityClass: [
    nameColumn,
    column('Value', (object) => Number(object['value'] ?? 0), { type: 'integer' }),
    column('Global-Default', (object) => object['globalDefault'] === true, { type: 'boolean' }),
    ageColumn,
    column('PreemptionPolicy', (object) => textAt(object, 'preemptionPolicy')),
  ],
  CustomResourceDefinition: [nameColumn, column('Created At', (object) => object.metadata.creationTimestamp ?? '', { type: 'date' })],
};
