import { at, textAt, type KubeObject } from '../kube-object.js';
import { modelSchema } from '../schema/model-schema.js';
import { ageColumn, nameColumn } from '../table/column.js';
import { COLUMNS } from '../table/columns.js';
import type { Kind, ScalePaths } from './kind.js';
import { STRATEGIES } from './strategies.js';

interface Row {
  readonly model: string;
  readonly resource: string;
  readonly short?: readonly string[];
  readonly all?: boolean;
  readonly cluster?: boolean;
  readonly status?: boolean;
  readonly generation?: boolean;
  readonly scale?: ScalePaths;
  readonly selectable?: Readonly<Record<string, (object: KubeObject) => string>>;
}

const workloadScale: ScalePaths = { replicas: ['spec', 'replicas'], statusReplicas: ['status', 'replicas'], selector: ['spec', 'selector'] };
const field = (...path: string[]) => (object: KubeObject): string => textAt(object, ...path);
const flag = (name: string) => (object: KubeObject): string => String(at(object, 'spec', name) === true);

const eventFields = Object.fromEntries(
  ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((name) => [`involvedObject.${name}`, field('involvedObject', name)]),
);

/** Adding a kind is a row here (and, where it has them, a row in STRATEGIES and COLUMNS). */
const TABLE: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  v1: {
    Namespace: { model: 'V1Namespace', resource: 'namespaces', short: ['ns'], cluster: true, status: true, selectable: { 'status.phase': field('status', 'phase') } },
    Node: { model: 'V1Node', resource: 'nodes', short: ['no'], cluster: true, status: true, selectable: { 'spec.unschedulable': flag('unschedulable') } },
    Pod: {
      model: 'V1Pod',
      resource: 'pods',
      short: ['po'],
      all: true,
      status: true,
      generation: true,
      selectable: {
        'spec.nodeName': field('spec', 'nodeName'),
        'spec.restartPolicy': field('spec', 'restartPolicy'),
        'spec.schedulerName': field('spec', 'schedulerName'),
        'spec.serviceAccountName': field('spec', 'serviceAccountName'),
        'spec.hostNetwork': flag('hostNetwork'),
        'status.phase': field('status', 'phase'),
        'status.podIP': field('status', 'podIP'),
        'status.nominatedNodeName': field('status', 'nominatedNodeName'),
      },
    },
    Service: { model: 'V1Service', resource: 'services', short: ['svc'], all: true, status: true, selectable: { 'spec.clusterIP': field('spec', 'clusterIP'), 'spec.type': field('spec', 'type') } },
    Endpoints: { model: 'V1Endpoints', resource: 'endpoints', short: ['ep'] },
    ConfigMap: { model: 'V1ConfigMap', resource: 'configmaps', short: ['cm'] },
    Secret: { model: 'V1Secret', resource: 'secrets', selectable: { type: field('type') } },
    ServiceAccount: { model: 'V1ServiceAccount', resource: 'serviceaccounts', short: ['sa'] },
    Event: {
      model: 'CoreV1Event',
      resource: 'events',
      short: ['ev'],
      selectable: { ...eventFields, reason: field('reason'), type: field('type'), reportingComponent: field('reportingComponent'), source: field('source', 'component') },
    },
    LimitRange: { model: 'V1LimitRange', resource: 'limitranges', short: ['limits'] },
    ResourceQuota: { model: 'V1ResourceQuota', resource: 'resourcequotas', short: ['quota'], status: true },
    PersistentVolume: { model: 'V1PersistentVolume', resource: 'persistentvolumes', short: ['pv'], cluster: true, status: true },
    ReplicationController: { model: 'V1ReplicationController', resource: 'replicationcontrollers', short: ['rc'], all: true, status: true, generation: true, selectable: { 'status.replicas': (object) => String(Number(at(object, 'status', 'replicas') ?? 0)) } },
    PersistentVolumeClaim: { model: 'V1PersistentVolumeClaim', resource: 'persistentvolumeclaims', short: ['pvc'], status: true },
  },
  'apps/v1': {
    Deployment: { model: 'V1Deployment', resource: 'deployments', short: ['deploy'], all: true, status: true, generation: true, scale: workloadScale },
    ReplicaSet: { model: 'V1ReplicaSet', resource: 'replicasets', short: ['rs'], all: true, status: true, generation: true, scale: workloadScale },
    StatefulSet: { model: 'V1StatefulSet', resource: 'statefulsets', short: ['sts'], all: true, status: true, generation: true, scale: workloadScale },
    DaemonSet: { model: 'V1DaemonSet', resource: 'daemonsets', short: ['ds'], all: true, status: true, generation: true },
    ControllerRevision: { model: 'V1ControllerRevision', resource: 'controllerrevisions' },
  },
  'batch/v1': {
    Job: { model: 'V1Job', resource: 'jobs', all: true, status: true, generation: true, selectable: { 'status.successful': (object) => String(Number(at(object, 'status', 'succeeded') ?? 0)) } },
    CronJob: { model: 'V1CronJob', resource: 'cronjobs', short: ['cj'], all: true, status: true, generation: true },
  },
  'discovery.k8s.io/v1': { EndpointSlice: { model: 'V1EndpointSlice', resource: 'endpointslices', generation: true } },
  'networking.k8s.io/v1': {
    NetworkPolicy: { model: 'V1NetworkPolicy', resource: 'networkpolicies', short: ['netpol'], generation: true },
    Ingress: { model: 'V1Ingress', resource: 'ingresses', short: ['ing'], status: true, generation: true },
    IngressClass: { model: 'V1IngressClass', resource: 'ingressclasses', cluster: true, generation: true },
  },
  'policy/v1': { PodDisruptionBudget: { model: 'V1PodDisruptionBudget', resource: 'poddisruptionbudgets', short: ['pdb'], status: true, generation: true } },
  'rbac.authorization.k8s.io/v1': {
    ClusterRole: { model: 'V1ClusterRole', resource: 'clusterroles', cluster: true },
    ClusterRoleBinding: { model: 'V1ClusterRoleBinding', resource: 'clusterrolebindings', cluster: true },
    Role: { model: 'V1Role', resource: 'roles' },
    RoleBinding: { model: 'V1RoleBinding', resource: 'rolebindings' },
  },
  'scheduling.k8s.io/v1': { PriorityClass: { model: 'V1PriorityClass', resource: 'priorityclasses', short: ['pc'], cluster: true, generation: true } },
  'coordination.k8s.io/v1': { Lease: { model: 'V1Lease', resource: 'leases' } },
  'apiextensions.k8s.io/v1': {
    CustomResourceDefinition: { model: 'V1CustomResourceDefinition', resource: 'customresourcedefinitions', short: ['crd', 'crds'], cluster: true, status: true, generation: true },
  },
};

/** Every built-in kind, in the order in which discovery lists them. */
export function builtInKinds(): Kind[] {
  return Object.entries(TABLE).flatMap(([apiVersion, rows]) => Object.entries(rows).map(([kind, row]) => kindOf(apiVersion, kind, row)));
}

function kindOf(apiVersion: string, kind: string, row: Row): Kind {
  const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion];
  return {
    group,
    version,
    kind,
    resource: row.resource,
    singular: kind.toLowerCase(),
    shortNames: row.short ?? [],
    categories: row.all === true ? ['all'] : kind === 'CustomResourceDefinition' ? ['api-extensions'] : [],
    namespaced: row.cluster !== true,
    schema: modelSchema(row.model),
    listKind: `${kind}List`,
    hasStatus: row.status === true,
    hasGeneration: row.generation === true,
    ...(row.scale ? { scale: row.scale } : {}),
    selectable: row.selectable ?? {},
    columns: COLUMNS[kind] ?? [nameColumn, ageColumn],
    strategy: STRATEGIES[kind] ?? {},
    custom: false,
  };
}
