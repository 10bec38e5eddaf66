import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLab, type Lab } from '../../agent/lab/lab.js';
import { eventually } from './eventually.js';
import { isTerminating, type Pod } from '../../agent/lab/world/objects.js';

let lab: Lab;

beforeAll(async () => {
  lab = await startLab({ name: `work-${process.pid}`, nodes: 2, dns: true });
});

afterAll(async () => {
  await lab?.close();
});

const workload = (kind: string, name: string, spec: Record<string, unknown>, image = 'v1'): object => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: name } },
    ...spec,
    template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image, ports: [{ name: 'http', containerPort: 8080 }] }] } },
  },
});

const podsOf = (app: string): Pod[] => lab.caches.pods.list().filter((pod) => pod.metadata.labels?.['app'] === app);
const readyPods = (app: string) => lab.status().pods.filter((pod) => pod.ready && podsOf(app).some(({ metadata }) => metadata.name === pod.name));
const images = (app: string): Set<string | undefined> => new Set(podsOf(app).map((pod) => pod.spec.containers[0]!.image));
const settled = (app: string, count: number): Promise<void> => lab.until(`${count} pods of ${app}`, () => podsOf(app).length === count && readyPods(app).length === count);

describe('a Deployment', () => {
  it('becomes pods on both nodes, and kubectl sees it rolled out', async () => {
    await lab.apply(workload('Deployment', 'web', { replicas: 4 }));
    await lab.kubectl(['rollout', 'status', 'deployment/web', '--timeout=20s']);
    expect(readyPods('web').map(({ node }) => node).sort()).toEqual(['node1', 'node1', 'node2', 'node2']);
  });

  it('scales up and down', async () => {
    await lab.kubectl(['scale', 'deployment/web', '--replicas=6']);
    await settled('web', 6);
    await lab.kubectl(['scale', 'deployment/web', '--replicas=3']);
    await settled('web', 3);
  });

  it('replaces a pod that is deleted', async () => {
    const [victim] = podsOf('web');
    await lab.kubectl(['delete', 'pod', victim!.metadata.name, '--wait=false']);
    await lab.until('another one', () => readyPods('web').length === 3 && !podsOf('web').some(({ metadata }) => metadata.uid === victim!.metadata.uid));
  });

  it('rolls out a new template without falling below its bounds, and back', async () => {
    let fewest = Infinity;
    const stop = lab.caches.pods.onChange(() => (fewest = Math.min(fewest, readyPods('web').filter((pod) => !podsOf('web').some((one) => one.metadata.name === pod.name && isTerminating(one))).length)));
    await lab.kubectl(['set', 'image', 'deployment/web', 'main=v2']);
    await lab.kubectl(['rollout', 'status', 'deployment/web', '--timeout=20s']);
    stop();
    await lab.until('only new pods', () => podsOf('web').length === 3 && images('web').size === 1 && images('web').has('v2'));
    // 25 % of 3 pods may be away, rounded down: none.
    expect(fewest).toBeGreaterThanOrEqual(3);
    await lab.kubectl(['rollout', 'undo', 'deployment/web']);
    await lab.until('the old pods again', () => podsOf('web').length === 3 && images('web').size === 1 && images('web').has('v1'));
    expect(await lab.kubectl(['rollout', 'history', 'deployment/web'])).toMatch(/^3 /m);
  });

  it('takes all of its pods with it', async () => {
    await lab.kubectl(['delete', 'deployment', 'web', '--timeout=20s']);
    await lab.until('no pods', () => podsOf('web').length === 0);
  });
});

it('a StatefulSet has pods of fixed names, one after the other, and gives them back from the top', async () => {
  await lab.apply(workload('StatefulSet', 'db', { replicas: 3, serviceName: 'db' }));
  await settled('db', 3);
  expect(podsOf('db').map(({ metadata }) => metadata.name).sort()).toEqual(['db-0', 'db-1', 'db-2']);
  const started = podsOf('db').sort((a, b) => a.metadata.name.localeCompare(b.metadata.name)).map(({ metadata }) => Number(metadata.resourceVersion));
  expect(started).toEqual([...started].sort((a, b) => a - b));
  await lab.kubectl(['scale', 'statefulset/db', '--replicas=1']);
  await settled('db', 1);
  expect(podsOf('db')[0]!.metadata.name).toBe('db-0');
  await lab.kubectl(['rollout', 'status', 'statefulset/db', '--timeout=10s']);
  await lab.kubectl(['delete', 'statefulset', 'db']);
});

it('a DaemonSet runs once on each node, and is updated node by node', async () => {
  await lab.apply(workload('DaemonSet', 'each', {}));
  await settled('each', 2);
  expect(new Set(podsOf('each').map(({ spec }) => spec.nodeName))).toEqual(new Set(['node1', 'node2']));
  await lab.apply(workload('DaemonSet', 'each', {}, 'v2'));
  await lab.kubectl(['rollout', 'status', 'daemonset/each', '--timeout=20s']);
  await lab.until('only new pods', () => podsOf('each').length === 2 && !images('each').has('v1'));
  await lab.kubectl(['delete', 'daemonset', 'each']);
});

