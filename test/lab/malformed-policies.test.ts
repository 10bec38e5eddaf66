import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { ApiProcess, startLabOn } from './api-process.js';
import { agentStatus, applyPolicy, createNamespace, createPod, deletePolicies } from './cluster.js';
import { eventually } from './eventually.js';

const api = new ApiProcess();
let lab: Lab;

beforeAll(async () => {
  lab = await startLabOn(api, 'policies');
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/client', { node: 'node1', labels: { role: 'client' } });
  await createPod(lab, 'x/server', { node: 'node2', labels: { role: 'server' }, ports: [[80, 'TCP'], [81, 'TCP']] });
  await lab.podsReady();
});
afterAll(async () => {
  await lab?.close();
  await api.close();
});

const outcomes = async (): Promise<string> =>
  (await lab.probe({ namespace: 'x', pod: 'client' }, [80, 81].map((port) => ({ address: 'x/server', port, protocol: 'TCP' as const })), { timeoutMs: 250 })).map(({ outcome }) => outcome).join();

const ingress = (...rules: object[]) => ({ podSelector: { matchLabels: { role: 'server' } }, policyTypes: ['Ingress'], ingress: rules });
const fromClients = { podSelector: { matchExpressions: [{ key: 'role', operator: 'In', values: ['client'] }] } };

/** A policy that lets the client in, and what an API server without our rules might make of it: a word of the same length. */
const FAULTS: readonly (readonly [spec: object, from: string, to: string])[] = [
  [ingress({ ports: [{ port: 80, protocol: 'TCP' }] }), '"protocol":"TCP"', '"protocol":"XTP"'],
  [ingress({ ports: [{ port: 80 }] }), '"port":80', '"port":{}'],
  [ingress({ ports: [{ port: 80 }] }), '"port":80', '"port":-1'],
  [ingress({ ports: [{ port: 80 }] }), '"ports":[{', '"parts":[{'],
  [ingress({ ports: [{ port: 80, endPort: 81 }] }), '"endPort":81', '"endPort":79'],
  [ingress({ from: [{ ipBlock: { cidr: '10.42.0.0/16' } }] }), '"cidr":"10.42.0.0/16"', '"cidr":"10.42.0.0/99"'],
  [ingress({ from: [{ ipBlock: { cidr: '10.42.0.0/16', except: ['10.42.9.0/24'] } }] }), '"except":["10.42.9.0/24"]', '"except":"[10.42.9.0/24]"'],
  [ingress({ from: [{ ipBlock: { cidr: '10.42.0.0/16', except: ['10.42.9.0/24'] } }] }), '"except":["10.42.9.0/24"]', '"except":["10.42.9.0_24"]'],
  [ingress({ from: [fromClients] }), '"operator":"In"', '"operator":"Is"'],
  [ingress({ from: [fromClients] }), '"values":[', '"velues":['],
  [ingress({ from: [fromClients] }), '"matchExpressions":', '"matchExpresslons":'],
  [ingress({ from: [fromClients] }), '"from":[', '"fron":['],
  [ingress({ from: [{ podSelector: {} }] }), '"from":[{"podSelector":{}}]', '"from":{"podSelector":  {}}'],
  [ingress({ from: [{ namespaceSelector: {} }] }), '"namespaceSelector":{}', '"nemespaceSelector":{}'],
  [ingress({}), '"ingress":[{}]', '"ingress":{  }'],
  [ingress({}), '"ingress":[{}]', '"ingress":[42]'],
  [ingress({ from: [fromClients] }), '"matchLabels":{"role":"server"}', '"matchLabols":{"role":"server"}'],
  [ingress({ from: [{ podSelector: { matchLabels: { role: 'nobody' } } }] }), '"Ingress"', '"Sideway"'],
];

for (const [spec, from, to] of FAULTS) {
  it(`a policy that says ${to} instead of ${from} closes, and canal status names object and field`, async () => {
    expect(await outcomes()).toBe('open,open');
    let rewritten = 0;
    api.rewrite((text) => text.replaceAll(from, () => (rewritten++, to)));
    await applyPolicy(lab, 'x', { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'bad' }, spec });
    await eventually('the server is closed', async () => ((await outcomes()) === 'timeout,timeout' ? '' : 'open'), { withinMs: 3_000 });
    expect(rewritten).toBeGreaterThan(0);
    const problems = (await agentStatus(lab, 2)).problems.filter(({ object }) => object === 'NetworkPolicy x/bad');
    expect(problems.map(({ field }) => field).join()).toMatch(/^spec/);
    api.rewrite((text) => text);
    await deletePolicies(lab, 'x');
    await eventually('the server is open again', async () => ((await outcomes()) === 'open,open' ? '' : 'closed'), { withinMs: 3_000 });
  });
}
