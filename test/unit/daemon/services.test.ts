import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import { backText, liveText, type BackendAddress } from '../../../agent/compile/services/rows.js';
import { endpoint, service, slice, snapshot as cluster } from '../services/cluster.js';
import { snapshot, World } from './world.js';

const WEB = '10.96.0.1:80/6';
const state = (...addresses: readonly string[]) => {
  const { services, endpointSlices } = cluster([service()], [slice('a', addresses.map((address) => endpoint(address)))]);
  return snapshot({ services, endpointSlices });
};
const A = '10.42.1.2', B = '10.42.1.3', C = '10.42.1.4';

function loaded(...addresses: readonly string[]): World {
  const world = new World();
  world.apply(state(...addresses));
  return world;
}

/** What a packet may meet; throws where a slot that is counted has no row, or a row no live one. */
function backends({ kernel }: World): string[] {
  const { fronts, backs, live } = kernel.tables;
  const { row } = fronts.rows.get(WEB)!;
  return Array.from({ length: row.backends }, (_, slot) => {
    const backend = backs.rows.get(backText({ family: 4, service: row.service, slot }))?.row;
    if (backend === undefined || !live.rows.has(liveText({ service: row.service, backend }))) throw new Error(`slot ${slot} of ${row.backends} leads nowhere`);
    return backend.address.text;
  }).sort();
}

const serviceTables = ({ kernel: { tables } }: World) => [tables.fronts, tables.backs, tables.live];
const written = (world: World): number => [...serviceTables(world), world.kernel.tables.sockets].reduce((sum, table) => sum + table.writes, 0);

/** Runs after every single row. */
function afterEveryWrite(world: World, check: () => void): void {
  for (const table of serviceTables(world)) {
    const upsert = table.upsert.bind(table), remove = table.remove.bind(table) as (keys: readonly never[]) => (Error | undefined)[];
    const one = <T>(act: (items: readonly T[]) => (Error | undefined)[]) => (items: readonly T[]) => items.map((item) => {
      const [outcome] = act([item]);
      check();
      return outcome;
    });
    table.upsert = one(upsert as (rows: readonly never[]) => (Error | undefined)[]) as typeof table.upsert;
    table.remove = one(remove) as typeof table.remove;
  }
}

describe('services in the kernel', () => {
  it('come with the programs at sockets, and a restart writes none of it', () => {
    const world = loaded(A, B);
    expect(backends(world)).toEqual([A, B]);
    expect([...world.kernel.tables.sockets.rows.keys()]).toEqual(['canal_connect 4']);
    expect(world.kernel.tables.config.rows.get('config')!.row.services).toBe(true);
    const before = written(world);
    world.restart();
    world.apply(state(B, A));
    expect(written(world)).toBe(before);
  });

  it('change row by row, and never is a slot counted that leads nowhere', () => {
    const world = loaded(A);
    afterEveryWrite(world, () => backends(world));
    for (const next of [[A, B], [B], [B, C], [C], [A, B, C], []]) {
      world.apply(state(...next));
      expect(backends(world)).toEqual(next);
    }
    const before = written(world);
    world.apply(state());
    expect(written(world)).toBe(before);
  });

  it('that went while no agent ran are gone after a restart', () => {
    const world = loaded(A, B);
    world.restart();
    world.apply(snapshot({}));
    expect(serviceTables(world).map((table) => table.rows.size)).toEqual([0, 0, 0]);
  });

  it('and the programs at sockets go when services are switched off', () => {
    const world = loaded(A);
    world.restart({ services: 'off' });
    world.apply(state(A));
    expect([...serviceTables(world), world.kernel.tables.sockets].map((table) => table.rows.size)).toEqual([0, 0, 0, 0]);
    expect(world.kernel.tables.config.rows.get('config')!.row.services).toBe(false);
  });

  it('that somebody removed are put back at the next look at everything, and it is told', async () => {
    const world = loaded(A);
    world.kernel.tables.backs.rows.clear();
    await world.clock.advance(61_000);
    world.apply();
    expect(backends(world)).toEqual([A]);
    expect(world.loop.record.mended.get('canal_back')).toBe(1);
  });

  it('that change by wish are not told as mended', () => {
    const world = loaded(A);
    world.apply(state(A, B));
    expect(world.loop.record.mended.size).toBe(0);
  });
});

