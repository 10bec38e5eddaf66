import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import type { DropsView } from '../../agent/observe/views.js';
import { testSeed } from '../support/random.js';
import { addressOf, agentStatus, applyPolicy, askAgent, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { losses, Traffic } from './traffic.js';

const FRAMES = Number(process.env['CANAL_FUZZ_FRAMES'] ?? 100_000);
const seed = testSeed();
console.log(`CANAL_TEST_SEED=${seed}`);

let lab: Lab;
let traffic: Traffic;

beforeAll(async () => {
  lab = await startTestLab('hostile', { nodes: 2 });
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/attacker', { node: 'node1', labels: { role: 'attacker' } });
  await createPod(lab, 'x/prisoner', { node: 'node1', labels: { role: 'prisoner' } });
  await createPod(lab, 'x/near', { node: 'node1', labels: { role: 'victim' } });
  await createPod(lab, 'x/far', { node: 'node2', labels: { role: 'victim' } });
  await createPod(lab, 'x/friend', { node: 'node1', labels: { role: 'friend' } });
  await createPod(lab, 'x/server', { node: 'node2', labels: { role: 'friend' } });
  await lab.podsReady();
  const policy = (name: string, role: string, policyTypes: readonly string[]) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name }, spec: { podSelector: { matchLabels: { role } }, policyTypes } });
  await applyPolicy(lab, 'x', policy('nothing-in', 'victim', ['Ingress']));
  await applyPolicy(lab, 'x', policy('nothing-out', 'prisoner', ['Egress']));
  await eventually('policies are in force', async () => {
    const statuses = await Promise.all([1, 2].map((node) => agentStatus(lab, node)));
    return statuses.every(({ counts }) => counts.policies === 2) ? '' : 'not yet';
  }, { withinMs: 5_000 });
});
afterAll(async () => {
  traffic?.close();
  await lab?.close();
});

async function drops(): Promise<ReadonlyMap<string, number>> {
  const views = await Promise.all([1, 2].map((node) => askAgent<DropsView>(lab, node, '/v1/drops')));
  const total = new Map<string, number>();
  for (const { reasons } of views) for (const { reason, packets } of reasons) total.set(reason, (total.get(reason) ?? 0) + packets);
  return total;
}

async function dropsSince(before: ReadonlyMap<string, number>): Promise<Record<string, number>> {
  return Object.fromEntries([...(await drops())].map(([reason, packets]) => [reason, packets - (before.get(reason) ?? 0)]).filter(([, packets]) => packets !== 0));
}

const fuzz = (who: string): Promise<number> =>
  traffic.fuzz(who, { seed, count: FRAMES, from: addressOf(lab, who), node: lab.node(1).address, to: ['x/near', 'x/far', 'x/friend'].map((pod) => addressOf(lab, pod)) });

it('of 100,000 hostile frames none reaches a pod that nothing may reach, and others notice nothing', async () => {
  const victims = await Promise.all(['x/near', 'x/far'].map((who) => traffic.sniff(who)));
  await traffic.serve('x/server', [80]);
  const target = addressOf(lab, 'x/server');
  const flows = await traffic.stream('x/friend', 20, [`tcp:${target}:80`, `udp:${target}:80`]);
  const pids = lab.nodes.map(({ agent }) => agent.pid);
  const before = await drops();

  const sent = await fuzz('x/attacker');
  const found = await dropsSince(before);
  console.log(`${sent} frames, drops`, found);
  expect(sent).toBeGreaterThan(FRAMES * 0.95);
  for (const victim of victims) expect(await victim.tally()).toEqual({ frames: 0, last: '' });
  expect(Object.keys(found), 'the frames are of many kinds').toEqual(expect.arrayContaining(['policy_ingress', 'spoofed', 'unparsed']));

  expect(lab.nodes.map(({ agent }) => agent.pid)).toEqual(pids);
  const well = (await agentStatus(lab, 1)).conditions.filter(({ ok }) => !ok);
  expect(well).toEqual([]);
  expect(await losses(flows), 'long-lived flows that lost something').toEqual([]);
  const [answer] = await lab.probe({ namespace: 'x', pod: 'friend' }, [{ address: 'x/server', port: 80, protocol: 'TCP' }]);
  expect(answer!.outcome).toBe('open');
});

it('each frame of a pod that may send nothing is dropped for one reason and counted once', async () => {
  const before = await drops();
  const sent = await fuzz('x/prisoner');
  const found = await dropsSince(before);
  console.log(`${sent} frames, drops`, found);
  expect(Object.values(found).reduce((a, b) => a + b, 0)).toBe(sent);
});
