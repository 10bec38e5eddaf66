import { describe, expect, it } from 'vitest';
import { changesBetween, MapEditor } from '../../agent/base/versioned-map.js';
import type { LocalEndpoint, PolicyState } from '../../agent/compile/desired.js';
import { lookup } from '../../agent/compile/policy/lookup.js';
import type { Snapshot } from '../../agent/model/snapshot.js';
import type { FakeTable } from '../support/fake-table.js';
import { NODES, World } from '../unit/daemon/world.js';
import { randomEdit } from './edit.js';
import { SMALL, randomPacket, randomScene, type Scene, type SceneSize } from './generate.js';
import { Random, testSeed } from '../support/random.js';

const seed = testSeed();
const SIZE: SceneSize = { ...SMALL, families: [4] };
const POLICY = ['rules', 'tables', 'peers', 'cidrs', 'endpoints', 'local'] as const;

/** Gives snapshots as the store does: each map a version of the one before. */
class Versions {
  readonly #editors = { namespaces: new MapEditor<string, never>(), pods: new MapEditor<string, never>(), policies: new MapEditor<string, never>() };

  of(snapshot: Snapshot): Snapshot {
    const given = snapshot as unknown as Readonly<Record<string, ReadonlyMap<string, never>>>;
    const nodes = new Map(NODES.map((node) => [node.name, node]));
    const maps = Object.entries(this.#editors).map(([kind, editor]) => {
      for (const [key, , now] of changesBetween(editor.version(), given[kind]!)) {
        if (now === undefined) editor.delete(key);
        else editor.set(key, now);
      }
      return [kind, editor.version()];
    });
    return { ...snapshot, nodes, ...(Object.fromEntries(maps) as Pick<Snapshot, 'pods'>) };
  }
}

/** Makes the node have these pods and no others. */
function attach(world: World, endpoints: readonly LocalEndpoint[]): void {
  world.stored.length = 0;
  world.kernel.pods.length = 0;
  world.kernel.overlayIfindex = 1000; // pods have those from 10 on
  for (const endpoint of endpoints) {
    world.stored.push(endpoint);
    world.kernel.addPod(endpoint.hostDevice, endpoint.ifindex);
  }
}

function fresh({ snapshot, facts }: Scene): World {
  const world = new World();
  attach(world, facts.endpoints);
  world.apply(new Versions().of(snapshot));
  return world;
}

const policyRows = (world: World): unknown => POLICY.map((name) => [name, world.kernel.state()[name]]);

/** One thing that goes wrong; what it returns puts it right. */
function fault(random: Random, world: World): () => void {
  const table = world.kernel.tables[random.pick(POLICY)] as unknown as FakeTable<unknown, unknown>;
  const keys = [...table.rows.keys()];
  if (keys.length === 0) return () => undefined;
  const key = random.pick(keys);
  if (random.chance(0.5)) {
    table.rows.delete(key); // somebody else's doing, found when everything is listed anew
    return () => undefined;
  }
  table.faults.set(key, 7);
  return () => void table.faults.delete(key);
}

describe('an agent that takes changes as they come', () => {
  it('has in the end what one has that starts with the last state, through faults, and then writes nothing', { timeout: 120_000 }, async () => {
    const random = new Random(seed);
    for (let run = 0; run < 8; run++) {
      let scene = randomScene(random, SIZE);
      const world = new World();
      const versions = new Versions();
      for (let step = 0; step < 20; step++) {
        attach(world, scene.facts.endpoints);
        world.apply(versions.of(scene.snapshot));
        const mend = random.chance(0.2) ? fault(random, world) : undefined;
        scene = randomEdit(random, scene, SIZE, random.int(1, 3));
        attach(world, scene.facts.endpoints);
        world.apply(versions.of(scene.snapshot));
        mend?.();
        if (mend !== undefined || random.chance(0.1)) await world.clock.advance(61_000); // everything is listed anew
        for (let n = 0; n < 3; n++) {
          world.apply();
          if (world.loop.record.troubles.length + world.loop.record.blocked > 0) await world.clock.advance(61_000);
        }
        const where = `seed ${seed}, run ${run}, step ${step}`;
        expect(policyRows(world), where).toEqual(policyRows(fresh(scene)));
        const { writes } = world.kernel;
        world.apply(versions.of(scene.snapshot));
        expect(world.kernel.writes, where).toBe(writes);
      }
    }
  });

  it('raises the epoch wherever a packet is told something else than before, and not where nobody asks about the pod', { timeout: 60_000 }, () => {
    const random = new Random(seed);
    let kept = 0;
    for (let run = 0; run < 60; run++) {
      const before = randomScene(random, SIZE);
      const world = fresh(before);
      const [was, epoch] = [world.loop.view!.desired.policy, world.kernel.epochValue];
      const after = randomEdit(random, before, SIZE, 1);
      attach(world, after.facts.endpoints);
      world.apply(new Versions().of(after.snapshot));
      const is = world.loop.view!.desired.policy;
      const packets = random.list(40, 40, () => randomPacket(random, random.pick([before, after]), SIZE.families));
      const changed = [...is.endpoints.keys()].some((name) => was.endpoints.has(name) && packets.some((packet) => told(was, name, packet) !== told(is, name, packet)));
      if (changed) expect(world.kernel.epochValue, `seed ${seed}, run ${run}`).not.toBe(epoch);
      else if (world.kernel.epochValue === epoch) kept++;
    }
    expect(kept, `seed ${seed}`).toBeGreaterThan(0);
  });
});

function told(policy: PolicyState, name: string, { source, destination, protocol, port }: ReturnType<typeof randomPacket>): string {
  const { ingressTable, egressTable } = policy.endpoints.get(name)!;
  const verdicts = [lookup(policy, ingressTable, source, protocol, port), lookup(policy, egressTable, destination, protocol, port)];
  return verdicts.map(({ verdict }) => `${verdict?.allow} ${verdict?.rule}`).join();
}