describe('faults', () => {
  const retried = async (world: World): Promise<void> => {
    await world.clock.advance(60_000);
    world.apply();
  };

  it('a backend that does not fit leaves the service with those it has, shows it, and comes when there is room', async () => {
    const world = loaded(A, B);
    const { live } = world.kernel.tables;
    const id = world.kernel.tables.fronts.rows.get(WEB)!.row.service;
    live.faults.set(`${id.toString(16)}/${C}:8080`, 7);
    world.apply(state(A, B, C));
    expect(backends(world)).toEqual([A, B]);
    expect(world.loop.record.troubles.map(({ table, full }) => [table, full])).toEqual([['canal_live', true]]);
    // B goes: the room of its row is what the next try needs, so that is not held back.
    world.apply(state(A, C));
    expect(live.rows.has(`${id.toString(16)}/${B}:8080`)).toBe(false);
    live.faults.clear();
    await retried(world);
    expect(backends(world)).toEqual([A, C]);
    expect(world.loop.record.troubles).toEqual([]);
  });

  it('a slot is not emptied while the frontend cannot be told', async () => {
    const world = loaded(A, B, C);
    afterEveryWrite(world, () => backends(world));
    world.kernel.tables.fronts.faults.set(WEB, 12);
    world.apply(state(A));
    expect(world.kernel.tables.fronts.rows.get(WEB)!.row.backends).toBe(3);
    expect(world.kernel.tables.backs.rows.size).toBe(3);
    world.kernel.tables.fronts.faults.clear();
    await retried(world);
    expect(backends(world)).toEqual([A]);
    expect(world.kernel.tables.backs.rows.size).toBe(1);
  });

  it('of one service do not touch another', () => {
    const world = new World();
    const second = service('api', { clusterIps: ['10.96.0.2'] });
    const both = (...addresses: readonly string[]) => {
      const { services, endpointSlices } = cluster([service(), second], [slice('a', addresses.map((address) => endpoint(address))), slice('b', [endpoint(A)], { service: 'api' })]);
      return snapshot({ services, endpointSlices });
    };
    world.kernel.tables.fronts.faults.set('10.96.0.2:80/6', 12);
    world.apply(both(A, B));
    expect(backends(world)).toEqual([A, B]);
    world.apply(both(A, C));
    expect(backends(world)).toEqual([A, C]);
  });
});

describe('connected UDP sockets of the node', () => {
  const socket = (world: World, address: string): { readonly service: bigint; readonly backend: BackendAddress } => {
    const made = { service: world.kernel.tables.fronts.rows.get(WEB)!.row.service, backend: { address: IpAddress.parse(address)!, port: 8080 } };
    world.kernel.udp.add(made);
    return made;
  };

  it('are ended when their backend goes, and no others', () => {
    const world = loaded(A, B);
    const stays = socket(world, A);
    socket(world, B);
    world.apply(state(A));
    expect([...world.kernel.udp]).toEqual([stays]);
  });

  it('whose backend went while no agent ran are ended by the next', () => {
    const world = loaded(A, B);
    const stays = socket(world, A);
    socket(world, B);
    world.restart();
    world.apply(state(A));
    expect([...world.kernel.udp]).toEqual([stays]);
  });

  it('are not looked for unless a backend has gone', () => {
    const world = loaded(A);
    let looks = 0;
    world.kernel.translatedSockets = () => (looks++, []);
    world.apply(state(A, B));
    expect(looks).toBe(0);
    world.apply(state(B));
    expect(looks).toBe(1);
  });
});
