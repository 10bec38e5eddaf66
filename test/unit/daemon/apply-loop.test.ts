import { describe, expect, it } from 'vitest';
import type { IpAddress } from '../../../agent/base/address.js';
import { podSysctls } from '../../../agent/compile/endpoints/endpoints.js';
import { createPodDataplane } from '../../../agent/daemon/pod-dataplane.js';
import { endpoint, node, NODES, pod, policy, snapshot, World } from './world.js';

const PODS = [pod('a', '10.42.0.2'), pod('b', '10.42.0.3')];
const ISOLATED = snapshot({ pods: PODS, policies: [policy('b', 'a')] });

function withPods(flags: Readonly<Record<string, string>> = {}): World {
  const world = new World();
  world.restart(flags);
  world.addPod('a', 21, '10.42.0.2');
  world.addPod('b', 22, '10.42.0.3');
  return world;
}

const isolation = (world: World, ifindex: number): boolean => world.kernel.tables.endpoints.rows.get(String(ifindex))!.row.ingressTable !== 0n;

describe('the apply loop', () => {
  it('writes nothing before the first full sync', () => {
    const world = withPods();
    world.apply();
    expect(world.kernel.writes).toBe(0);
  });

  it('has programs loaded once, before its first write, with maps for what is wanted', () => {
    const world = withPods();
    world.apply();
    expect(world.kernel.loads).toEqual([]);
    const writesBefore: number[] = [];
    world.kernel.load = (wanted) => {
      world.kernel.loads.push(wanted);
      writesBefore.push(world.kernel.writes);
    };
    world.apply(ISOLATED);
    world.apply(snapshot({ pods: PODS }));
    expect(writesBefore).toEqual([0]);
    const [wanted] = world.kernel.loads;
    expect(['canal_peer', 'canal_endpoint', 'canal_local'].map((table) => wanted!.get(table))).toEqual([1, 2, 3]);
    expect(wanted!.get('canal_rule')).toBeGreaterThan(0);
  });

  it('writes nothing, and tries again, while programs cannot be loaded', () => {
    const world = withPods();
    world.kernel.load = () => {
      throw new Error('the verifier says no');
    };
    world.apply(ISOLATED);
    expect([world.kernel.writes, world.loop.record.error]).toEqual([0, 'the verifier says no']);
  });

  it('makes overlay, pods and policy in one go, the device first and what stands on it in the next round', () => {
    const world = withPods();
    world.apply(ISOLATED);
    const state = world.kernel.state();
    expect(state['links']).toHaveLength(1);
    expect(state['routes']!.map((r) => r.split(' ')[0])).toEqual(['10.42.0.2/32', '10.42.0.3/32', '10.42.1.0/24']);
    expect([state['fdb']!.length, state['neighbours']!.length, state['nexthops']!.length]).toEqual([1, 1, 1]);
    expect(state['attachments']!.length).toBe(7);
    expect([isolation(world, 21), isolation(world, 22)]).toEqual([false, true]);
    expect(world.kernel.tables.config.rows.get('config')!.row).toMatchObject({ overlayIfindex: 10, vni: 1, vxlanPort: 8472, podMtu: 1450 });
    expect(world.loop.record.troubles).toEqual([]);
  });

  it('makes no kernel write after a restart with nothing changed', () => {
    const world = withPods();
    world.apply(ISOLATED);
    const { writes, epochValue } = world.kernel;
    world.restart();
    world.apply(ISOLATED);
    expect(world.loop.record.firstWrites).toBe(0);
    expect([world.kernel.writes, world.kernel.epochValue]).toEqual([writes, epochValue]);
  });

  it('has taken note of what the kernel says of its own writes when a start is over', () => {
    const world = withPods();
    const { routes } = world.kernel.tables;
    const [upsert, list] = [routes.upsert.bind(routes), routes.list.bind(routes)];
    routes.upsert = (rows) => (world.kernel.changes.add('route'), upsert(rows));
    world.apply(ISOLATED);
    expect(world.applied).toHaveLength(1);
    let lists = 0;
    routes.list = () => (lists++, list());
    world.apply(snapshot({ pods: [...PODS, pod('c', '10.42.1.9', 'two', { app: 'a' })], policies: [policy('b', 'a')] }));
    expect(world.kernel.tables.peers.rows.has('10.42.1.9')).toBe(true);
    expect([lists, world.loop.record.mended.size]).toEqual([0, 0]);
  });

  it('makes nodes that were deleted, added or moved meanwhile exact after a restart', () => {
    const world = withPods();
    world.apply(ISOLATED);
    world.restart();
    world.apply(snapshot({ pods: PODS, policies: [policy('b', 'a')], nodes: [NODES[0]!, node('three', '10.42.3.0/24', '192.168.0.3', '02:00:00:00:03:03')] }));
    const fresh = withPods();
    fresh.apply(world.loop.view!.snapshot);
    expect(world.kernel.state()).toEqual(fresh.kernel.state());
  });

  it('grows the epoch when a verdict may have changed, and leaves it even', () => {
    const world = withPods();
    world.apply(snapshot({ pods: PODS }));
    const before = world.kernel.epochValue;
    world.apply(ISOLATED);
    expect(world.kernel.epochValue).toBeGreaterThan(before);
    expect(world.kernel.epochValue % 2).toBe(0);
  });

  it('denies a pod that the API does not know, both ways', () => {
    const world = withPods();
    world.apply(snapshot({ pods: [PODS[0]!] }));
    const { ingressTable, egressTable } = world.kernel.tables.endpoints.rows.get('22')!.row;
    for (const table of [ingressTable, egressTable]) {
      const rows = world.loop.view!.desired.policy.tables.get(table)!.get(0n)!;
      expect(world.loop.view!.desired.policy.rows.get(rows)!.every((row) => !row.verdict.allow)).toBe(true);
    }
    expect(world.kernel.tables.attachments.rows.has('22 ingress')).toBe(true);
  });

  it('takes everything of a pod away when its device is gone', () => {
    const world = withPods();
    world.apply(ISOLATED);
    world.kernel.pods.pop();
    world.kernel.changes.add('link');
    world.apply();
    const state = world.kernel.state();
    expect([state['endpoints'], state['routes'], state['tables']].flat().some((row) => row!.includes('10.42.0.3'))).toBe(false);
    expect(state['endpoints']).toHaveLength(1);
    expect(state['tables']).toEqual([]);
  });

  it('adds a route through a device only once it is up', () => {
    const world = new World();
    world.kernel.addPod('calia', 21, false);
    world.endpoints.making(endpoint('a', 21, '10.42.0.2'));
    world.apply(snapshot({ pods: PODS }));
    expect(world.kernel.state()['endpoints']).toHaveLength(1);
    expect(world.kernel.state()['routes']!.some((r) => r.startsWith('10.42.0.2'))).toBe(false);
    world.kernel.pods[0] = { ...world.kernel.pods[0]!, up: true };
    world.kernel.changes.add('link');
    world.apply();
    expect(world.kernel.state()['routes']!.some((r) => r.startsWith('10.42.0.2'))).toBe(true);
  });
});

