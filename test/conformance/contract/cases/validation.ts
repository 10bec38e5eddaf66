import type { Fields } from '../../../../agent/apiserver/kube-object.js';
import type { Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';

const core = (resource: string) => (api: Dialogue): string => api.core(resource);
const apis = (groupVersion: string, resource: string) => (api: Dialogue): string => api.apis(groupVersion, resource);
const [pods, services, configMaps] = [core('pods'), core('services'), core('configmaps')];
const policies = apis('networking.k8s.io/v1', 'networkpolicies');
const slices = apis('discovery.k8s.io/v1', 'endpointslices');
const deployments = apis('apps/v1', 'deployments');

const named = (extra: Fields): Fields => ({ metadata: { name: 'x' }, ...extra });
const container = { name: 'c', image: 'i' };
const pod = (spec: Fields): Fields => named({ spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [container], ...spec } });
const withContainer = (extra: Fields): Fields => pod({ containers: [{ ...container, ...extra }] });
const service = (spec: Fields): Fields => named({ spec: { ports: [{ port: 80 }], ...spec } });
const policy = (spec: Fields): Fields => named({ spec: { podSelector: {}, ...spec } });
const from = (...peers: Fields[]): Fields => policy({ ingress: [{ from: peers }] });
const ports = (...some: Fields[]): Fields => policy({ ingress: [{ ports: some }] });
const deployment = (spec: Fields): Fields => named({ spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } }, ...spec } });

export const refusals = (path: (api: Dialogue) => string, bodies: readonly Fields[]) => async (api: Dialogue): Promise<void> => {
  for (const body of bodies) await api.ask('POST', `${path(api)}?dryRun=All`, body, { part: refusal });
};

/** Of a refusal everything; of what is accepted only that it is. */
function refusal(body: Fields): unknown {
  return body['kind'] === 'Status' ? body : 'accepted';
}

const changes = (path: (api: Dialogue) => string, before: Fields, patches: readonly Fields[]) => async (api: Dialogue): Promise<void> => {
  await api.quietly('POST', path(api), before);
  for (const patch of patches) await api.ask('PATCH', `${path(api)}/x?dryRun=All`, patch, { type: 'application/merge-patch+json', part: (body) => (body['kind'] === 'Status' ? { ...body, message: String(body['message']).split('\n')[0] ?? '', details: withoutDiffs(body) } : 'accepted') });
};

/** A pod's refused change shows a diff of Go structs. */
function withoutDiffs({ details }: Fields): unknown {
  const { causes = [], ...rest } = (details ?? {}) as { causes?: Fields[] };
  return { ...rest, causes: causes.map((cause) => ({ ...cause, message: String(cause['message']).split('\n')[0] ?? '' })) };
}

