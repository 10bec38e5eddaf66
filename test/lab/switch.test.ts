import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { addressOf, agentStatus, applyPolicy, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { losses, Traffic } from './traffic.js';

/** Ports by the policy that allows them. */
const BOTH = 80;
const FIRST = 81;
const SECOND = 82;
const NEITHER = 83;
const FLIPS = 200;
const KNOCK_MS = 4;

let lab: Lab;
let traffic: Traffic;

beforeAll(async () => {
  lab = await startTestLab('switch', { nodes: 2 });
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/client', { node: 'node1', labels: { role: 'client' } });
  await createPod(lab, 'x/near', { node: 'node1', labels: { role: 'server' } });
  await createPod(lab, 'x/far', { node: 'node2', labels: { role: 'server' } });
  await lab.podsReady();
});
afterAll(async () => {
  traffic?.close();
  await lab?.close();
});

/** The same on both ends: what ingress and egress say changes in the same moment. */
const policy = (only: number) => {
  const rule = { ports: [BOTH, only].flatMap((port) => ['TCP', 'UDP'].map((protocol) => ({ port, protocol }))) };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'flips' },
    spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [rule], egress: [rule] },
  };
};

/** Of both nodes: they grow with each change of policy that is in force. */
const epochs = async (): Promise<number[]> => (await Promise.all([1, 2].map((node) => agentStatus(lab, node)))).map(({ apply }) => apply!.epoch);

const targets = (...ports: number[]): string[] => ports.flatMap((port) => ['x/near', 'x/far'].flatMap((who) => ['tcp', 'udp'].map((protocol) => `${protocol}:${addressOf(lab, who)}:${port}`)));

it('never drops what both policies allow and never passes what both deny, over 200 flips', async () => {
  const servers = await Promise.all(['x/near', 'x/far'].map((who) => traffic.serve(who, [BOTH, FIRST, SECOND, NEITHER])));
  await applyPolicy(lab, 'x', policy(FIRST));
  const check = await traffic.knock('x/client', 20, targets(NEITHER));
  await eventually('the first policy is in force', async () => {
    const before = await check.tally();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return (await check.tally()).every(({ answered }, i) => answered === before[i]!.answered) ? [] : ['not yet'];
  }, { withinMs: 3_000 });
  await check.stop();
  const received = async (port: number): Promise<number> => (await Promise.all(servers.map(async (server) => (await server.tally()).get(port)!))).reduce((n, tally) => n + tally.connections + tally.segments + tally.datagrams, 0);
  const forbiddenBefore = await received(NEITHER);

  const flows = await traffic.stream('x/client', 20, targets(BOTH));
  const knocks = await traffic.knock('x/client', KNOCK_MS, targets(BOTH));
  const attacks = await traffic.knock('x/client', KNOCK_MS, targets(NEITHER));
  const sometimes = await traffic.knock('x/client', 20, targets(FIRST, SECOND));
  for (let flip = 1; flip <= FLIPS; flip++) {
    const before = await epochs();
    await applyPolicy(lab, 'x', policy(flip % 2 === 0 ? FIRST : SECOND));
    await eventually(`flip ${flip} is in force`, async () => ((await epochs()).every((epoch, i) => epoch > before[i]!) ? [] : ['not yet']), { withinMs: 3_000, everyMs: 5 });
  }

  const allowed = await knocks.stop();
  const denied = await attacks.stop();
  const other = await sometimes.stop();
  console.log(`${FLIPS} flips; ${sum(allowed, 'tried')} new flows allowed by both, ${sum(denied, 'tried')} denied by both`);
  expect(allowed.map(({ silent, refused }) => ({ silent, refused })), 'allowed by both').toEqual(allowed.map(() => ({ silent: 0, refused: 0 })));
  expect(sum(allowed, 'tried')).toBeGreaterThan(FLIPS);
  expect(denied.map(({ answered }) => answered), 'denied by both').toEqual(denied.map(() => 0));
  expect(await received(NEITHER), 'arrived at the servers though denied by both').toBe(forbiddenBefore);
  expect(await losses(flows), 'long-lived flows that lost something').toEqual([]);
  // The flips were real.
  expect(sum(other, 'answered')).toBeGreaterThan(0);
  expect(sum(other, 'silent')).toBeGreaterThan(0);
}, 120_000);

const sum = <K extends string>(tallies: readonly Readonly<Record<K, number>>[], key: K): number => tallies.reduce((n, tally) => n + tally[key], 0);
