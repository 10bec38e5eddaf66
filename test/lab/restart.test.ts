import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NODES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { MapView } from '../../agent/observe/views.js';
import { Random, testSeed } from '../support/random.js';
import { followLog, type LogLine } from './agent-log.js';
import { addressOf, agentStatus, applyPolicy, askAgent, createNamespace, createPod, deletePolicies, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { kernelState, stateDifferences, type KernelState } from './kernel-state.js';
import { losses, Traffic } from './traffic.js';

const ALLOWED = 80;
const DENIED = 81;
/** Random moments of a policy update at which the agent is killed. */
const KILLS = Number(process.env['CANAL_AGENT_KILLS'] ?? 4);

let lab: Lab;
let traffic: Traffic;

beforeAll(async () => {
  lab = await startTestLab('restart', { nodes: 2 });
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/client', { node: 'node1', labels: { role: 'client' } });
  await createPod(lab, 'x/near', { node: 'node1', labels: { role: 'server' } });
  await createPod(lab, 'x/far', { node: 'node2', labels: { role: 'server' } });
  await lab.podsReady();
  for (const who of ['x/near', 'x/far']) await traffic.serve(who, [ALLOWED, DENIED]);
  await applyPolicy(lab, 'x', only(ALLOWED));
});
afterAll(async () => {
  traffic?.close();
  await lab?.close();
});

const only = (...ports: number[]) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'only' },
  spec: { podSelector: { matchLabels: { role: 'server' } }, policyTypes: ['Ingress'], ingress: [{ ports: ports.flatMap((port) => ['TCP', 'UDP'].map((protocol) => ({ port, protocol }))) }] },
});
const targets = (port: number): string[] => ['x/near', 'x/far'].flatMap((who) => ['tcp', 'udp'].map((protocol) => `${protocol}:${addressOf(lab, who)}:${port}`));

async function enforcement(open = ALLOWED, closed = DENIED): Promise<string[]> {
  const addresses = ['x/near', 'x/far'].flatMap((address) => (['TCP', 'UDP'] as const).map((protocol) => ({ address, protocol })));
  const answers = await lab.probe({ namespace: 'x', pod: 'client' }, [...addresses.map((one) => ({ ...one, port: open })), ...addresses.map((one) => ({ ...one, port: closed }))], { timeoutMs: 250 });
  return answers.flatMap(({ allowed, outcome }, i) => (allowed === i < addresses.length ? [] : [`${i < addresses.length ? open : closed} ${JSON.stringify(addresses[i % addresses.length])}: ${outcome}`]));
}

const killAgents = async (nodes: readonly number[]): Promise<void> => void (await Promise.all(nodes.map((node) => lab.node(node).agent.stop('SIGKILL'))));

/** Resolves when their first apply is over. */
async function startAgents(nodes: readonly number[]): Promise<void> {
  const logs = nodes.map((node) => followLog(lab, node));
  for (const node of nodes) lab.startAgent(lab.node(node));
  const applied = ({ msg }: LogLine): boolean => msg === 'kernel state applied for the first time';
  await eventually('agents have applied', () => (logs.every((log) => log.lines().some(applied)) ? [] : ['not yet']), { withinMs: 30_000, everyMs: 50 });
}

