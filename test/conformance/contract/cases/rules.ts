import type { Fields } from '../../../../agent/apiserver/kube-object.js';
import type { Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';
import { refusals } from './validation.js';

const core = (resource: string) => (api: Dialogue): string => api.core(resource);
const apis = (groupVersion: string, resource: string) => (api: Dialogue): string => api.apis(groupVersion, resource);
const cluster = (path: string) => (): string => path;

const named = (extra: Fields): Fields => ({ metadata: { name: 'x' }, ...extra });
const container = { name: 'c', image: 'i' };
const selector = { matchLabels: { a: 'b' } };
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } };
const pod = (spec: Fields): Fields => named({ spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [container], ...spec } });
const withContainer = (extra: Fields): Fields => pod({ containers: [{ ...container, ...extra }] });
const service = (spec: Fields): Fields => named({ spec: { ports: [{ port: 80 }], ...spec } });
const workload = (spec: Fields): Fields => named({ spec: { selector, template, ...spec } });
const jobTemplate = { spec: { restartPolicy: 'Never', containers: [container] } };
const job = (spec: Fields): Fields => named({ spec: { template: jobTemplate, ...spec } });
const slice = (extra: Fields): Fields => named({ addressType: 'IPv4', endpoints: [], ...extra });
const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' };

const workloads: readonly Fields[] = [
  named({}),
  workload({ replicas: -1 }),
  workload({ selector: {} }),
  workload({ selector: { matchLabels: { a: 'c' } } }),
  workload({ selector: { matchLabels: { 'a b': 'c' } } }),
  workload({ minReadySeconds: -1 }),
  workload({ template: { ...template, spec: { restartPolicy: 'Never', containers: [container] } } }),
  workload({ template: { ...template, spec: { containers: [] } } }),
];

