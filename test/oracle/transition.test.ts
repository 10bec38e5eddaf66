import { describe, expect, it } from 'vitest';
import type { PolicyState, Verdict } from '../../agent/compile/desired.js';
import { compilePolicy } from '../../agent/compile/policy/compiler.js';
import { type Packet } from '../../agent/compile/policy/evaluate.js';
import { lookup } from '../../agent/compile/policy/lookup.js';
import { type PolicyMaps, transition } from '../../agent/compile/policy/transition.js';
import { randomEdit } from './edit.js';
import { SMALL, type Scene, type SceneSize, randomPacket, randomScene } from './generate.js';
import { Random, testSeed } from '../support/random.js';

const seed = testSeed();
const SIZE: SceneSize = { ...SMALL, pods: 12 };

/** The maps, written to one row at a time in the order that transition() asks for. */
class Maps implements PolicyMaps {
  readonly rows: Map<bigint, PolicyState['rows'] extends ReadonlyMap<bigint, infer R> ? R : never>;
  readonly tables: Map<bigint, Map<bigint, bigint>>;
  readonly peers: Map<string, PolicyState['peers'] extends ReadonlyMap<string, infer R> ? R : never>;
  readonly cidrs: Map<string, PolicyState['cidrs'] extends ReadonlyMap<string, infer R> ? R : never>;
  readonly endpoints: Map<string, { readonly ingressTable: bigint; readonly egressTable: bigint }>;

  constructor(state: PolicyMaps) {
    this.rows = new Map(state.rows);
    this.tables = new Map([...state.tables].map(([id, entries]) => [id, new Map(entries)]));
    this.peers = new Map(state.peers);
    this.cidrs = new Map(state.cidrs);
    this.endpoints = new Map(state.endpoints);
  }

  /** Yields after every write that can be seen. Rows of one map come in any order. */
  *upsert(state: PolicyMaps, random: Random): Iterable<string> {
    for (const [id, rows] of state.rows) this.rows.set(id, rows);
    for (const [id, entries] of random.shuffled([...state.tables])) {
      const table = this.tables.get(id) ?? new Map<bigint, bigint>();
      this.tables.set(id, table);
      for (const [classId, rows] of random.shuffled([...entries])) {
        if (table.get(classId) === rows) continue;
        table.set(classId, rows);
        yield `table ${id} class ${classId}`;
      }
    }
    yield* put(random, this.peers, state.peers, (a, b) => a.classId === b.classId, 'peer');
    yield* put(random, this.cidrs, state.cidrs, (a, b) => a.classId === b.classId, 'cidr');
    yield* put(random, this.endpoints, state.endpoints, (a, b) => a.ingressTable === b.ingressTable && a.egressTable === b.egressTable, 'endpoint');
  }

  *prune(state: PolicyMaps, random: Random): Iterable<string> {
    for (const key of this.endpoints.keys()) if (!state.endpoints.has(key)) this.endpoints.delete(key);
    for (const [kept, map, name] of [[state.peers, this.peers, 'peer'], [state.cidrs, this.cidrs, 'cidr']] as const) {
      for (const key of random.shuffled([...map.keys()])) if (!kept.has(key) && map.delete(key)) yield `prune ${name} ${key}`;
    }
    for (const [id, table] of this.tables) {
      const kept = state.tables.get(id);
      for (const classId of table.keys()) if (kept?.has(classId) !== true && table.delete(classId)) yield `prune table ${id} class ${classId}`;
      if (kept === undefined) this.tables.delete(id);
    }
    for (const id of this.rows.keys()) if (!state.rows.has(id)) this.rows.delete(id);
  }
}

function* put<Row>(random: Random, map: Map<string, Row>, rows: ReadonlyMap<string, Row>, equal: (a: Row, b: Row) => boolean, name: string): Iterable<string> {
  for (const [key, row] of random.shuffled([...rows])) {
    const old = map.get(key);
    if (old !== undefined && equal(old, row)) continue;
    map.set(key, row);
    yield `${name} ${key}`;
  }
}

type Probe = { readonly endpoint: string; readonly ingress: boolean; readonly packet: Packet };

function verdict(maps: PolicyMaps, { endpoint, ingress, packet }: Probe): Verdict | undefined | 'no endpoint' {
  const tables = maps.endpoints.get(endpoint);
  if (tables === undefined) return 'no endpoint';
  const table = ingress ? tables.ingressTable : tables.egressTable;
  return lookup(maps, table, ingress ? packet.source : packet.destination, packet.protocol, packet.port).verdict;
}

const text = (v: Verdict | undefined | 'no endpoint'): string => (typeof v === 'object' ? `${v.allow} ${v.rule} ${v.log}` : String(v));

function probes(random: Random, before: Scene, after: Scene): Probe[] {
  const names = before.facts.endpoints.map((e) => `${e.namespace}/${e.pod}`);
  const packets = random.list(15, 15, () => randomPacket(random, random.pick([before, after]), SIZE.families));
  return packets.flatMap((packet) => names.map((endpoint) => ({ endpoint, ingress: random.chance(0.5), packet })));
}

