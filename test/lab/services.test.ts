import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENDPOINT_SLICES, PODS, SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { ProbeAnswer } from '../../agent/lab/probe.js';
import { addressOf, agentStatus, applyPolicy, askAgent, createNamespace, createPod, deletePods, deletePolicies, startTestLab } from './cluster.js';
import type { ServiceView, TraceView } from '../../agent/observe/views.js';
import { eventually } from './eventually.js';

let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab('services', { nodes: 2 });
  await createNamespace(lab, 'shop');
  const ports = [[8080, 'TCP', 'http'], [53, 'UDP', 'dns']] as const;
  await createPod(lab, 'shop/client', { node: 'node1', labels: { app: 'client' } });
  await createPod(lab, 'shop/web-0', { node: 'node1', labels: { app: 'web', at: 'node1' }, ports });
  await createPod(lab, 'shop/web-1', { node: 'node2', labels: { app: 'web', at: 'node2' }, ports });
  for (const [name, selector] of [['web', { app: 'web' }], ['near', { at: 'node1' }], ['far', { at: 'node2' }], ['nobody', { app: 'nobody' }]] as const) await createService(name, selector);
  await lab.podsReady('shop');
});

afterAll(async () => {
  await lab?.close();
});

async function createService(name: string, selector: Readonly<Record<string, string>>, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const ports = [{ name: 'http', port: 80, targetPort: 'http' }, { name: 'dns', port: 53, protocol: 'UDP', targetPort: 'dns' }];
  await lab.client.create(SERVICES, 'shop', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec: { selector, ports, ...more } });
}

const clusterIp = (name: string, namespace = 'shop'): string => (lab.caches.services.get(`${namespace}/${name}`)!.spec as { clusterIP: string }).clusterIP;
const CLIENT = { namespace: 'shop', pod: 'client' };
const NODE = { node: 1 };

type From = Parameters<Lab['probe']>[0];
const ask = async (address: string, port: number, protocol: 'TCP' | 'UDP', from: From = CLIENT): Promise<ProbeAnswer> => (await lab.probe(from, [{ address, port, protocol }], { read: true }))[0]!;
const tcp = (name: string, from?: From): Promise<ProbeAnswer> => ask(clusterIp(name), 80, 'TCP', from);
const udp = (name: string, from?: From): Promise<ProbeAnswer> => ask(clusterIp(name), 53, 'UDP', from);

/** Asks until `name` answers as said. */
const until = (what: string, answer: () => Promise<ProbeAnswer>, expected: string): Promise<number> =>
  eventually(what, async () => {
    const { outcome, answer: said } = await answer();
    const text = outcome === 'open' ? said : outcome;
    return text === expected ? '' : `answered ${text}, not ${expected}`;
  }, { withinMs: 5_000 });

describe('a ClusterIP', () => {
  it.each([['a pod', CLIENT], ['the node itself', NODE]] as const)('leads %s to a backend on this node and on another, over TCP and UDP', async (_, from) => {
    await until('near, TCP', () => tcp('near', from), 'web-0');
    await until('far, TCP', () => tcp('far', from), 'web-1');
    await until('near, UDP', () => udp('near', from), 'web-0');
    await until('far, UDP', () => udp('far', from), 'web-1');
  });

  it('spreads connections over all its backends', async () => {
    await until('web', async () => {
      const seen = new Set(await Promise.all(Array.from({ length: 20 }, async () => (await tcp('web')).answer)));
      return { outcome: 'open', answer: [...seen].sort().join(), allowed: true, elapsedMs: 0 };
    }, 'web-0,web-1');
  });

  it('leads a pod to itself', async () => {
    await until('web-0 itself', () => tcp('near', { namespace: 'shop', pod: 'web-0' }), 'web-0');
  });

  it('without endpoints refuses at once', async () => {
    await until('nobody, TCP', () => tcp('nobody'), 'refused');
    const { outcome, elapsedMs } = await tcp('nobody');
    expect([outcome, elapsedMs < 100]).toEqual(['refused', true]);
    expect((await udp('nobody')).outcome).toBe('refused');
  });

  it('of the API server answers pods', async () => {
    // A TLS server says nothing unasked: that it takes the connection is all that can be seen.
    for (const from of [CLIENT, NODE]) {
      await until('kubernetes.default', async () => ({ ...(await lab.probe(from, [{ address: clusterIp('kubernetes', 'default'), port: 443, protocol: 'TCP' }]))[0]!, answer: 'yes' }), 'yes');
    }
  });
});

describe('an endpoint', () => {
  it('that goes is not asked any more, and the last one leaves a refusal', async () => {
    const ports = [[8080, 'TCP', 'http'], [53, 'UDP', 'dns']] as const;
    for (const name of ['tmp-0', 'tmp-1']) await createPod(lab, `shop/${name}`, { node: 'node2', labels: { app: 'tmp' }, ports });
    await createService('tmp', { app: 'tmp' });
    await lab.podsReady('shop');
    await until('tmp', async () => ({ ...(await tcp('tmp')), answer: 'any' }), 'any');
    await deletePods(lab, ['shop/tmp-0']);
    await until('its rows are gone', async () => (await lab.client.list(ENDPOINT_SLICES, { namespace: 'shop' }), tcp('tmp')), 'tmp-1');
    const answers = await Promise.all(Array.from({ length: 30 }, () => tcp('tmp')));
    expect(new Set(answers.map(({ answer }) => answer))).toEqual(new Set(['tmp-1']));
    await deletePods(lab, ['shop/tmp-1']);
    await until('tmp, empty', () => tcp('tmp'), 'refused');
  });

  it('that is not ready is not asked until it is', async () => {
    await createPod(lab, 'shop/late', { node: 'node1', labels: { app: 'late' }, ports: [[8080, 'TCP', 'http']], container: { readinessProbe: { exec: { command: ['test', '-e', '/run/ready'] }, periodSeconds: 1 } } });
    await createService('late', { app: 'late' });
    await until('late', () => tcp('late'), 'refused');
    await lab.client.patch(SERVICES, { namespace: 'shop', name: 'late' }, 'merge', { spec: { publishNotReadyAddresses: true } });
    await until('late, published', () => tcp('late'), 'late');
  });
});