/** More of what is refused, kind by kind. */
export const rules: Cases = {
  'more of pods': refusals(core('pods'), [
    withContainer({ livenessProbe: { httpGet: { port: 80 }, successThreshold: 2 } }),
    withContainer({ livenessProbe: { httpGet: { port: 80 }, exec: { command: ['a'] } } }),
    withContainer({ livenessProbe: { exec: {} } }),
    withContainer({ readinessProbe: { tcpSocket: { port: 'UPPER' } } }),
    withContainer({ readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: -1 } }),
    withContainer({ env: [{ name: 'A', value: 'b', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
    withContainer({ resources: { limits: { memory: '-1' } } }),
    withContainer({ resources: { limits: { memory: '64Mi' }, requests: { memory: '128Mi' } } }),
    withContainer({ resources: { limits: { memory: '1Gi' }, requests: { memory: '1000M' } } }),
    withContainer({ volumeMounts: [{ name: 'v' }] }),
    pod({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] }),
    pod({ tolerations: [{ key: 'a', effect: 'Perhaps' }] }),
    pod({ tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 3 }] }),
    pod({ tolerations: [{ key: 'a b', operator: 'Exists' }] }),
    pod({ tolerations: [{ operator: 'Exists' }] }),
    pod({ activeDeadlineSeconds: 0 }),
    pod({ hostname: 'Not_Good' }),
    pod({ subdomain: 'not.good' }),
    pod({ serviceAccountName: 'Not_Good' }),
    pod({ dnsPolicy: 'None' }),
    pod({ dnsConfig: { nameservers: ['nonsense'] } }),
    pod({ hostAliases: [{ ip: 'nonsense', hostnames: ['a'] }] }),
    pod({ volumes: [{ name: 'v', configMap: {} }] }),
    pod({ volumes: [{ name: 'v', hostPath: { path: '' } }] }),
    pod({ volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] }),
    pod({ priorityClassName: 'system-node-critical' }),
  ]),
  'more of services': refusals(core('services'), [
    service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['nonsense'] }),
    service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] }),
    service({ externalIPs: ['0.0.0.0'] }),
    service({ externalIPs: ['169.254.1.1'] }),
    service({ externalIPs: ['192.0.2.1'], externalTrafficPolicy: 'Local' }),
    service({ clusterIP: 'None', ports: [] }),
    service({ clusterIP: 'None', externalTrafficPolicy: 'Local' }),
    service({ type: 'ExternalName', externalName: 'example.com.' }),
    service({ type: 'ExternalName', externalName: 'example.com', clusterIP: '10.43.0.77' }),
    service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 90_000 } } }),
    service({ ipFamilyPolicy: 'Perhaps' }),
    service({ ipFamilies: ['IPv4', 'IPv4'] }),
    service({ ipFamilyPolicy: 'PreferDualStack' }),
    service({ type: 'LoadBalancer', healthCheckNodePort: 30_000 }),
    service({ trafficDistribution: 'Perhaps' }),
    service({ trafficDistribution: 'PreferClose' }),
    service({ ports: [{ port: 70_000 }] }),
    service({ ports: [{ name: 'a.b', port: 80 }] }),
    service({ loadBalancerClass: 'example.com/x' }),
    service({ ports: [{ port: 80, appProtocol: 'a b' }] }),
  ]),
  'more of network policies': refusals(apis('networking.k8s.io/v1', 'networkpolicies'), [
    named({ spec: { podSelector: {}, egress: [{ to: [{ ipBlock: { cidr: '010.1.2.3/8', except: ['10.1.0.1/16'] } }] }] } }),
    named({ spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '2001:db8:0::/64' } }] }] } }),
    named({ spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '2001:db8::1/64' } }] }] } }),
    named({ spec: { podSelector: {}, policyTypes: ['Ingress', 'Ingress'] } }),
    named({ spec: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { a: 'not valid' } } }], ports: [{ port: -1 }] }] } }),
  ]),
  'more of endpoint slices': refusals(apis('discovery.k8s.io/v1', 'endpointslices'), [
    slice({ endpoints: [{ addresses: ['169.254.0.1'] }] }),
    slice({ endpoints: [{ addresses: ['192.0.2.1', '192.0.2.2'] }] }),
    slice({ addressType: 'FQDN', endpoints: [{ addresses: ['Not Valid'] }] }),
    slice({ ports: [{ port: 1 }, { port: 2 }] }),
    slice({ ports: [{ port: 70_000 }] }),
    slice({ endpoints: [{ addresses: ['192.0.2.1'], nodeName: 'Not_Good' }] }),
    slice({ endpoints: [{ addresses: ['192.0.2.1'], hostname: 'Not_Good' }] }),
    slice({ endpoints: [{ addresses: ['192.0.2.1'], hints: { forZones: [{ name: '' }] } }] }),
  ]),
  'replica sets': refusals(apis('apps/v1', 'replicasets'), workloads),
  'stateful sets': refusals(apis('apps/v1', 'statefulsets'), [...workloads, workload({ podManagementPolicy: 'Perhaps' }), workload({ updateStrategy: { type: 'Perhaps' } })]),
  'daemon sets': refusals(apis('apps/v1', 'daemonsets'), [...workloads, workload({ updateStrategy: { type: 'Perhaps' } })]),
  jobs: refusals(apis('batch/v1', 'jobs'), [
    named({}),
    job({ template: { spec: { containers: [container] } } }),
    job({ template: { spec: { restartPolicy: 'Never', containers: [] } } }),
    job({ parallelism: -1 }),
    job({ completions: -1 }),
    job({ backoffLimit: -1 }),
    job({ activeDeadlineSeconds: -1 }),
    job({ ttlSecondsAfterFinished: -1 }),
    job({ selector }),
    job({ completionMode: 'Indexed' }),
  ]),
  'cron jobs': refusals(apis('batch/v1', 'cronjobs'), [
    named({}),
    named({ spec: { schedule: 'sometimes', jobTemplate: { spec: { template: jobTemplate } } } }),
    named({ spec: { schedule: '* * * * *', concurrencyPolicy: 'Perhaps', jobTemplate: { spec: { template: jobTemplate } } } }),
    named({ spec: { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: { containers: [container] } } } } } }),
    { metadata: { name: 'x'.repeat(53) }, spec: { schedule: '* * * * *', jobTemplate: { spec: { template: jobTemplate } } } },
  ]),
  endpoints: refusals(core('endpoints'), [
    named({ subsets: [{ addresses: [{ ip: 'nonsense' }] }] }),
    named({ subsets: [{ addresses: [{ ip: '127.0.0.1' }] }] }),
    named({ subsets: [{}] }),
    named({ subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 0 }] }] }),
    named({ subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 1 }, { port: 2 }] }] }),
    named({ subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 1, protocol: 'ICMP' }] }] }),
  ]),
  secrets: refusals(core('secrets'), [named({ data: { 'a b': 'MQ==' } }), named({ data: { a: 'no base 64!' } }), named({ type: 'kubernetes.io/tls', data: {} }), named({ type: 'kubernetes.io/dockerconfigjson', data: {} })]),
  nodes: refusals(cluster('/api/v1/nodes'), [
    { metadata: { name: 'Not_Good' } },
    named({ spec: { podCIDR: 'nonsense' } }),
    named({ spec: { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.1.0/24'] } }),
    named({ spec: { taints: [{ key: 'a b', effect: 'NoSchedule' }] } }),
    named({ spec: { taints: [{ key: 'a', effect: 'Perhaps' }] } }),
    named({ spec: { taints: [{ key: 'a', effect: 'NoSchedule' }, { key: 'a', effect: 'NoSchedule' }] } }),
  ]),
  ingresses: refusals(apis('networking.k8s.io/v1', 'ingresses'), [
    named({ spec: {} }),
    named({ spec: { rules: [{ host: 'Not Valid' }] } }),
    named({ spec: { rules: [{ http: { paths: [{ path: 'x', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }] } }] } }),
    named({ spec: { rules: [{ http: { paths: [{ path: '/x', backend: { service: { name: 's', port: { number: 80 } } } }] } }] } }),
    named({ spec: { defaultBackend: { service: { name: 's' } } } }),
  ]),
  'disruption budgets': refusals(apis('policy/v1', 'poddisruptionbudgets'), [named({ spec: { selector, minAvailable: 1, maxUnavailable: 1 } }), named({ spec: { selector, minAvailable: '120%' } }), named({ spec: { selector, minAvailable: -1 } })]),
  permissions: async (api) => {
    await refusals(apis('rbac.authorization.k8s.io/v1', 'roles'), [named({ rules: [{ apiGroups: [''], resources: ['pods'], verbs: [] }] }), named({ rules: [{ apiGroups: [''], verbs: ['get'] }] }), named({ rules: [{ resources: ['pods'], verbs: ['get'] }] }), named({ rules: [{ nonResourceURLs: ['/x'], verbs: ['get'] }] })])(api);
    await refusals(apis('rbac.authorization.k8s.io/v1', 'rolebindings'), [named({}), named({ roleRef: { ...role, kind: 'Perhaps' } }), named({ roleRef: { ...role, name: '' } }), named({ roleRef: role, subjects: [{ kind: 'Perhaps', name: 'u' }] }), named({ roleRef: role, subjects: [{ kind: 'ServiceAccount', name: 'sa' }] }), named({ roleRef: role, subjects: [{ kind: 'User', name: '' }] })])(api);
  },
  'small kinds': async (api) => {
    await refusals(apis('coordination.k8s.io/v1', 'leases'), [named({ spec: { leaseDurationSeconds: 0 } }), named({ spec: { leaseTransitions: -1 } })])(api);
    await refusals(core('resourcequotas'), [named({ spec: { hard: { pods: '-1' } } }), named({ spec: { hard: { 'a b': '1' } } })])(api);
    await refusals(core('limitranges'), [named({ spec: { limits: [{ type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } }] } })])(api);
    await refusals(core('persistentvolumeclaims'), [named({ spec: {} }), named({ spec: { accessModes: ['Perhaps'], resources: { requests: { storage: '1Gi' } } } })])(api);
    await refusals(cluster('/apis/scheduling.k8s.io/v1/priorityclasses'), [named({ value: 2_000_000_000 }), { metadata: { name: 'system-x' }, value: 1 }, named({ value: 1, preemptionPolicy: 'Perhaps' })])(api);
    await refusals(core('events'), [named({ involvedObject: { kind: 'Pod', namespace: 'elsewhere', name: 'p' } })])(api);
    await refusals(cluster('/apis/networking.k8s.io/v1/ingressclasses'), [named({ spec: { controller: 'not good' } }), named({ spec: {} })])(api);
  },
};
