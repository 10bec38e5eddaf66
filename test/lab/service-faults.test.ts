import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiError } from '../../agent/datastore/api-error.js';
import { ENDPOINT_SLICES, SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { ProbeSource } from '../../agent/lab/probe.js';
import type { MapView, ServiceView } from '../../agent/observe/views.js';
import { addressOf, agentStatus, askAgent, createNamespace, createPod, deletePods, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { createService, PORT, serviceLeadsTo, setEndpoints, TARGET } from './service-objects.js';
import { losses, nowMs, Traffic, type Stream, type Where } from './traffic.js';

const NODE_PORT = 30_001;
const FLOOD_PORT = 30_002;
const EXTERNAL = '198.51.100.7';
const CLIENT: ProbeSource = { namespace: 'x', pod: 'client' };
const OUTSIDE: Where = { outside: true };

/** The API server's 422. */
const isInvalid = (error: unknown): boolean => error instanceof ApiError && error.status === 422;

let lab: Lab;
let traffic: Traffic;
let a: string;
let b: string;
/** ClusterIP of a service whose backend nobody else asks. */
let flooded: string;
/** Of a service that nobody touches: from a pod, the node, and outside over one hop or two. */
const calm: Stream[] = [];

beforeAll(async () => {
  lab = await startTestLab('svcfault', { nodes: 2 });
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  for (const [name, node] of [['client', 'node1'], ['a', 'node1'], ['b', 'node2'], ['sink', 'node2']] as const) await createPod(lab, `x/${name}`, { node });
  await lab.podsReady();
  for (const who of ['x/a', 'x/b', 'x/sink']) await traffic.serve(who, [TARGET]);
  [a, b] = [addressOf(lab, 'x/a'), addressOf(lab, 'x/b')];
  const ip = await createService(lab, 'calm', [a, b]);
  await giveNodePort('calm', NODE_PORT);
  flooded = await createService(lab, 'flooded', [addressOf(lab, 'x/sink')]);
  await giveNodePort('flooded', FLOOD_PORT);
  await serviceLeadsTo(lab, 'flooded', [addressOf(lab, 'x/sink')]);
  await serviceLeadsTo(lab, 'calm', [a, b]);
  await eventually('its node port answers', async () => ((await lab.probe({ outside: true }, [{ address: lab.node(1).address, port: NODE_PORT, protocol: 'TCP' }]))[0]!.outcome === 'open' ? '' : 'not yet'), { withinMs: 5_000 });
  const doors = (host: string, port: number): string[] => [`tcp:${host}:${port}`, `udp:${host}:${port}`, `tcp:${host}:${port}`];
  calm.push(await traffic.stream('x/client', 20, doors(ip, PORT)), await traffic.stream({ node: 1 }, 20, doors(ip, PORT)), await traffic.stream(OUTSIDE, 20, doors(lab.node(1).address, NODE_PORT)));
  await eventually('it is busy', async () => ((await Promise.all(calm.map((stream) => stream.tally()))).flat().every(({ echoed }) => echoed > 1) ? '' : 'not yet'), { withinMs: 5_000 });
}, 120_000);
afterAll(async () => {
  traffic?.close();
  await lab?.close();
});

async function giveNodePort(service: string, nodePort: number): Promise<void> {
  const ports = (['TCP', 'UDP'] as const).map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: PORT, nodePort }));
  await lab.client.patch(SERVICES, { namespace: 'x', name: service }, 'merge', { spec: { type: 'NodePort', ports } });
}

const outcome = async (address: string, port = PORT): Promise<string> => (await lab.probe(CLIENT, [{ address, port, protocol: 'TCP' }]))[0]!.outcome;
const slice = (name: string, service: string, ports: readonly object[], endpoints: readonly object[]): object => ({
  apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name, namespace: 'x', labels: { 'kubernetes.io/service-name': service } }, addressType: 'IPv4', ports, endpoints,
});
const TCP_PORTS = [{ name: 'tcp', protocol: 'TCP', port: TARGET }];
const create = (...[name, service, ports, endpoints]: Parameters<typeof slice>): Promise<unknown> => lab.client.create(ENDPOINT_SLICES, 'x', slice(name, service, ports, endpoints));
const problemsOf = async (object: string): Promise<string[]> => (await agentStatus(lab, 1)).problems.filter((one) => one.object === object).map(({ field, message }) => `${field}: ${message}`);

