import { describe, expect, it } from 'vitest';
import { totalWrites } from '../../../agent/reconcile/outcome.js';
import { Random, testSeed } from '../../support/random.js';
import { World, type State } from './world.js';

/** A whole consistent state: endpoints under tables, tables over rows, addresses in classes, routes over neighbours. */
function randomState(random: Random): State {
  const pick = (n: number): number => random.below(n);
  const state: Record<string, Record<string, readonly string[]>> = Object.fromEntries(
    ['attachment', 'link', 'neighbour', 'route', 'canal_rule', 'canal_table', 'canal_peer', 'canal_endpoint'].map((t) => [t, {}]),
  );
  const tables = Array.from({ length: pick(4) }, () => pick(6));
  const classes = Array.from({ length: pick(3) }, () => pick(4) + 1);
  for (const table of tables) {
    for (const cls of [0, ...classes]) {
      state['canal_table']![`T${table}/${cls === 0 ? '0' : `C${cls}`}`] = [`rows:R${table}`];
      state['canal_rule']![`R${table}/${cls % 2}`] = [];
    }
  }
  if (tables.length > 0) for (const cls of classes) state['canal_peer']![`10.0.0.${pick(9)}`] = [`class:C${cls}`];
  tables.forEach((table, i) => {
    state['canal_endpoint']![`${i + 7}`] = [`table:T${table}`];
    state['attachment']![`cali${i}`] = [];
  });
  for (let i = pick(4); i > 0; i--) {
    state['neighbour']![`5/10.0.${i}.0`] = [];
    state['route']![`10.0.${i}.0/24`] = [`neighbour:5/10.0.${i}.0`];
  }
  return state;
}

/** What must hold of the kernel after every single act: nothing refers to what is not there. */
function assertWhole(world: World, what: string): void {
  const provided = new Set<string>();
  for (const [key] of world.tables.get('canal_table')!.rows) {
    const [table, cls] = key.split('/');
    if (cls === '0') provided.add(`table:${table}`);
  }
  for (const [key] of world.tables.get('canal_rule')!.rows) provided.add(`rows:${key.split('/')[0]}`);
  for (const [key] of world.tables.get('neighbour')!.rows) provided.add(`neighbour:${key}`);
  for (const name of ['canal_endpoint', 'canal_table', 'route']) {
    for (const { key, row } of world.tables.get(name)!.rows.values()) {
      for (const token of row) if (!provided.has(token)) throw new Error(`${what}: ${name} ${key} refers to ${token}, which is not there`);
    }
  }
}

const seed = testSeed();
const states = (n: number): State[] => {
  const random = new Random(seed);
  return Array.from({ length: n }, () => randomState(random));
};

/** Ways to run the same list of states: the last state alone must decide the result. */
const EXPANDERS: Readonly<Record<string, (list: readonly State[]) => State[]>> = {
  'as written': (list) => [...list],
  reversed: (list) => [...list].reverse(),
  shuffled: (list) => new Random(seed + 1).shuffled(list),
  'with empty states between': (list) => list.flatMap((state) => [{}, state]),
  'each one twice': (list) => list.flatMap((state) => [state, state]),
  squashed: (list) => list.slice(-1),
};

describe(`lists of states (seed ${seed})`, () => {
  for (const [name, expand] of Object.entries(EXPANDERS)) {
    it(`ends at the last state, ${name}, with nothing left to do`, () => {
      const world = new World();
      const list = expand(states(60));
      for (const state of list) {
        world.want(state);
        world.reconciler.apply();
      }
      const last = Object.fromEntries(Object.entries(list.at(-1)!).filter(([, rows]) => Object.keys(rows).length > 0));
      expect(world.state).toEqual(last);
      expect(totalWrites(world.reconciler.apply())).toBe(0);
    });
  }

  it('holds after every act on the way, across restarts and random faults', () => {
    const world = new World();
    const random = new Random(seed + 2);
    for (const table of world.tables.values()) {
      const upsert = table.upsert.bind(table), remove = table.remove.bind(table);
      table.upsert = (rows) => rows.map((row) => one(upsert([row])));
      table.remove = (keys) => keys.map((key) => one(remove([key])));
    }
    const one = ([outcome]: (Error | undefined)[]): Error | undefined => {
      assertWhole(world, `seed ${seed}, after ${world.journal.at(-1)}`);
      return outcome;
    };
    for (const state of states(200)) {
      for (const table of world.tables.values()) {
        table.faults.clear();
        for (const key of Object.keys(state[table.name] ?? {})) if (random.next() < 0.1) table.faults.set(key, 12);
      }
      if (random.next() < 0.2) world.restart();
      world.nowMs += 60_000;
      world.want(state);
      world.reconciler.apply();
    }
    for (const table of world.tables.values()) table.faults.clear();
    world.nowMs += 60_000;
    world.want({});
    world.reconciler.apply();
    expect(world.state).toEqual({});
  });
});