describe('kill -9 of the agents', () => {
  it('leaves traffic and policy as they are, for old flows and new ones; a restart writes nothing', async () => {
    await eventually('policy is in force', () => enforcement(), { withinMs: 3_000 });
    const flows = await traffic.stream('x/client', 20, targets(ALLOWED));
    const allowed = await traffic.knock('x/client', 10, targets(ALLOWED));
    const denied = await traffic.knock('x/client', 10, targets(DENIED));
    await killAgents([1, 2]);
    await pause(1_000);
    expect(await enforcement()).toEqual([]);
    const logs = lab.nodes.map((_, i) => followLog(lab, i + 1));
    await startAgents([1, 2]);
    await pause(1_000);

    const writes = logs.map((log) => log.lines().filter(({ kernelWrites }) => kernelWrites !== undefined).map(({ kernelWrites }) => kernelWrites));
    expect(writes, 'kernel writes of each apply since the restart, by node').toEqual([[0], [0]]);
    for (const node of [1, 2]) {
      const { apply } = await agentStatus(lab, node);
      expect({ firstWrites: apply!.firstWrites, writes: Object.values(apply!.writes).reduce((a, b) => a + b, 0) }).toEqual({ firstWrites: 0, writes: 0 });
    }
    expect((await allowed.stop()).filter(({ silent, refused }) => silent + refused > 0), 'new flows that were dropped').toEqual([]);
    expect((await denied.stop()).filter(({ answered }) => answered > 0), 'denied flows that passed').toEqual([]);
    expect(await losses(flows), 'long-lived flows that lost something').toEqual([]);
  });

  it(`at ${KILLS} random moments of a policy update, what both policies deny never passes and what both allow never drops`, async () => {
    const random = new Random(testSeed());
    console.log(`CANAL_TEST_SEED=${random.seed}`);
    const neither = 82;
    const servers = await Promise.all(['x/near', 'x/far'].map((who) => traffic.serve(who, [neither])));
    const allowed = await traffic.knock('x/client', 10, targets(ALLOWED));
    const denied = await traffic.knock('x/client', 10, targets(neither));
    for (let kill = 0; kill < KILLS; kill++) {
      const update = applyPolicy(lab, 'x', kill % 2 === 0 ? only(ALLOWED, DENIED) : only(ALLOWED));
      await pause(random.next() * 40);
      await killAgents([1]);
      await update;
      await startAgents([1]);
    }
    await applyPolicy(lab, 'x', only(ALLOWED));
    await eventually('the last policy is in force', () => enforcement(), { withinMs: 5_000 });
    expect((await allowed.stop()).filter(({ silent, refused }) => silent + refused > 0), 'allowed flows that were dropped').toEqual([]);
    expect((await denied.stop()).filter(({ answered }) => answered > 0), 'denied flows that passed').toEqual([]);
    const arrived = (await Promise.all(servers.map((server) => server.tally()))).flatMap((tally) => [...tally.values()]).filter(({ connections, datagrams }) => connections + datagrams > 0);
    expect(arrived, 'arrived though denied').toEqual([]);
  }, 60_000 + KILLS * 15_000);
});