export const validation: Cases = {
  'names and labels': refusals(configMaps, [
    { metadata: { name: 'Upper' } },
    { metadata: { name: '-x' } },
    { metadata: { name: 'a'.repeat(254) } },
    { metadata: { name: 'x', labels: { 'a b': 'c' } } },
    { metadata: { name: 'x', labels: { 'a/b/c': 'c' } } },
    { metadata: { name: 'x', labels: { '/b': 'c' } } },
    { metadata: { name: 'x', labels: { a: 'not valid' } } },
    { metadata: { name: 'x', labels: { a: 'v'.repeat(64) } } },
    { metadata: { name: 'x', annotations: { 'a b': 'c' } } },
    { metadata: { name: 'x', finalizers: ['short'] } },
    { metadata: { name: 'x', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p' }] } },
    named({ data: { 'a b': 'c' } }),
    named({ data: { a: '1' }, binaryData: { a: 'MQ==' } }),
    named({ data: { '..': '1' } }),
  ]),
  pods: refusals(pods, [
    named({}),
    pod({ containers: [] }),
    withContainer({ name: '' }),
    withContainer({ name: 'A' }),
    withContainer({ image: '' }),
    pod({ containers: [container, container] }),
    withContainer({ ports: [{ containerPort: 0 }] }),
    withContainer({ ports: [{ containerPort: 70_000 }] }),
    withContainer({ ports: [{ containerPort: 80, protocol: 'ICMP' }] }),
    withContainer({ ports: [{ containerPort: 80, name: 'much-too-long-a-name' }] }),
    withContainer({ ports: [{ containerPort: 80, name: 'a' }, { containerPort: 81, name: 'a' }] }),
    withContainer({ ports: [{ containerPort: 80, hostPort: 99_999 }] }),
    withContainer({ imagePullPolicy: 'Perhaps' }),
    withContainer({ volumeMounts: [{ name: 'none', mountPath: '/x' }] }),
    withContainer({ env: [{ name: 'A=B', value: 'x' }] }),
    withContainer({ env: [{ value: 'x' }] }),
    withContainer({ readinessProbe: {} }),
    withContainer({ readinessProbe: { httpGet: { port: 0 } } }),
    withContainer({ resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } }),
    withContainer({ resources: { limits: { cpu: 'many' } } }),
    pod({ restartPolicy: 'Perhaps' }),
    pod({ dnsPolicy: 'Perhaps' }),
    pod({ hostNetwork: true, containers: [{ ...container, ports: [{ containerPort: 80, hostPort: 81 }] }] }),
    pod({ volumes: [{ name: 'v' }, { name: 'v' }] }),
    pod({ volumes: [{ name: 'V' }] }),
    pod({ nodeName: 'Not_A_Node' }),
    pod({ terminationGracePeriodSeconds: -1 }),
    pod({ tolerations: [{ operator: 'Perhaps' }] }),
    pod({ nodeSelector: { 'a b': 'c' } }),
    pod({ initContainers: [container] }),
    pod({ priorityClassName: 'none-such' }),
  ]),
  'changes of pods': changes(pods, pod({}), [
    { spec: { containers: [{ ...container, image: 'j' }] } },
    { spec: { containers: [{ ...container, name: 'd' }] } },
    { spec: { nodeName: 'n' } },
    { spec: { restartPolicy: 'Never' } },
    { spec: { activeDeadlineSeconds: 7 } },
    { spec: { tolerations: [] } },
  ]),
  services: refusals(services, [
    service({ ports: [] }),
    service({ ports: [{ port: 0 }] }),
    service({ ports: [{ port: 80 }, { port: 81 }] }),
    service({ ports: [{ name: 'a', port: 80 }, { name: 'a', port: 81 }] }),
    service({ ports: [{ name: 'a', port: 80 }, { name: 'b', port: 80 }] }),
    service({ ports: [{ name: 'A', port: 80 }] }),
    service({ ports: [{ port: 80, protocol: 'ICMP' }] }),
    service({ ports: [{ port: 80, targetPort: 70_000 }] }),
    service({ ports: [{ port: 80, targetPort: 'much-too-long-a-name' }] }),
    service({ ports: [{ port: 80, nodePort: 30_123 }] }),
    service({ type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
    service({ type: 'Perhaps' }),
    service({ type: 'ExternalName' }),
    service({ type: 'ExternalName', externalName: 'Not Valid' }),
    service({ type: 'NodePort', clusterIP: 'None' }),
    service({ clusterIP: '192.0.2.1' }),
    service({ clusterIP: 'nonsense' }),
    service({ sessionAffinity: 'Perhaps' }),
    service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } }),
    service({ externalTrafficPolicy: 'Local' }),
    service({ type: 'NodePort', externalTrafficPolicy: 'Perhaps' }),
    service({ internalTrafficPolicy: 'Perhaps' }),
    service({ externalIPs: ['nonsense'] }),
    service({ externalIPs: ['127.0.0.1'] }),
    service({ ipFamilies: ['IPv6'] }),
    service({ ipFamilyPolicy: 'RequireDualStack' }),
    service({ selector: { 'a b': 'c' } }),
    service({ loadBalancerSourceRanges: ['10.0.0.0/8'] }),
    { ...service({}), metadata: { name: '1x' } },
    { ...service({}), metadata: { name: 'x.y' } },
  ]),
  'changes of services': changes(services, service({}), [
    { spec: { clusterIP: '10.43.9.9', clusterIPs: ['10.43.9.9'] } },
    { spec: { type: 'NodePort' } },
    { spec: { type: 'ExternalName', externalName: 'example.com' } },
    { spec: { ports: null } },
  ]),
  'network policies': refusals(policies, [
    policy({}),
    policy({ podSelector: { matchLabels: { 'a b': 'c' } } }),
    policy({ podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }),
    policy({ podSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } }),
    policy({ podSelector: { matchExpressions: [{ key: 'a', operator: 'Near', values: ['b'] }] } }),
    policy({ policyTypes: ['Sideways'] }),
    policy({ policyTypes: ['Ingress', 'Egress', 'Ingress'] }),
    from({}),
    from({ ipBlock: {} }),
    from({ ipBlock: { cidr: '10.0.0.0' } }),
    from({ ipBlock: { cidr: '10.0.0.0/33' } }),
    from({ ipBlock: { cidr: '10.0.0.7/8' } }),
    from({ ipBlock: { cidr: '010.0.0.0/8' } }),
    from({ ipBlock: { cidr: '::ffff:10.0.0.0/104' } }),
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/24'] } }),
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }),
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['nonsense'] } }),
    from({ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }),
    from({ namespaceSelector: { matchExpressions: [{ key: '', operator: 'Exists' }] } }),
    ports({ port: 0 }),
    ports({ port: 65_536 }),
    ports({ port: 'much-too-long-a-name' }),
    ports({ port: 'UPPER' }),
    ports({ port: '80' }),
    ports({ protocol: 'ICMP' }),
    ports({ endPort: 90 }),
    ports({ port: 90, endPort: 80 }),
    ports({ port: 90, endPort: 70_000 }),
    ports({ port: 'web', endPort: 80 }),
    policy({ egress: [{ to: [{}] }] }),
  ]),
  'endpoint slices': refusals(slices, [
    named({ endpoints: [] }),
    named({ addressType: 'Post', endpoints: [] }),
    named({ addressType: 'IPv4', endpoints: [{ addresses: [] }] }),
    named({ addressType: 'IPv4', endpoints: [{ addresses: ['::1'] }] }),
    named({ addressType: 'IPv4', endpoints: [{ addresses: ['127.0.0.1'] }] }),
    named({ addressType: 'IPv6', endpoints: [{ addresses: ['10.0.0.1'] }] }),
    named({ addressType: 'IPv4', endpoints: [{ addresses: ['nonsense'] }] }),
    named({ addressType: 'IPv4', endpoints: [], ports: [{ name: 'a', port: 1 }, { name: 'a', port: 2 }] }),
    named({ addressType: 'IPv4', endpoints: [], ports: [{ name: 'UPPER', port: 1 }] }),
    named({ addressType: 'IPv4', endpoints: [], ports: [{ port: 1, protocol: 'ICMP' }] }),
  ]),
  deployments: refusals(deployments, [
    named({}),
    deployment({ replicas: -1 }),
    deployment({ selector: {} }),
    deployment({ selector: { matchLabels: { a: 'c' } } }),
    deployment({ strategy: { type: 'Perhaps' } }),
    deployment({ strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }),
    deployment({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
    deployment({ template: { metadata: { labels: { a: 'b' } }, spec: { restartPolicy: 'Never', containers: [container] } } }),
    deployment({ template: { metadata: { labels: { a: 'b' } }, spec: { containers: [] } } }),
    deployment({ minReadySeconds: -1 }),
  ]),
  'changes of deployments': changes(deployments, deployment({}), [{ spec: { selector: { matchLabels: { a: 'c' } } } }, { spec: { replicas: 3 } }, { spec: { template: { metadata: { labels: { a: 'c' } } } } }]),
  namespaces: async (api) => {
    await api.ask('POST', '/api/v1/namespaces?dryRun=All', { metadata: { name: 'a.b' } });
    await api.ask('POST', '/api/v1/namespaces?dryRun=All', { metadata: { name: 'a'.repeat(64) } });
  },
};