it('a Service names its ready pods in EndpointSlices', async () => {
  await lab.apply([workload('Deployment', 'back', { replicas: 2 }), { apiVersion: 'v1', kind: 'Service', metadata: { name: 'back', namespace: 'default' }, spec: { selector: { app: 'back' }, ports: [{ port: 80, targetPort: 'http' }] } }]);
  await settled('back', 2);
  const addresses = (): string[] => lab.caches.endpointSlices.list().filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'back').flatMap((slice) => (slice.endpoints ?? []).filter((one) => one.conditions?.ready).flatMap((one) => one.addresses));
  const expected = (): string[] => readyPods('back').map(({ ip }) => ip!).sort();
  await lab.until('both are in', () => addresses().length === 2);
  expect(addresses().sort()).toEqual(expected());
  await lab.kubectl(['scale', 'deployment/back', '--replicas=1']);
  await settled('back', 1);
  await lab.until('one is out', () => addresses().length === 1);
  expect(addresses()).toEqual(expected());
  await lab.kubectl(['delete', 'deployment,service', 'back']);
});

it('namespaces have a service account, and go with all that is in them', async () => {
  await lab.kubectl(['create', 'namespace', 'short']);
  await lab.until('its account', () => lab.caches.serviceAccounts.get('short/default') !== undefined);
  await lab.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'short' }, spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'any' }] } });
  await lab.until('it runs', () => lab.status().pods.some(({ namespace, ready }) => namespace === 'short' && ready));
  await lab.kubectl(['delete', 'namespace', 'short', '--timeout=20s']);
  expect(lab.status().pods.some(({ namespace }) => namespace === 'short')).toBe(false);
});

describe('a Job', () => {
  const job = (name: string, command: string, spec: Record<string, unknown> = {}): object => ({
    apiVersion: 'batch/v1', kind: 'Job', metadata: { name, namespace: 'default' },
    spec: { ...spec, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'any', command: ['sh', '-c', command] }] } } },
  });

  it('runs to its end, for kubectl wait and logs', async () => {
    await lab.apply(job('sum', 'echo $((20 + $JOB_COMPLETION_INDEX))', { completions: 2, parallelism: 2, completionMode: 'Indexed' }));
    await lab.kubectl(['wait', '--for=condition=complete', 'job/sum', '--timeout=20s']);
    expect((await lab.kubectl(['logs', '--selector=job-name=sum', '--tail=-1'])).split('\n').filter(Boolean).sort()).toEqual(['20', '21']);
    await lab.kubectl(['delete', 'job', 'sum']);
    await lab.until('its pods gone', () => !lab.caches.pods.list().some(({ metadata }) => metadata.labels?.['job-name'] === 'sum'));
  });

  it('that may not fail is Failed after its first pod', async () => {
    await lab.apply(job('fail', 'exit 3', { backoffLimit: 0 }));
    await lab.kubectl(['wait', '--for=condition=failed', 'job/fail', '--timeout=20s']);
  });
});

describe('names', () => {
  const WITHIN = { withinMs: 15_000 };
  const names = async (name: string): Promise<string> => (await lab.podExec('default', 'asks', ['getent', 'ahostsv4', name])).stdout;

  it('of services are resolved by pods, and follow their endpoints', async () => {
    await lab.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'asks', namespace: 'default' }, spec: { terminationGracePeriodSeconds: 0, dnsConfig: { options: [{ name: 'timeout', value: '1' }, { name: 'attempts', value: '1' }] }, containers: [{ name: 'main', image: 'any' }] } });
    await lab.until('the pod runs', () => lab.status().pods.some(({ name, ready }) => name === 'asks' && ready));
    expect(await names('kubernetes.default')).toMatch(/^10\.43\.0\.1\s/);
    expect(await names('kubernetes.default.svc.cluster.local')).toMatch(/^10\.43\.0\.1\s/);
    expect(await names('nobody.default')).toBe('');
    await lab.apply([
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'peers', namespace: 'default' }, spec: { clusterIP: 'None', selector: { app: 'peer' }, ports: [{ port: 8080 }] } },
      workload('StatefulSet', 'peer', { serviceName: 'peers', replicas: 1 }),
    ]);
    await settled('peer', 1);
    const address = podsOf('peer')[0]!.status!.podIP!;
    await eventually('the peer by name', async () => ((await names('peer-0.peers')).includes(address) ? '' : 'no address'), WITHIN);
    await lab.kubectl(['scale', 'statefulset/peer', '--replicas=0']);
    await eventually('the peer gone', () => names('peers'), WITHIN);
  });

  it('are asked for as policy allows', async () => {
    const policy = (egress: object[]): object => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'asks', namespace: 'default' }, spec: { podSelector: {}, policyTypes: ['Egress'], egress } });
    await lab.apply(policy([]));
    await eventually('no answer', () => names('kubernetes.default'), WITHIN);
    await lab.apply(policy([{ to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } }, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }], ports: [{ protocol: 'UDP', port: 53 }] }]));
    await eventually('answers', async () => ((await names('kubernetes.default')) === '' ? 'no answer' : ''), WITHIN);
  });
});