describe('while the agent was down', () => {
  const annotations = (last: number, mac: string): Readonly<Record<string, string>> => ({
    'flannel.alpha.coreos.com/backend-data': `{"VNI":1,"VtepMAC":"${mac}"}`,
    'flannel.alpha.coreos.com/backend-type': 'vxlan',
    'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
    'flannel.alpha.coreos.com/public-ip': `172.30.0.${last}`,
  });
  const createNode = (name: string, subnet: number, last: number, mac: string): Promise<unknown> =>
    lab.client.create(NODES, undefined, { apiVersion: 'v1', kind: 'Node', metadata: { name, annotations: annotations(last, mac) }, spec: { podCIDR: `10.42.${subnet}.0/24`, podCIDRs: [`10.42.${subnet}.0/24`] } });
  const rowsOf = (subnet: number, last: number, mac: string): Partial<KernelState> => ({
    routes: [`10.42.${subnet}.0/24 10.42.${subnet}.0 flannel.1 [onlink]`],
    neighbours: [`10.42.${subnet}.0 ${mac}`],
    fdb: [`${mac} 172.30.0.${last} [self] permanent`],
  });
  const withRows = (state: KernelState, ...rows: readonly Partial<KernelState>[]): KernelState => ({
    ...state,
    ...Object.fromEntries((['routes', 'neighbours', 'fdb'] as const).map((what) => [what, [...state[what], ...rows.flatMap((one) => one[what] ?? [])]])),
  });

  it('nodes were deleted, added and moved: all rows are exact after its start', async () => {
    const before = await kernelState(lab, 1);
    await createNode('ghost', 201, 201, '02:00:00:00:02:01');
    await createNode('mover', 202, 202, '02:00:00:00:02:02');
    const full = withRows(before, rowsOf(201, 201, '02:00:00:00:02:01'), rowsOf(202, 202, '02:00:00:00:02:02'));
    await eventually('both are known', async () => stateDifferences(await kernelState(lab, 1), full), { withinMs: 3_000 });

    await killAgents([1]);
    await lab.client.remove(NODES, { name: 'ghost' });
    await lab.client.patch(NODES, { name: 'mover' }, 'merge', { metadata: { annotations: annotations(203, '02:00:00:00:02:03') } });
    await createNode('newcomer', 204, 204, '02:00:00:00:02:04');
    await lab.node(1).must(['ip', 'route', 'add', '10.42.250.0/24', 'via', '10.42.250.0', 'dev', 'flannel.1', 'onlink']);
    expect(stateDifferences(await kernelState(lab, 1), full)).toEqual([expect.stringContaining('10.42.250.0')]);
    await startAgents([1]);
    const exact = withRows(before, rowsOf(202, 203, '02:00:00:00:02:03'), rowsOf(204, 204, '02:00:00:00:02:04'));
    await eventually('rows are exact', async () => stateDifferences(await kernelState(lab, 1), exact), { withinMs: 1_000 });

    for (const name of ['mover', 'newcomer']) await lab.client.remove(NODES, { name });
    await eventually('rows are gone with the nodes', async () => stateDifferences(await kernelState(lab, 1), before), { withinMs: 3_000 });
  });

  it('a node got another subnet', async () => {
    const before = await kernelState(lab, 1);
    await createNode('reborn', 210, 210, '02:00:00:00:02:10');
    await eventually('it is known', async () => stateDifferences(await kernelState(lab, 1), withRows(before, rowsOf(210, 210, '02:00:00:00:02:10'))), { withinMs: 3_000 });
    await killAgents([1]);
    await lab.client.remove(NODES, { name: 'reborn' });
    await createNode('reborn', 211, 210, '02:00:00:00:02:10');
    await startAgents([1]);
    await eventually('rows are exact', async () => stateDifferences(await kernelState(lab, 1), withRows(before, rowsOf(211, 210, '02:00:00:00:02:10'))), { withinMs: 1_000 });
    await lab.client.remove(NODES, { name: 'reborn' });
  });

  it('policies, pods and labels changed: enforced as soon as it has started', async () => {
    await killAgents([1, 2]);
    await deletePolicies(lab, 'x');
    await applyPolicy(lab, 'x', only(DENIED));
    expect(await enforcement(), 'the old policy stays').toEqual([]);
    await startAgents([1, 2]);
    await eventually('the new policy is in force', () => enforcement(DENIED, ALLOWED), { withinMs: 1_000 });
  });
});

describe('a map that has hardly room for what is wanted', () => {
  const capacity = async (name: string): Promise<number> => (await askAgent<MapView[]>(lab, 1, '/v1/maps')).find((map) => map.name === name)!.capacity;

  it('is replaced by a larger one by an agent that goes on: no flow loses anything, and the next start keeps it', async () => {
    await applyPolicy(lab, 'x', only(ALLOWED));
    await eventually('policy is in force', () => enforcement(), { withinMs: 3_000 });
    const flows = await traffic.stream('x/client', 20, targets(ALLOWED));
    const cidrs = Array.from({ length: 4090 }, (_, i) => `100.64.${i >> 8}.${i & 255}/32`);
    const before = await capacity('canal_nomasq4');
    await killAgents([1]);
    const log = followLog(lab, 1);
    lab.node(1).agent.start(['--non-masquerade-cidrs', cidrs.join()]);
    await eventually('the map is larger', async () => ((await capacity('canal_nomasq4').catch(() => 0)) >= 2 * before ? '' : 'not yet'), { withinMs: 30_000 });
    await eventually('all its rows are there', async () => ((await agentStatus(lab, 1)).conditions.every(({ name, ok }) => ok || !['overlay', 'maps'].includes(name)) ? '' : 'not yet'), { withinMs: 10_000 });
    expect(log.lines().filter(({ msg }) => msg === 'agent starting'), 'processes').toHaveLength(1);
    expect(log.lines().filter(({ msg }) => msg.startsWith('maps have hardly room'))).toHaveLength(1);
    expect(await enforcement()).toEqual([]);
    await killAgents([1]);
    await startAgents([1]);
    expect(await capacity('canal_nomasq4')).toBeGreaterThanOrEqual(2 * before);
    expect(await losses(flows), 'flows that lost something').toEqual([]);
  }, 90_000);
});