describe('what CNI asks for', () => {
  const made = (): World => {
    const world = withPods();
    world.apply(snapshot({ pods: [...PODS, pod('c', '10.42.0.4')] }));
    world.kernel.addPod('calic', 23, false);
    return world;
  };

  it('is not written where the device was made with it', () => {
    const world = made();
    const { sysctls } = world.kernel.tables;
    const before = sysctls.writes;
    const there = endpoint('c', 23, '10.42.0.4');
    for (const [key, row] of podSysctls(there)) sysctls.rows.set(key, { key, row });
    world.endpoints.making(there);
    world.loop.podMade(there);
    expect(world.kernel.tables.endpoints.rows.has('23')).toBe(true);
    expect(world.loop.ledgers.sysctls.desired.has('net/ipv4/conf/calic/proxy_arp')).toBe(true);
    expect(sysctls.writes).toBe(before);
  });

  it('has no cgroup looked for', () => {
    const world = made();
    let looks = 0;
    const hooks = world.kernel.socketHooks();
    world.kernel.socketHooks = () => (looks++, hooks);
    world.endpoints.making(endpoint('c', 23, '10.42.0.4'));
    world.loop.podMade(endpoint('c', 23, '10.42.0.4'));
    expect(looks).toBe(0);
    world.apply(snapshot({ pods: PODS }));
    expect(looks).toBe(1);
  });

  it('is tried again, though nobody asks, where a row could not be written', async () => {
    const world = made();
    world.loop.start();
    world.kernel.tables.endpoints.faults.set('23', 12);
    world.endpoints.making(endpoint('c', 23, '10.42.0.4'));
    world.loop.podMade(endpoint('c', 23, '10.42.0.4'));
    expect(world.kernel.tables.endpoints.rows.has('23')).toBe(false);
    world.kernel.tables.endpoints.faults.clear();
    for (let second = 0; second < 5 && !world.kernel.tables.endpoints.rows.has('23'); second++) await world.clock.advance(1000);
    expect(world.kernel.tables.endpoints.rows.has('23')).toBe(true);
    const closed = world.loop.close();
    await world.clock.advance(1000);
    await closed;
  });

  it('fails where the device goes before it is in force, also while the pod is not known', async () => {
    const world = withPods();
    world.apply(ISOLATED);
    const dataplane = createPodDataplane({ loop: world.loop, endpoints: world.endpoints, interfacePrefix: 'cali' });
    const { signal } = new AbortController();
    const gone = { message: 'the device has gone', errno: 19 };
    await expect(dataplane.enforce(endpoint('c', 23, '10.42.0.4'), signal)).rejects.toMatchObject(gone);
    world.kernel.addPod('calic', 24, false);
    const waiting = expect(dataplane.enforce(endpoint('c', 24, '10.42.0.4'), signal)).rejects.toMatchObject(gone);
    world.kernel.pods.pop();
    world.kernel.changes.add('link');
    world.apply();
    await waiting;
    expect(world.kernel.state()['endpoints']).toHaveLength(2);
  });
});

