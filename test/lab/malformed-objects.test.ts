import { request } from 'node:http';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { agentStatus, applyPolicy, createNamespace, createPod, deletePolicies, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';

let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab('malformed', { nodes: 2 });
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/client', { node: 'node1', labels: { role: 'client' } });
  await createPod(lab, 'x/server', { node: 'node2', labels: { role: 'server' }, ports: [[80, 'TCP'], [81, 'TCP']] });
  await lab.podsReady();
});
afterAll(() => lab?.close());

/** What kubectl would refuse to send. @returns the status */
function send(method: string, path: string, body: unknown, type = 'application/json'): Promise<number> {
  const server = new URL(/server: "?(http[^"\s]+)/.exec(readFileSync(lab.kubeconfig, 'utf8'))![1]!);
  return new Promise((resolve, reject) => {
    const sent = request({ method, host: server.hostname, port: server.port, path, headers: { 'content-type': type } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode!));
    });
    sent.on('error', reject);
    sent.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const outcomes = async (): Promise<string[]> => (await lab.probe({ namespace: 'x', pod: 'client' }, [80, 81].map((port) => ({ address: 'x/server', port, protocol: 'TCP' as const })), { timeoutMs: 250 })).map(({ outcome }) => outcome);

const isolated = { podSelector: { matchLabels: { role: 'server' } }, policyTypes: ['Ingress'] };
const policy = (spec: unknown) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'bad', namespace: 'x' }, spec });

/** Specs with one fault each; ingress to the server must not be more open than without the fault, and nothing else may be. */
const SPECS: readonly (readonly [fault: string, spec: unknown])[] = [
  ['a protocol that does not exist', { ...isolated, ingress: [{ ports: [{ port: 80, protocol: 'XTP' }] }] }],
  ['a port out of range', { ...isolated, ingress: [{ ports: [{ port: 70000 }] }] }],
  ['a range that ends before it starts', { ...isolated, ingress: [{ ports: [{ port: 81, endPort: 80 }] }] }],
  ['a port that is an object', { ...isolated, ingress: [{ ports: [{ port: {} }] }] }],
  ['a CIDR that is none', { ...isolated, ingress: [{ from: [{ ipBlock: { cidr: '10.42.0.0/33' } }] }] }],
  ['an exception outside its CIDR', { ...isolated, ingress: [{ from: [{ ipBlock: { cidr: '10.42.0.0/16', except: ['10.43.0.0/24'] } }] }] }],
  ['an exception that is no CIDR', { ...isolated, ingress: [{ from: [{ ipBlock: { cidr: '10.42.0.0/16', except: ['all'] } }] }] }],
  ['an operator that does not exist', { ...isolated, ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: 'role', operator: 'Like', values: ['client'] }] } }] }] }],
  ['In without values', { ...isolated, ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: 'role', operator: 'In' }] } }] }] }],
  ['a peer without anything', { ...isolated, ingress: [{ from: [{}] }] }],
  ['a peer with ipBlock and podSelector', { ...isolated, ingress: [{ from: [{ ipBlock: { cidr: '10.42.0.0/16' }, podSelector: {} }] }] }],
  ['from that is no list', { ...isolated, ingress: [{ from: 'everybody' }] }],
  ['ingress that is no list', { ...isolated, ingress: { from: [] } }],
  ['a podSelector that is a text', { ...isolated, podSelector: 'role=server', ingress: [{}] }],
  ['a policyType that does not exist', { ...isolated, policyTypes: ['Sideways'], ingress: [{ from: [{ podSelector: { matchLabels: { role: 'nobody' } } }] }] }],
  ['a spec that is a list', []],
];

it('a malformed NetworkPolicy is refused, or closes more and is shown by canal status with object and field', async () => {
  const refused: string[] = [];
  for (const [fault, spec] of SPECS) {
    const status = await send('POST', '/apis/networking.k8s.io/v1/namespaces/x/networkpolicies?fieldValidation=Ignore', policy(spec));
    if (status >= 400) {
      refused.push(fault);
      expect(status, fault).toBeLessThan(500);
      continue;
    }
    await eventually(`${fault}: closed`, async () => ((await outcomes()).every((outcome) => outcome === 'timeout') ? '' : 'open'), { withinMs: 3_000 });
    const problems = (await agentStatus(lab, 2)).problems.filter(({ object }) => object === 'NetworkPolicy x/bad');
    expect(problems.map(({ field }) => field).join(), fault).toMatch(/^spec/);
    await deletePolicies(lab, 'x');
  }
  console.log(`refused by the API server: ${refused.length} of ${SPECS.length}`);
});

it('malformed objects of other kinds are refused or shown, and policy goes on', async () => {
  await applyPolicy(lab, 'x', { ...policy({ ...isolated, ingress: [{ ports: [{ port: 80 }] }] }), metadata: { name: 'good' } });
  await eventually('policy is in force', async () => ((await outcomes()).join() === 'open,timeout' ? '' : 'not yet'), { withinMs: 3_000 });
  const annotated = (name: string, annotations: unknown, spec: unknown) => ['/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, annotations }, spec }] as const;
  const lease = { 'flannel.alpha.coreos.com/backend-type': 'vxlan', 'flannel.alpha.coreos.com/kube-subnet-manager': 'true' };
  const objects: readonly (readonly [path: string, body: unknown])[] = [
    annotated('bad-mac', { ...lease, 'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"zz:zz"}', 'flannel.alpha.coreos.com/public-ip': '172.30.0.90' }, { podCIDR: '10.42.90.0/24' }),
    annotated('bad-json', { ...lease, 'flannel.alpha.coreos.com/backend-data': '{"VNI":', 'flannel.alpha.coreos.com/public-ip': '172.30.0.91' }, { podCIDR: '10.42.91.0/24' }),
    annotated('bad-address', { ...lease, 'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"02:00:00:00:00:92"}', 'flannel.alpha.coreos.com/public-ip': '172.30.0' }, { podCIDR: '10.42.92.0/24' }),
    annotated('own-subnet', { ...lease, 'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"02:00:00:00:00:93"}', 'flannel.alpha.coreos.com/public-ip': '172.30.0.93' }, { podCIDR: '10.42.93.0/33' }),
    ['/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'y', labels: { 'bad key!': 'v' } } }],
    ['/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'z', labels: ['list'] } }],
    ['/api/v1/namespaces/x/pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bad', labels: { role: 7 } }, spec: { containers: 'none' } }],
    ['/api/v1/namespaces/x/pods', '{"apiVersion":"v1","kind":"Pod","metadata":'],
    ['/api/v1/namespaces/x/pods', '[]'],
    ['/apis/networking.k8s.io/v1/namespaces/x/networkpolicies', 'null'],
  ];
  for (const [path, body] of objects) {
    const status = await send('POST', `${path}?fieldValidation=Ignore`, body);
    expect(status, JSON.stringify(body)).toBeLessThan(500);
  }
  const problems = async (): Promise<string> => (await agentStatus(lab, 1)).problems.map(({ object, field }) => `${object} ${field}`).join('; ');
  await eventually('problems of the nodes are shown', async () => {
    const shown = await problems();
    return ['bad-mac', 'bad-json', 'bad-address'].filter((name) => !shown.includes(name)).map((name) => `${name} is not in: ${shown}`);
  }, { withinMs: 3_000 });
  expect(await outcomes()).toEqual(['open', 'timeout']);
  const { conditions } = await agentStatus(lab, 1);
  expect(conditions.filter(({ name, ok }) => !ok && ['policy', 'datastore', 'loop', 'api'].includes(name))).toEqual([]);
});
