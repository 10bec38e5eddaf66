import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { addressOf, agentStatus, applyPolicy, createNamespace, createPod, deletePods, deletePolicies, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';

let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab('exceptions', { nodes: 2, podCidr: '10.42.0.0/16' });
  await createNamespace(lab, 'x');
});
afterAll(() => lab?.close());

const denyAll = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'deny-all' }, spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } };
const outcome = async (from: { namespace: string; pod: string } | { node: number }, address: string, port = 80): Promise<string> => (await lab.probe(from, [{ address, port, protocol: 'TCP' }], { timeoutMs: 250 }))[0]!.outcome;

it("a node's probes of its own pods pass whatever policy says, those of other nodes do not", async () => {
  await applyPolicy(lab, 'x', denyAll);
  await createPod(lab, 'x/probed', { node: 'node1', ports: [[80, 'TCP']], container: { readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 } } });
  await lab.podsReady('x');
  await eventually('the pod is isolated', async () => ((await agentStatus(lab, 1)).counts.isolatedIngress === 1 ? '' : 'not yet'), { withinMs: 3_000 });
  expect(await outcome({ node: 1 }, 'x/probed')).toBe('open');
  expect(await outcome({ node: 2 }, 'x/probed')).toBe('timeout');
  await deletePolicies(lab, 'x');
  await eventually('without policy other nodes reach it', async () => ((await outcome({ node: 2 }, 'x/probed')) === 'open' ? '' : 'not yet'), { withinMs: 3_000 });
});

it('a hostNetwork pod is its node to policies: selectors do not find it, an ipBlock does', async () => {
  await createPod(lab, 'x/host', { node: 'node2', labels: { role: 'host' }, spec: { hostNetwork: true } });
  await lab.podsReady('x');
  const policy = (from: object) => ({ ...denyAll, metadata: { name: 'from-host' }, spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [from] }] } });
  await applyPolicy(lab, 'x', policy({ podSelector: { matchLabels: { role: 'host' } } }));
  await eventually('a podSelector does not let it in', async () => ((await outcome({ namespace: 'x', pod: 'host' }, 'x/probed')) === 'timeout' ? '' : 'open'), { withinMs: 3_000 });
  // Over the overlay a node sends from the address of its flannel device.
  const overlay = (await lab.node(2).must(['sh', '-c', "ip -4 -o address show dev flannel.1 | awk '{print $4}'"])).trim();
  await applyPolicy(lab, 'x', policy({ ipBlock: { cidr: overlay } }));
  await eventually('an ipBlock lets it in', async () => ((await outcome({ namespace: 'x', pod: 'host' }, 'x/probed')) === 'open' ? '' : 'closed'), { withinMs: 3_000 });
  await deletePolicies(lab, 'x');
});

it('a finished pod releases its address, and the next pod with it is not judged by its labels', async () => {
  const allowed = { ...denyAll, metadata: { name: 'only-trusted' }, spec: { podSelector: { matchLabels: { role: 'vault' } }, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: { matchLabels: { role: 'trusted' } } }] }] } };
  await createPod(lab, 'x/vault', { node: 'node1', labels: { role: 'vault' }, ports: [[80, 'TCP']] });
  await createPod(lab, 'x/job', { node: 'node2', labels: { role: 'trusted' }, spec: { restartPolicy: 'Never' }, container: { command: ['sleep', '1.5'] } });
  await applyPolicy(lab, 'x', allowed);
  await eventually('the job reaches the vault', async () => ((await outcome({ namespace: 'x', pod: 'job' }, 'x/vault')) === 'open' ? '' : 'not yet'), { withinMs: 3_000 });
  const address = addressOf(lab, 'x/job');
  await lab.until('the job is over', () => lab.caches.pods.get('x/job')?.status?.phase === 'Succeeded', 10_000);

  // host-local goes round: the next pod would take another address if any were free.
  const reserved = `/var/lib/cni/networks/k8s-pod-network`;
  await lab.node(2).must(['sh', '-ec', `ls ${reserved}; i=2; while [ $i -lt 255 ]; do f=${reserved}/${address.replace(/\d+$/, '')}$i; [ -e $f ] || [ $f = ${reserved}/${address} ] || echo other > $f; i=$((i+1)); done`]);
  await createPod(lab, 'x/stranger', { node: 'node2', labels: { role: 'stranger' } });
  await lab.podsReady('x');
  expect(addressOf(lab, 'x/stranger')).toBe(address);
  expect(await outcome({ namespace: 'x', pod: 'stranger' }, 'x/vault')).toBe('timeout');
  await deletePods(lab, ['x/stranger']);
});