describe('self-healing', () => {
  it('makes the overlay device and all that stood on it again, and says so', () => {
    const world = withPods();
    world.apply(ISOLATED);
    const mac = [...world.kernel.tables.links.rows.values()][0]!.row.mac;
    world.kernel.deleteOverlay();
    world.apply();
    const state = world.kernel.state();
    expect([state['links'], state['fdb'], state['neighbours']].map((rows) => rows!.length)).toEqual([1, 1, 1]);
    expect(state['routes']!.some((r) => r.startsWith('10.42.1.0/24') && r.includes('"ifindex":11'))).toBe(true);
    expect([...world.kernel.tables.links.rows.values()][0]!.row.mac).toBe(mac);
    expect(world.loop.record.mended.get('link')).toBe(1);
  });

  it('puts back a detached program', async () => {
    const world = withPods();
    world.loop.update(ISOLATED);
    world.loop.start();
    await world.clock.advance(100);
    world.kernel.tables.attachments.rows.delete('21 ingress');
    world.kernel.tell('tc');
    await world.clock.advance(100);
    expect(world.kernel.tables.attachments.rows.has('21 ingress')).toBe(true);
    const closed = world.loop.close();
    await world.clock.advance(100);
    await closed;
  });

  it('leaves an overlay alone while uplink or Node are not known', () => {
    const world = withPods();
    world.apply(ISOLATED);
    const { writes } = world.kernel;
    world.kernel.uplinkUp = false;
    world.kernel.changes.add('route');
    world.apply();
    world.apply(snapshot({ pods: PODS, policies: [policy('b', 'a')], nodes: [NODES[1]!] }));
    expect(world.loop.view!.planned.problem).toBeDefined();
    world.restart();
    world.apply(ISOLATED);
    expect(world.loop.view!.planned.overlay).toBeUndefined();
    expect(world.kernel.writes).toBe(writes);
    world.kernel.uplinkUp = true;
    world.kernel.changes.add('route');
    world.apply();
    expect(world.loop.view!.planned.problem).toBeUndefined();
    expect(world.kernel.writes).toBe(writes);
  });
});