describe('other addresses of a service', () => {
  it('lead to the same backends: externalIPs and a load balancer\'s', async () => {
    await createService('outer', { app: 'web' }, { type: 'LoadBalancer', externalIPs: ['198.51.100.1'] });
    await lab.client.patch(SERVICES, { namespace: 'shop', name: 'outer' }, 'merge', { status: { loadBalancer: { ingress: [{ ip: '198.51.100.2' }] } } }, { subresource: 'status' });
    for (const address of ['198.51.100.1', '198.51.100.2']) {
      await until(address, async () => ({ ...(await ask(address, 80, 'TCP')), answer: 'any' }), 'any');
    }
  });

  it('stay with one backend where the client asks for affinity', async () => {
    await createService('sticky', { app: 'web' }, { sessionAffinity: 'ClientIP' });
    await until('sticky', async () => ({ ...(await tcp('sticky')), answer: 'any' }), 'any');
    const answers = await Promise.all(Array.from({ length: 20 }, () => tcp('sticky')));
    expect(new Set(answers.map(({ answer }) => answer)).size).toBe(1);
  });

  it('are none of a service that its label hands to another proxy', async () => {
    await lab.client.patch(SERVICES, { namespace: 'shop', name: 'near' }, 'merge', { metadata: { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } } });
    await eventually('near is not ours', async () => ((await tcp('near')).outcome === 'open' ? 'still answers' : ''), { withinMs: 5_000 });
    await lab.client.patch(SERVICES, { namespace: 'shop', name: 'near' }, 'merge', { metadata: { labels: { 'service.kubernetes.io/service-proxy-name': null } } });
    await until('near again', () => tcp('near'), 'web-0');
  });
});

describe('policy', () => {
  it('sees the backend and the client, not the service', async () => {
    await applyPolicy(lab, 'shop', {
      apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'web', namespace: 'shop' },
      spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 8080 }] }] },
    });
    await createPod(lab, 'shop/stranger', { node: 'node1', labels: { app: 'stranger' } });
    await lab.until('the stranger runs', () => lab.status().pods.some(({ name, ready }) => name === 'stranger' && ready));
    await eventually('the stranger is kept out', async () => ((await tcp('far', { namespace: 'shop', pod: 'stranger' })).allowed ? 'gets in' : ''), { withinMs: 10_000 });
    expect((await tcp('far')).answer).toBe('web-1');
    await deletePolicies(lab, 'shop');
    await lab.client.remove(PODS, { namespace: 'shop', name: 'stranger' }, { gracePeriodSeconds: 0 });
  });
});

describe('what canal tells', () => {
  it('of a service is what the kernel has', async () => {
    const [view] = await askAgent<ServiceView[]>(lab, 1, '/v1/services', { name: 'shop/web' });
    expect(view).toMatchObject({ type: 'ClusterIP', state: 'in force' });
    expect(view!.frontends.map(({ address, protocol, backends, kernel }) => [address, protocol, backends, kernel])).toEqual([
      [`${clusterIp('web')}:80`, 'TCP', 2, 'in force'],
      [`${clusterIp('web')}:53`, 'UDP', 2, 'in force'],
    ]);
    expect(view!.backends.filter(({ port }) => port === 'http').map(({ address, node, target, ready, usedFor, kernel }) => [address, node, target, ready, usedFor, kernel]).sort()).toEqual([
      [`${addressOf(lab, 'shop/web-0')}:8080`, 'node1', 'shop/web-0', true, ['cluster'], true],
      [`${addressOf(lab, 'shop/web-1')}:8080`, 'node2', 'shop/web-1', true, ['cluster'], true],
    ].sort());
  });

  it('of a packet to a service is where it ends up', async () => {
    const trace = (to: string): Promise<TraceView> => askAgent<TraceView>(lab, 1, '/v1/trace', { from: 'shop/client', to, port: '80' });
    const near = await trace('shop/near');
    expect(near.translation).toEqual({ service: 'shop/near', frontend: `${clusterIp('near')}:80`, from: 'inside', agrees: true, backends: [`${addressOf(lab, 'shop/web-0')}:8080`], outcome: 'translated', traced: `${addressOf(lab, 'shop/web-0')}:8080` });
    expect(near.steps.map(({ direction, pod }) => [direction, pod])).toEqual([['egress', 'shop/client'], ['ingress', 'shop/web-0']]);
    expect(await trace(clusterIp('nobody'))).toMatchObject({ allow: false, translation: { outcome: 'refused', traced: null } });
  });
});

describe('a restart of the agent', () => {
  it('writes no row of a service, and services go on without an agent', async () => {
    const { agent } = lab.node(1);
    await agent.stop('SIGKILL');
    expect((await tcp('far')).answer).toBe('web-1');
    agent.start();
    await eventually('the agent has applied', async () => ((await agentStatus(lab, 1)).apply === null ? 'nothing yet' : ''), { withinMs: 20_000 });
    const { writes } = (await agentStatus(lab, 1)).apply!;
    expect(Object.keys(writes).filter((table) => ['canal_front', 'canal_back', 'canal_live', 'socket'].includes(table))).toEqual([]);
    expect((await tcp('far')).answer).toBe('web-1');
  });
});
