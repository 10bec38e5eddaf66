import type { Fields } from '../../../../agent/apiserver/kube-object.js';
import type { Dialogue } from '../dialogue.js';

/** A kind with a small object that a real server accepts. TOKEN is the case's own. */
export interface Example {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resource: string;
  readonly cluster?: boolean;
  readonly name?: (api: Dialogue) => string;
  readonly object: Fields | ((api: Dialogue) => Fields);
  /** What a status write sets; absent where there is no such subresource. */
  readonly status?: Fields;
  /** Makes the kind known, where the server does not know it by itself. */
  readonly define?: (api: Dialogue) => Promise<void>;
}

const labels = { app: 'x' };
const container = { name: 'main', image: 'web:1', ports: [{ containerPort: 80 }] };
const template = { metadata: { labels }, spec: { containers: [container] } };
const time = '2026-01-01T00:00:00Z';
const role = { apiGroup: 'rbac.authorization.k8s.io', name: 'r' };

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Defines a kind of the case's own, and waits until it is served. */
async function define(api: Dialogue, plural: string, kind: string, scope: 'Namespaced' | 'Cluster'): Promise<void> {
  const group = `g-${api.token}.example.com`;
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { order: { type: 'number' } } } } } } };
  await api.quietly('POST', DEFINITIONS, { metadata: { name: `${plural}.${group}` }, spec: { group, scope, names: { plural, kind }, versions: [version] } });
  api.removeLater(`${DEFINITIONS}/${plural}.${group}`);
  await api.until(async () => (await api.quietly('GET', `/apis/${group}/v1/${plural}`)).code === 200);
}

/** Kinds by definition, as those of Calico's policies are: one in namespaces, one for the cluster. */
export const CUSTOM_KINDS: readonly Example[] = [
  { apiVersion: 'g-TOKEN.example.com/v1', kind: 'Rule', resource: 'rules', object: { spec: { order: 1 } }, define: (api) => define(api, 'rules', 'Rule', 'Namespaced') },
  { apiVersion: 'g-TOKEN.example.com/v1', kind: 'GlobalRule', resource: 'globalrules', cluster: true, object: { spec: { order: 1 } }, define: (api) => define(api, 'globalrules', 'GlobalRule', 'Cluster') },
];

