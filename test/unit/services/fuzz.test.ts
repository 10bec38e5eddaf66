import { describe, expect, it } from 'vitest';
import { ServiceCompiler } from '../../../agent/compile/services/compiler.js';
import type { Snapshot } from '../../../agent/model/snapshot.js';
import { Random, testSeed } from '../../support/random.js';
import { NODE, snapshot } from './cluster.js';
import { history, LOCAL, SMALL } from './histories.js';
import { Maps } from './maps.js';

const seed = testSeed();

/** Pods of the node on the way; at the end there are all of them. */
const COME_AND_GO = [LOCAL, LOCAL.slice(1), [], LOCAL.toReversed(), LOCAL.slice(0, 1)];

function run(states: readonly Snapshot[], restart: () => boolean = () => false): Maps {
  const maps = new Maps();
  let compiler = new ServiceCompiler(SMALL);
  for (const [i, state] of states.entries()) {
    const localPods = i === states.length - 1 ? LOCAL : COME_AND_GO[i % COME_AND_GO.length]!;
    if (restart()) {
      compiler = new ServiceCompiler(SMALL);
      const changes = compiler.sync(state, NODE, { inherited: maps.history(), localPods });
      const fresh = new Maps();
      fresh.write(changes); // what a ledger's full comparison would leave
      maps.fronts.clear(); maps.backs.clear(); maps.live.clear(); maps.ranges.clear();
      fresh.fronts.forEach((row, key) => maps.fronts.set(key, row));
      fresh.backs.forEach((row, key) => maps.backs.set(key, row));
      fresh.live.forEach((key) => maps.live.add(key));
      fresh.ranges.forEach((key) => maps.ranges.add(key));
      continue;
    }
    maps.write(compiler.sync(state, NODE, { localPods }));
  }
  return maps;
}

/** Ways to come to the same last state. */
const EXPANDERS: Readonly<Record<string, (list: readonly Snapshot[], random: Random) => readonly Snapshot[]>> = {
  'as they came': (list) => list,
  'in another order': (list, random) => [...random.shuffled(list.slice(0, -1)), list.at(-1)!],
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
