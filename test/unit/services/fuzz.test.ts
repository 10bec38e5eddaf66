import { describe, expect, it } from 'vitest';
import { Cidr } from '../../../agent/base/address.js';
import { ServiceCompiler } from '../../../agent/compile/services/compiler.js';
import type { EndpointSlice, Service } from '../../../agent/model/service.js';
import type { Snapshot } from '../../../agent/model/snapshot.js';
import { Random, testSeed } from '../../support/random.js';
import { endpoint, hostPort, LEAVING, local, NODE, pod, port, service, slice, snapshot, STARTING } from './cluster.js';
import { Maps } from './maps.js';

const seed = testSeed();
const NAMES = ['web', 'api', 'db', 'kubernetes'];
/** A table of 13 slots shows what one of 1021 does. */
const SMALL = { algorithm: 'random', tableSize: 13 } as const;
const PODS = ['web-0', 'web-1'];
const LOCAL = [local('web-0', '10.42.0.2'), local('web-1', '10.42.0.3', 'fd00:42::3')];
/** Few of each, so that services collide and endpoints come back. */
const IPS = ['10.96.0.1', '10.96.0.2', '198.51.100.1', 'fd00::1'];

function randomService(random: Random, name: string): Service {
  const some = <T>(values: readonly T[], chance = 0.4): T[] => values.filter(() => random.next() < chance);
  const ports = some([port(80, { nodePort: random.pick([0, 30_080, 30_081]) }), port(80, { name: 'udp', protocol: 17 }), port(443, { name: 'https', nodePort: random.pick([0, 30_443]) })], 0.7);
  return service(name, {
    ports, clusterIps: some(IPS), externalIps: some(IPS, 0.2), loadBalancerIps: some(IPS, 0.2), affinityS: random.pick([0, 600]),
    internalPolicy: random.pick(['cluster', 'cluster', 'local']), externalPolicy: random.pick(['cluster', 'local']), algorithm: random.pick([undefined, undefined, 'maglev', 'random']),
    sourceRanges: some(RANGES, 0.2), healthCheckNodePort: random.pick([0, 0, 31_000]), proxyName: random.pick(['', '', '', 'other']), type: random.pick(['ClusterIP', 'LoadBalancer', 'ExternalName', 'ClusterIP']),
  });
}

const RANGES = ['192.0.2.0/24', '198.51.100.7/32', 'fd00::/8'].map((text) => Cidr.parse(text)!);

function randomSlice(random: Random, name: string): EndpointSlice {
  const family = random.pick([4, 4, 6] as const);
  const endpoints = Array.from({ length: random.below(6) }, () =>
    endpoint(family === 4 ? `10.42.1.${random.below(8)}` : `fd00:42::${random.below(8) + 1}`, {
      ...random.pick([{}, {}, LEAVING, STARTING]), nodeName: random.pick([NODE, 'two', '']), zoneHints: random.pick([[], ['z1'], ['z2']]),
    }));
  const ports = [{ name: '', protocol: 6, port: 8080 }, { name: 'https', protocol: 6, port: random.pick([8443, 9443]) }, { name: 'udp', protocol: 17, port: 53 }];
  return slice(name, endpoints, { family, service: random.pick(NAMES), ports: ports.filter(() => random.next() < 0.8) });
}

/** One event on the objects: put or delete of one; unchanged objects keep their identity. */
function step(random: Random, state: Snapshot): Snapshot {
  const next = { services: new Map(state.services), endpointSlices: new Map(state.endpointSlices), nodes: state.nodes, pods: new Map(state.pods) };
  const n = random.next();
  if (n < 0.4) {
    const name = random.pick(NAMES);
    if (random.next() < 0.3) next.services.delete(`shop/${name}`);
    else next.services.set(`shop/${name}`, randomService(random, name));
  } else if (n < 0.5) {
    const name = random.pick(PODS);
    if (random.next() < 0.3) next.pods.delete(`shop/${name}`);
    else next.pods.set(`shop/${name}`, pod(name, random.pick([[], [hostPort(30_080, 80)], [hostPort(53, 53, { protocol: 17 }), hostPort(8080, random.pick([80, 81]))]]), { finished: random.next() < 0.2 }));
  } else if (n < 0.95) {
    const name = `s${random.below(10)}`;
    if (random.next() < 0.3) next.endpointSlices.delete(`shop/${name}`);
    else next.endpointSlices.set(`shop/${name}`, randomSlice(random, name));
  } else {
    next.nodes = snapshot([], [], random.pick(['', 'z1', 'z2'])).nodes;
  }
  return { ...state, ...next };
}