export const KINDS: readonly Example[] = [
  { apiVersion: 'v1', kind: 'Namespace', resource: 'namespaces', cluster: true, object: {} },
  { apiVersion: 'v1', kind: 'Node', resource: 'nodes', cluster: true, object: { spec: { podCIDR: '10.42.7.0/24' } }, status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] } },
  { apiVersion: 'v1', kind: 'Pod', resource: 'pods', object: { spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [container] } }, status: { phase: 'Running', podIP: '192.0.2.7', podIPs: [{ ip: '192.0.2.7' }], conditions: [{ type: 'Ready', status: 'True' }] } },
  { apiVersion: 'v1', kind: 'Service', resource: 'services', object: { spec: { selector: labels, ports: [{ port: 80 }] } }, status: { loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } } },
  { apiVersion: 'v1', kind: 'Endpoints', resource: 'endpoints', object: { subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 80 }] }] } },
  { apiVersion: 'v1', kind: 'ConfigMap', resource: 'configmaps', object: { data: { a: 'b' } } },
  { apiVersion: 'v1', kind: 'Secret', resource: 'secrets', object: { stringData: { a: 'b' } } },
  { apiVersion: 'v1', kind: 'ServiceAccount', resource: 'serviceaccounts', object: {} },
  { apiVersion: 'v1', kind: 'Event', resource: 'events', object: (api) => ({ involvedObject: { kind: 'Pod', namespace: api.namespace, name: 'p' }, reason: 'Tested', message: 'was tested', type: 'Normal' }) },
  { apiVersion: 'v1', kind: 'LimitRange', resource: 'limitranges', object: { spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } } },
  { apiVersion: 'v1', kind: 'ResourceQuota', resource: 'resourcequotas', object: { spec: { hard: { pods: '100' } } }, status: { hard: { pods: '100' }, used: { pods: '1' } } },
  { apiVersion: 'v1', kind: 'PersistentVolume', resource: 'persistentvolumes', cluster: true, object: { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } } }, status: { phase: 'Available' } },
  { apiVersion: 'v1', kind: 'ReplicationController', resource: 'replicationcontrollers', object: { spec: { replicas: 0, selector: labels, template } }, status: { replicas: 0, observedGeneration: 1 } },
  { apiVersion: 'v1', kind: 'PersistentVolumeClaim', resource: 'persistentvolumeclaims', object: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }, status: { phase: 'Pending' } },
  { apiVersion: 'apps/v1', kind: 'Deployment', resource: 'deployments', object: { spec: { replicas: 0, selector: { matchLabels: labels }, template } }, status: { observedGeneration: 1 } },
  { apiVersion: 'apps/v1', kind: 'ReplicaSet', resource: 'replicasets', object: { spec: { replicas: 0, selector: { matchLabels: labels }, template } }, status: { replicas: 0, observedGeneration: 1 } },
  { apiVersion: 'apps/v1', kind: 'StatefulSet', resource: 'statefulsets', object: { spec: { replicas: 0, serviceName: 's', selector: { matchLabels: labels }, template } }, status: { replicas: 0, observedGeneration: 1 } },
  { apiVersion: 'apps/v1', kind: 'DaemonSet', resource: 'daemonsets', object: { spec: { selector: { matchLabels: labels }, template: { ...template, spec: { ...template.spec, nodeSelector: { never: 'here' } } } } }, status: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0, observedGeneration: 1 } },
  { apiVersion: 'apps/v1', kind: 'ControllerRevision', resource: 'controllerrevisions', object: { revision: 1, data: { a: 'b' } } },
  { apiVersion: 'batch/v1', kind: 'Job', resource: 'jobs', object: { spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [container] } } } }, status: { active: 1 } },
  { apiVersion: 'batch/v1', kind: 'CronJob', resource: 'cronjobs', object: { spec: { suspend: true, schedule: '0 0 1 1 *', jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } } } } }, status: { lastScheduleTime: time } },
  { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', resource: 'endpointslices', object: { addressType: 'IPv4', endpoints: [{ addresses: ['192.0.2.7'], conditions: { ready: true } }], ports: [{ port: 80 }] } },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', resource: 'networkpolicies', object: { spec: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: labels } }], ports: [{ port: 80 }] }] } } },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', resource: 'ingresses', object: { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } }, status: { loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } } },
  { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', resource: 'ingressclasses', cluster: true, object: { spec: { controller: 'example.com/c' } } },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', resource: 'poddisruptionbudgets', object: { spec: { minAvailable: 1, selector: { matchLabels: labels } } }, status: { currentHealthy: 1, desiredHealthy: 1, disruptionsAllowed: 0, expectedPods: 1 } },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', resource: 'clusterroles', cluster: true, object: { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] } },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', resource: 'clusterrolebindings', cluster: true, object: { roleRef: { ...role, kind: 'ClusterRole' }, subjects: [{ kind: 'User', name: 'u' }] } },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', resource: 'roles', object: { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] } },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', resource: 'rolebindings', object: { roleRef: { ...role, kind: 'Role' }, subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }] } },
  { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', resource: 'priorityclasses', cluster: true, object: { value: 7 } },
  { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', resource: 'leases', object: { spec: { holderIdentity: 'me', leaseDurationSeconds: 15 } } },
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    resource: 'customresourcedefinitions',
    cluster: true,
    name: (api) => `things.g-${api.token}.example.com`,
    object: (api) => ({ spec: { group: `g-${api.token}.example.com`, scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, versions: [{ name: 'v1', served: false, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }] } }),
  },
];