describe('the uplink', () => {
  const programs = (world: World): unknown => [...world.kernel.tables.attachments.rows.values()].filter(({ row }) => row.device === 'eth0').map(({ row }) => [row.program, row.egress]).sort();
  const BOTH = [['canal_from_upl', false], ['canal_to_upl', true]];

  it('has programs both ways, and what they translate with', () => {
    const world = withPods({ 'ip-masq': 'true', 'non-masquerade-cidrs': '10.0.0.0/8', 'masquerade-ports': '40000-50000' });
    world.apply(ISOLATED);
    expect(programs(world)).toEqual(BOTH);
    const { row } = world.kernel.tables.config.rows.get('config')!;
    expect(row).toMatchObject({ masquerade: true, edgePortMin: 40000, edgePortMax: 50000 });
    expect([row.nodeAddress4?.text, row.overlayAddress4?.text]).toEqual(['192.168.0.1', '10.42.0.0']);
    expect([...world.kernel.tables.nomasq.rows.keys()].sort()).toEqual(['10.0.0.0/8', '10.42.0.0/16', '224.0.0.0/4']);
  });

  it('has none where they are switched off, and loses them when they are', () => {
    const world = withPods();
    world.apply(ISOLATED);
    world.restart({ 'uplink-programs': 'off', 'ip-masq': 'true' });
    world.apply(ISOLATED);
    expect(programs(world)).toEqual([]);
    expect(world.kernel.tables.config.rows.get('config')!.row).toMatchObject({ masquerade: false, nodeAddress4: undefined });
  });

  it('keeps its programs while nobody knows which it is, and gets them again when it is made anew', () => {
    const world = withPods();
    world.apply(ISOLATED);
    world.kernel.uplinkUp = false;
    world.restart();
    world.apply(ISOLATED);
    expect(programs(world)).toEqual(BOTH);
    world.kernel.uplinkUp = true;
    world.kernel.renewUplink(3);
    world.apply();
    expect(programs(world)).toEqual(BOTH);
    expect([...world.kernel.tables.attachments.rows.values()].filter(({ row }) => row.device === 'eth0').map(({ row }) => row.ifindex)).toEqual([3, 3]);
  });
});

describe('a long table', () => {
  const MANY = Array.from({ length: 2100 }, (_, i) => pod(`m${i}`, `10.43.${i >> 8}.${i & 255}`, 'two', { app: 'a' }));

  it('is compared beside the loop each minute, not listed by an apply, and only where it holds something else it is', async () => {
    const world = withPods();
    const { peers } = world.kernel.tables;
    let [lists, comparisons] = [0, 0];
    const list = peers.list.bind(peers);
    peers.list = () => (lists++, list());
    const listLater = (): Promise<Iterable<{ key: IpAddress; row: bigint }>> => (comparisons++, Promise.resolve([...peers.rows.values()]));
    Object.assign(peers, { listLater });
    world.apply(snapshot({ pods: [...PODS, ...MANY], policies: [policy('b', 'a')] }));
    const minute = async (): Promise<void> => {
      await world.clock.advance(60_000);
      world.apply();
      await new Promise(setImmediate); // until the comparison is over
      world.apply();
    };
    await minute();
    expect([lists, comparisons]).toEqual([1, 1]);
    const [[text, lost]] = [...peers.rows] as [[string, { key: IpAddress; row: bigint }]];
    peers.rows.delete(text);
    await minute();
    expect([lists, comparisons]).toEqual([2, 2]);
    expect(peers.rows.get(text)).toEqual(lost);
    expect(world.loop.record.mended.get('canal_peer')).toBe(1);
  });
});

describe('faults', () => {
  it('keeps a pod under its old policy while the new one cannot be written whole, shows it, and heals', () => {
    const world = withPods();
    world.apply(snapshot({ pods: PODS, policies: [policy('b', 'a')] }));
    const before = world.kernel.tables.endpoints.rows.get('22')!.row;
    const { rules } = world.kernel.tables;
    const upsert = rules.upsert.bind(rules);
    rules.upsert = (rows) => rows.map(() => new Error('no room'));
    world.apply(snapshot({ pods: [...PODS, pod('c', '10.42.1.2', 'two')], policies: [policy('b', 'c')] }));
    expect(world.kernel.tables.endpoints.rows.get('22')!.row).toEqual(before);
    expect(world.loop.record.troubles.length).toBeGreaterThan(0);
    rules.upsert = upsert;
    return world.clock.advance(60_000).then(() => {
      world.apply();
      expect(world.kernel.tables.endpoints.rows.get('22')!.row.ingressTable).not.toBe(before.ingressTable);
      expect(world.loop.record.troubles).toEqual([]);
    });
  });

  it('goes on with the overlay while policy cannot be written', () => {
    const world = withPods();
    world.apply(snapshot({ pods: PODS, policies: [policy('b', 'a')], nodes: [NODES[0]!] }));
    world.kernel.tables.rules.upsert = (rows) => rows.map(() => new Error('no room'));
    world.apply(snapshot({ pods: [...PODS, pod('c', '10.42.1.2', 'two')], policies: [policy('b', 'c')] }));
    expect(world.kernel.state()['routes']!.some((r) => r.startsWith('10.42.1.0/24'))).toBe(true);
  });
});