function history(length: number, random: Random): Snapshot[] {
  const states = [snapshot([], [])];
  while (states.length <= length) states.push(step(random, states.at(-1)!));
  return states.slice(1);
}

function run(states: readonly Snapshot[], restart: () => boolean = () => false): Maps {
  const maps = new Maps();
  let compiler = new ServiceCompiler(SMALL);
  for (const state of states) {
    if (restart()) {
      compiler = new ServiceCompiler(SMALL);
      const changes = compiler.sync(state, NODE, { inherited: maps.history(), localPods: LOCAL });
      const fresh = new Maps();
      fresh.write(changes); // what a ledger's full comparison would leave
      maps.fronts.clear(); maps.backs.clear(); maps.live.clear(); maps.ranges.clear();
      fresh.fronts.forEach((row, key) => maps.fronts.set(key, row));
      fresh.backs.forEach((row, key) => maps.backs.set(key, row));
      fresh.live.forEach((key) => maps.live.add(key));
      fresh.ranges.forEach((key) => maps.ranges.add(key));
      continue;
    }
    maps.write(compiler.sync(state, NODE, { localPods: LOCAL }));
  }
  return maps;
}

/** Ways to come to the same last state. */
const EXPANDERS: Readonly<Record<string, (list: readonly Snapshot[], random: Random) => readonly Snapshot[]>> = {
  'as they came': (list) => list,
  'in another order': (list, random) => [...random.shuffle(list.slice(0, -1)), list.at(-1)!],
  'from the end to the start and at once back': (list) => [...list.toReversed(), list.at(-1)!],
  'with an empty cluster between all': (list) => list.flatMap((state) => [snapshot([], []), state]),
  'some lost': (list, random) => [...list.slice(0, -1).filter(() => random.next() < 0.5), list.at(-1)!],
  'with every object decoded anew': (list) => list.map((state) => ({ ...state, services: new Map([...state.services].reverse().map(([k, v]) => [k, { ...v }])), endpointSlices: new Map([...state.endpointSlices].reverse().map(([k, v]) => [k, { ...v }])) })),
};

describe(`events in any order (seed ${seed})`, () => {
  for (const [name, expand] of Object.entries(EXPANDERS)) {
    it(`end where a fresh load of the last state does: ${name}`, () => {
      const random = new Random(seed);
      for (let i = 0; i < 60; i++) {
        const states = history(5 + random.below(30), random);
        expect(run(expand(states, random)).state(), `seed ${seed}, run ${i}`).toEqual(run(states.slice(-1)).state());
        expect(run(expand(states, random), () => random.next() < 0.2).state(), `seed ${seed}, run ${i}, restarts`).toEqual(run(states.slice(-1)).state());
      }
    });
  }

  it('leave no slot empty and no backend unknown after any single write', () => {
    const random = new Random(seed + 1);
    for (let i = 0; i < 40; i++) {
      const maps = new Maps();
      const compiler = new ServiceCompiler(SMALL);
      for (const state of history(40, random)) maps.write(compiler.sync(state, NODE, { localPods: LOCAL }), () => [...maps.fronts.keys()].forEach((front) => maps.backends(front)));
    }
  });

  it('touch no row of a service whose objects did not change', () => {
    const random = new Random(seed + 2);
    const compiler = new ServiceCompiler();
    const states = history(300, random);
    let before = snapshot([], []);
    for (const state of states) {
      const touched = new Set([...state.services.keys(), ...before.services.keys()].filter((name) => state.services.get(name) !== before.services.get(name)));
      for (const key of new Set([...state.endpointSlices.keys(), ...before.endpointSlices.keys()])) {
        const [a, b] = [before.endpointSlices.get(key), state.endpointSlices.get(key)];
        if (a !== b) for (const one of [a, b]) if (one !== undefined) touched.add(`shop/${one.service}`);
      }
      const ids = new Set([...touched].flatMap((name) => [...(compiler.compiled.get(name)?.sets.values() ?? [])].map((set) => set.id)));
      const changes = compiler.sync(state, NODE);
      for (const name of touched) for (const set of compiler.compiled.get(name)?.sets.values() ?? []) ids.add(set.id);
      if (state.nodes === before.nodes) for (const { key } of changes.backs.put) expect(ids.has(key.service), `seed ${seed}`).toBe(true);
      before = state;
    }
  });
});