describe('slices', () => {
  it('that contradict each other: an endpoint that one of them calls ready is ready, and used once', async () => {
    const ip = await createService(lab, 'twice', [a]);
    await create('twice-2', 'twice', TCP_PORTS, [{ addresses: [a], conditions: { ready: false, serving: false }, nodeName: 'nowhere' }]);
    await serviceLeadsTo(lab, 'twice', [a]);
    expect(await outcome(ip)).toBe('open');
    await setEndpoints(lab, 'twice', []);
    await serviceLeadsTo(lab, 'twice', []);
    expect(await outcome(ip)).toBe('refused');
    await lab.client.patch(ENDPOINT_SLICES, { namespace: 'x', name: 'twice-2' }, 'merge', { endpoints: [{ addresses: [a], conditions: { ready: true } }, { addresses: [a], conditions: { ready: true } }] });
    await serviceLeadsTo(lab, 'twice', [a]);
    expect((await askAgent<ServiceView[]>(lab, 1, '/v1/services', { name: 'x/twice' }))[0]!.frontends.map(({ protocol, backends }) => [protocol, backends])).toEqual([['TCP', 1], ['UDP', 0]]);
  });

  it.each([['0', 0], ['none', null], ['too large', 70_000]] as const)('with a port that is %s are refused by the API server, or give no backend and take none away', async (_, port) => {
    const name = `odd-${port}`;
    await createService(lab, name, [b]);
    await create(`${name}-2`, name, [{ name: 'tcp', protocol: 'TCP', port }], [{ addresses: [a] }]).catch((error: unknown) => {
      if (!isInvalid(error)) throw error;
    });
    await serviceLeadsTo(lab, name, [b]);
  });
});

describe('an address that two want', () => {
  it('stays with whom it belongs to, the other is told, and gets it when it is free', async () => {
    for (const name of ['mine', 'yours']) {
      await createService(lab, name, name === 'mine' ? [a] : [b]);
      await lab.client.patch(SERVICES, { namespace: 'x', name }, 'merge', { spec: { externalIPs: [EXTERNAL] } });
    }
    await eventually('the loser is told', async () => ((await problemsOf('Service x/yours')).some((text) => text.startsWith('spec.externalIPs') && text.endsWith('belongs to Service x/mine')) ? '' : 'not yet'), { withinMs: 5_000 });
    expect(await outcome(EXTERNAL)).toBe('open');
    await lab.client.remove(SERVICES, { namespace: 'x', name: 'mine' });
    await serviceLeadsTo(lab, 'yours', [b]);
    expect([await outcome(EXTERNAL), await problemsOf('Service x/yours')]).toEqual(['open', []]);
  });

  it('a node port of another service is refused by the API server; a hostPort of a pod leaves it alone and the pod is told', async () => {
    const taken = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'thief', namespace: 'x' }, spec: { type: 'NodePort', ports: [{ port: PORT, nodePort: NODE_PORT }] } };
    await expect(lab.client.create(SERVICES, 'x', taken)).rejects.toSatisfy(isInvalid);
    await createPod(lab, 'x/door', { node: 'node1', container: { ports: [{ containerPort: 8080, hostPort: NODE_PORT }] } });
    await eventually('the pod is told', async () => ((await problemsOf('Pod x/door')).some((text) => text.endsWith('belongs to Service x/calm')) ? '' : 'not yet'), { withinMs: 10_000 });
    await deletePods(lab, ['x/door']);
  });
});

it('5,000 endpoints of one service are all in the kernel, and one more is a few rows', async () => {
  const ip = await createService(lab, 'huge', []);
  const address = (i: number): string => `203.0.${100 + (i >> 8)}.${i & 255}`;
  const startedMs = nowMs();
  await Promise.all(Array.from({ length: 50 }, (_, s) => create(`huge-many-${s}`, 'huge', TCP_PORTS, Array.from({ length: 100 }, (__, i) => ({ addresses: [address(s * 100 + i)] })))));
  const kernel = async (): Promise<number> => (await askAgent<ServiceView[]>(lab, 1, '/v1/services', { name: 'x/huge' }))[0]!.backends.filter((one) => one.kernel).length;
  await eventually('all are in the kernel', async () => ((await kernel()) === 5_000 ? '' : `${await kernel()}`), { withinMs: 20_000 });
  console.log(`5,000 endpoints in 50 slices: ${(nowMs() - startedMs).toFixed(0)} ms`);
  const writes = async (): Promise<number> => Object.entries((await agentStatus(lab, 1)).apply!.writes).filter(([table]) => /^canal_(front|back|live)/.test(table)).reduce((sum, [, n]) => sum + n, 0);
  const before = await writes();
  await setEndpoints(lab, 'huge', [a]);
  await eventually('one more', async () => ((await kernel()) >= 5_001 ? '' : 'not yet'), { withinMs: 10_000 });
  expect(await writes() - before).toBeLessThanOrEqual(6); // TCP and UDP: front, back, live
  for (let s = 0; s < 50; s++) await lab.client.remove(ENDPOINT_SLICES, { namespace: 'x', name: `huge-many-${s}` });
  await eventually('only that is left', async () => ((await outcome(ip)) === 'open' && (await kernel()) <= 2 ? '' : 'not yet'), { withinMs: 20_000 });
}, 60_000);

