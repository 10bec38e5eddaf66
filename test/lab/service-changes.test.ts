import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { Random, testSeed } from '../support/random.js';
import { followLog, type LogLine } from './agent-log.js';
import { addressOf, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { createService, PORT, serviceLeadsTo, setEndpoints, TARGET } from './service-objects.js';
import { losses, nowMs, Traffic, type PortTally, type Where } from './traffic.js';

/** A service changed so often, at this pace. */
const FLAPS = Number(process.env['CANAL_SERVICE_FLAPS'] ?? 200);
const FLAPS_EACH_MS = 10;
/** Random moments of an update at which the agent is killed. */
const KILLS = Number(process.env['CANAL_AGENT_KILLS'] ?? 3);
/** How long after its end a backend may still be sent to: 100 is what an idle machine keeps. */
const MOVED_MS = Number(process.env['CANAL_SERVICE_MOVED_MS'] ?? 1500);
const ECONNABORTED = 103;
const EDESTADDRREQ = 89;

let lab: Lab;
let traffic: Traffic;
let a: string;
let b: string;
const servers: Record<string, { tally(): Promise<ReadonlyMap<number, PortTally>> }> = {};
const POD = 'x/client';
const CLIENTS: readonly (readonly [string, Where])[] = [['a pod', POD], ['the node', { node: 1 }]];

beforeAll(async () => {
  lab = await startTestLab('svcchg', { nodes: 2 });
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  await createPod(lab, POD, { node: 'node1' });
  await createPod(lab, 'x/a', { node: 'node1' });
  await createPod(lab, 'x/b', { node: 'node2' });
  await lab.podsReady();
  for (const who of ['x/a', 'x/b']) servers[who] = await traffic.serve(who, [TARGET]);
  [a, b] = [addressOf(lab, 'x/a'), addressOf(lab, 'x/b')];
});
afterAll(async () => {
  traffic?.close();
  await lab?.close();
});

const inForce = (name: string, addresses: readonly string[], nodes?: readonly number[]): Promise<void> => serviceLeadsTo(lab, name, addresses, nodes);

const arrived = async (who: string): Promise<number> => {
  const { connections, datagrams } = (await servers[who]!.tally()).get(TARGET)!;
  return connections + datagrams;
};
const both = (ip: string): string[] => [`tcp:${ip}:${PORT}`, `udp:${ip}:${PORT}`];

describe('a backend that is removed', () => {
  it.each(CLIENTS)('gets no new connection and no datagram of %s, connected sockets not excepted; TCP connections drain', async (title, client) => {
    const name = title === 'a pod' ? 'gone-pod' : 'gone-node';
    const ip = await createService(lab, name, [b]);
    await inForce(name, [b]);
    const flows = await traffic.stream(client, 10, both(ip));
    const knocks = await traffic.knock(client, 10, both(ip));
    await eventually('flows run', async () => ((await flows.tally()).every(({ echoed }) => echoed > 5) ? '' : 'not yet'), { withinMs: 5_000 });
    const removedAt = nowMs();
    await setEndpoints(lab, name, [a]);
    await inForce(name, [a]);
    const after = await arrived('x/b');
    await pause(300);
    expect(await arrived('x/b') - after, 'connections and datagrams that still arrived').toBe(0);
    const lastMs = (await servers['x/b']!.tally()).get(TARGET)!.newMs - removedAt;
    console.log(`${title}: the last datagram or connection came ${lastMs.toFixed(1)} ms after the endpoint was removed`);
    expect(lastMs).toBeLessThan(MOVED_MS);

    const [tcp, udp] = await flows.tally();
    expect(tcp, 'the connection goes on').toMatchObject({ errno: 0 });
    await eventually('it still echoes', async () => ((await flows.tally())[0]!.echoed > tcp!.echoed ? '' : 'not yet'), { withinMs: 2_000 });
    if (title === 'a pod') await eventually('the connected UDP socket has moved', async () => ((await flows.tally())[1]!.echoed > udp!.echoed ? '' : 'not yet'), { withinMs: 2_000 });
    else expect([ECONNABORTED, EDESTADDRREQ], 'its owner is told, and who sends on all the same is told that nobody is there').toContain(udp!.errno);
    const [tcpDoor, udpDoor] = await knocks.stop();
    expect(tcpDoor, 'new connections').toMatchObject({ silent: 0, refused: 0 });
    // One question each 10 ms: how many are lost depends on how long a busy machine lets the agent wait.
    expect(udpDoor!.silent + udpDoor!.refused, 'questions on their way while it changed').toBeLessThanOrEqual(Math.max(1, MOVED_MS / 100));
  });

  it('the last of all, leaves a refusal at once, and the first of new ones is found again by old sockets', async () => {
    const ip = await createService(lab, 'zero', [a, b]);
    await inForce('zero', [a, b]);
    const flows = await traffic.stream(POD, 10, [`udp:${ip}:${PORT}`]);
    for (let round = 0; round < 3; round++) {
      await setEndpoints(lab, 'zero', []);
      await inForce('zero', []);
      const [tcp, udp] = await lab.probe({ namespace: 'x', pod: 'client' }, [{ address: ip, port: PORT, protocol: 'TCP' }, { address: ip, port: PORT, protocol: 'UDP' }]);
      expect([tcp!.outcome, udp!.outcome]).toEqual(['refused', 'refused']);
      await setEndpoints(lab, 'zero', [a, b]);
      await inForce('zero', [a, b]);
      const { echoed } = (await flows.tally())[0]!;
      await eventually('the flow goes on', async () => ((await flows.tally())[0]!.echoed > echoed + 5 ? '' : 'not yet'), { withinMs: 3_000 });
    }
  });
});

/** Flows and new connections from a pod and the node to a service that nobody touches. */
async function untouched(name: string): Promise<() => Promise<unknown[]>> {
  const ip = await createService(lab, name, [a, b]);
  await inForce(name, [a, b]);
  const started = await Promise.all(CLIENTS.map(async ([, client]) => ({ flows: await traffic.stream(client, 20, both(ip)), knocks: await traffic.knock(client, 10, both(ip)) })));
  return async () => {
    const failed = await Promise.all(started.map(async ({ flows, knocks }) => [...(await knocks.stop()).filter(({ silent, refused }) => silent + refused > 0), ...await losses(flows)]));
    return failed.flat();
  };
}

describe('a service that nobody touches loses nothing', () => {
  it(`while another changes ${1000 / FLAPS_EACH_MS} times a second, ${FLAPS} times; that one ends as the last change says`, async () => {
    await createService(lab, 'flapping', [a]);
    const end = await untouched('calm');
    const sets = [[], [a], [b], [a, b]];
    for (let i = 0, due = nowMs(); i < FLAPS; i++, due += FLAPS_EACH_MS) {
      await setEndpoints(lab, 'flapping', sets[i % sets.length]!);
      await pause(Math.max(0, due - nowMs()));
    }
    await setEndpoints(lab, 'flapping', [b]);
    await inForce('flapping', [b]);
    await inForce('calm', [a, b]);
    expect(await end(), 'flows and connections that lost something').toEqual([]);
  });

  it(`while the agent is killed at ${KILLS} random moments of updates, and old flows go on through its restarts`, async () => {
    const random = new Random(testSeed());
    console.log(`CANAL_TEST_SEED=${random.seed}`);
    await createService(lab, 'updated', [a]);
    const end = await untouched('steady');
    for (let kill = 0; kill < KILLS; kill++) {
      const update = setEndpoints(lab, 'updated', kill % 2 === 0 ? [a, b] : [b]);
      await pause(random.next() * 40);
      await lab.node(1).agent.stop('SIGKILL');
      await update;
      const log = followLog(lab, 1);
      lab.startAgent(lab.node(1));
      await eventually('the agent has applied', () => (log.lines().some(({ msg }: LogLine) => msg === 'kernel state applied for the first time') ? '' : 'not yet'), { withinMs: 30_000, everyMs: 50 });
      await inForce('updated', kill % 2 === 0 ? [a, b] : [b], [1]);
    }
    expect(await end(), 'flows and connections that lost something').toEqual([]);
  });
});