/** Goes from what is in `maps` to `next`, and checks every probe after every write. Stops after `limit` writes. */
function walk(maps: Maps, next: PolicyState, checked: readonly Probe[], random: Random, label: string, limit = Infinity): number {
  const old = checked.map((probe) => text(verdict(maps, probe)));
  const target = checked.map((probe) => text(verdict(next, probe)));
  let writes = 0;
  const check = (at: string): void => {
    checked.forEach((probe, i) => {
      if (target[i] === 'no endpoint') return; // its device is gone
      const now = text(verdict(maps, probe));
      if (now !== old[i] && now !== target[i]) expect.fail(`seed ${seed}, ${label}, after ${at}: ${JSON.stringify(probe)} is ${now}, before ${old[i]}, after all ${target[i]}`);
    });
  };
  for (const state of transition(maps, next)) {
    for (const at of maps.upsert(state, random)) {
      check(at);
      if (++writes >= limit) return writes;
    }
  }
  // All that is left to prune must already be without effect.
  checked.forEach((probe, i) => expect(text(verdict(maps, probe)), label).toBe(target[i] === 'no endpoint' ? text(verdict(maps, probe)) : target[i]));
  for (const at of maps.prune(next, random)) check(at);
  return writes;
}

/** Whether addresses change class and endpoints table. */
function moves(maps: Maps, next: PolicyState): boolean {
  const other = <T>(was: ReadonlyMap<string, T>, is: ReadonlyMap<string, T>, same: (a: T, b: T) => boolean): boolean => [...is].some(([key, row]) => was.has(key) && !same(was.get(key)!, row));
  return other(maps.peers, next.peers, (a, b) => a.classId === b.classId) && other(maps.endpoints, next.endpoints, (a, b) => a.ingressTable === b.ingressTable && a.egressTable === b.egressTable);
}

/** As plain maps: versions of a map are not, and they compare by their class too. */
const plain = (maps: PolicyMaps) => ({
  rows: new Map(maps.rows),
  tables: new Map([...maps.tables].map(([id, entries]) => [id, new Map(entries)])),
  peers: new Map(maps.peers),
  cidrs: new Map(maps.cidrs),
  endpoints: new Map(maps.endpoints),
});

describe('a transition between any two states', () => {
  it('shows each packet the old verdict or the new one after every single write, and ends in the new state', { timeout: 120_000 }, () => {
    const random = new Random(seed);
    let bridged = 0;
    let spared = 0;
    for (let run = 0; run < 160; run++) {
      const before = randomScene(random, SIZE);
      const after = randomEdit(random, before, SIZE, random.chance(0.3) ? 1 : random.int(1, 12));
      const maps = new Maps(compilePolicy(before.snapshot, before.facts));
      const next = compilePolicy(after.snapshot, after.facts);
      if ([...transition(maps, next)[0]!.classes.values()].some((of) => of.startsWith('on the way'))) bridged++;
      else if (moves(maps, next)) spared++;
      walk(maps, next, probes(random, before, after), random, `run ${run}`);
      expect(plain(maps)).toEqual(plain(next));
    }
    expect(bridged, `seed ${seed}`).toBeGreaterThan(5);
    expect(spared, `seed ${seed}`).toBeGreaterThan(5);
  });

  it('may be broken off at any write and followed by another', { timeout: 120_000 }, () => {
    const random = new Random(seed);
    for (let run = 0; run < 60; run++) {
      const before = randomScene(random, SIZE);
      const maps = new Maps(compilePolicy(before.snapshot, before.facts));
      let scene = before;
      for (let leg = 0; leg < 4; leg++) {
        const target = random.chance(0.2) ? before : randomEdit(random, scene, SIZE, random.int(1, 8));
        const next = compilePolicy(target.snapshot, target.facts);
        walk(maps, next, probes(random, scene, target), random, `run ${run} leg ${leg}`, leg === 3 ? Infinity : random.int(1, 120));
        if (leg === 3) expect(plain(maps)).toEqual(plain(next));
        scene = target;
      }
    }
  });

  it('takes nothing between where a pod leaves and with it what only its own policies speak of', { timeout: 120_000 }, () => {
    const random = new Random(seed);
    let between = 0;
    let none = 0;
    for (let run = 0; run < 80; run++) {
      const before = randomScene(random, SIZE);
      const gone = before.facts.endpoints.at(-1);
      const after: Scene = { ...before, facts: { ...before.facts, endpoints: before.facts.endpoints.filter((endpoint) => endpoint !== gone) } };
      const maps = new Maps(compilePolicy(before.snapshot, before.facts));
      const next = compilePolicy(after.snapshot, after.facts);
      const fewer = next.peers.size + next.cidrs.size < maps.peers.size + maps.cidrs.size;
      if (fewer && transition(maps, next)[0] === next) none++;
      else if (fewer) between++;
      walk(maps, next, probes(random, before, after), random, `run ${run}`);
      expect(plain(maps)).toEqual(plain(next));
    }
    expect(none, `seed ${seed}, and ${between} with a state between`).toBeGreaterThan(0);
  });

  it('takes one step where only addresses or only tables changed', () => {
    const random = new Random(seed);
    const { snapshot, facts } = randomScene(random, SIZE);
    const state = compilePolicy(snapshot, facts);
    expect(transition(state, state)).toEqual([state]);
    const empty: PolicyMaps = { rows: new Map(), tables: new Map(), peers: new Map(), cidrs: new Map(), endpoints: new Map() };
    expect(transition(empty, state)).toEqual([state]);
  });
});