describe('maps at their limit', () => {
  const rowsOf = async (name: string): Promise<MapView> => (await askAgent<MapView[]>(lab, 1, '/v1/maps')).find((map) => map.name === name)!;
  const maps = async (): Promise<{ ok: boolean; message: string }> => (await agentStatus(lab, 1)).conditions.find(({ name }) => name === 'maps')!;

  it('fronts, backends, live ones: the condition names each, and what does not fit comes when there is room', async () => {
    const ip = await createService(lab, 'full', [a]);
    await serviceLeadsTo(lab, 'full', [a]);
    const room = await Promise.all(([['canal_front4', 3], ['canal_back4', 20], ['canal_live4', 30]] as const).map(async ([name, more]) => `${name}=${(await rowsOf(name)).rows + more}`));
    const node = lab.node(1);
    await node.agent.stop('SIGTERM');
    node.agent.start(['--map-sizes', [...room, 'canal_nat4=1024', 'canal_edge4=1024', 'canal_sock4=1024'].join()]);
    await eventually('the agent has applied', async () => ((await agentStatus(lab, 1).then(({ apply }) => apply, () => null)) === null ? 'not yet' : ''), { withinMs: 30_000 });
    expect(await maps()).toMatchObject({ ok: true });
    const named = (name: string): Promise<number> => eventually(`the condition names ${name}`, async () => ((await maps()).message.includes(name) ? '' : (await maps()).message), { withinMs: 10_000 });
    const endpoints = (count: number): string[] => [a, ...Array.from({ length: count }, (_, i) => `203.0.113.${i + 1}`)];
    await setEndpoints(lab, 'full', endpoints(12)); // each for TCP and UDP
    await named('canal_back');
    await setEndpoints(lab, 'full', endpoints(20));
    await named('canal_live');
    for (const name of ['more-1', 'more-2', 'more-3']) await createService(lab, name, []);
    await named('canal_front');
    expect((await askAgent<ServiceView[]>(lab, 1, '/v1/services', { name: 'x/calm' }))[0]!.state).toBe('in force');
    await setEndpoints(lab, 'full', [a]);
    await lab.client.remove(SERVICES, { namespace: 'x', name: 'more-1' });
    await lab.client.remove(SERVICES, { namespace: 'x', name: 'more-2' });
    await lab.client.remove(SERVICES, { namespace: 'x', name: 'huge' });
    await serviceLeadsTo(lab, 'full', [a], [1]);
    await setEndpoints(lab, 'more-3', [b]);
    await serviceLeadsTo(lab, 'more-3', [b], [1]);
    await eventually('the condition is true again', async () => ((await maps()).ok ? '' : 'still false'), { withinMs: 20_000 });
    expect(await outcome(ip)).toBe('open');
  }, 90_000);

  it('flows in several times what translation has room for: the least used go, canal maps shows it, and flows in use stay', async () => {
    const many = (target: string): string[] => Array.from({ length: 4 }, () => target);
    const floods = [await traffic.knock('x/client', 2, many(`udp:${flooded}:${PORT}`)), await traffic.knock({ node: 1 }, 2, many(`udp:${flooded}:${PORT}`)), await traffic.knock(OUTSIDE, 2, many(`udp:${lab.node(1).address}:${FLOOD_PORT}`))];
    await eventually('enough have been', async () => ((await Promise.all(floods.map((flood) => flood.tally()))).every((doors) => doors.reduce((sum, { tried }) => sum + tried, 0) > 3_000) ? '' : 'not yet'), { withinMs: 30_000 });
    for (const name of ['canal_nat4', 'canal_edge4', 'canal_sock4']) {
      const { rows, capacity } = await rowsOf(name);
      expect(rows, name).toBeGreaterThan(capacity / 2);
    }
    for (const flood of floods) expect((await flood.stop()).reduce((sum, { answered }) => sum + answered, 0)).toBeGreaterThan(1_000); // what the sink is slow to read is its own
  }, 60_000);
});

it('a service that nobody has touched has lost nothing meanwhile', async () => {
  for (const stream of calm) {
    expect(await losses(stream)).toEqual([]);
    expect((await stream.tally()).every(({ sent, echoed }) => sent === echoed && sent > 100)).toBe(true);
  }
});
