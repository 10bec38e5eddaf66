import { describe, expect, it } from 'vitest';
import type { Family } from '../../agent/base/address.js';
import { contentId } from '../../agent/base/hash.js';
import type { LocalEndpoint, PolicyState } from '../../agent/compile/desired.js';
import { compilePolicy } from '../../agent/compile/policy/compiler.js';
import { type Packet, judge } from '../../agent/compile/policy/evaluate.js';
import { lookup } from '../../agent/compile/policy/lookup.js';
import type { Direction } from '../../agent/model/policy.js';
import { SMALL, type Scene, type SceneSize, randomPacket, randomScene } from './generate.js';
import { Random, testSeed } from '../support/random.js';

const seed = testSeed();
const PACKETS_A_SCENE = 100;

/** Each local end of a packet, with the direction it is judged in. */
function ends(scene: Scene, packet: Packet): [LocalEndpoint, Direction][] {
  const at = (address: string): LocalEndpoint | undefined => scene.facts.endpoints.find((e) => e.addresses.some((a) => a.text === address));
  const host = scene.facts.hostAddresses.some((a) => a.equals(packet.source));
  const source = at(packet.source.text);
  const destination = host ? undefined : at(packet.destination.text);
  return [...(source ? [[source, 'egress'] as [LocalEndpoint, Direction]] : []), ...(destination ? [[destination, 'ingress'] as [LocalEndpoint, Direction]] : [])];
}

type Outcome = 'free' | 'allowed by rule' | 'denied by rule' | 'allowed at the end' | 'denied at the end';

function check(scene: Scene, state: PolicyState, packet: Packet): Outcome[] {
  const outcomes: Outcome[] = [];
  for (const [endpoint, direction] of ends(scene, packet)) {
    const expected = judge(scene.snapshot, scene.facts, direction, endpoint, packet);
    const tables = state.endpoints.get(`${endpoint.namespace}/${endpoint.pod}`)!;
    const table = direction === 'ingress' ? tables.ingressTable : tables.egressTable;
    const peer = direction === 'ingress' ? packet.source : packet.destination;
    const found = lookup(state, table, peer, packet.protocol, packet.port).verdict;
    const rule = expected.rule === undefined ? 0n : contentId(expected.rule);
    const by = expected.rule === undefined ? 'at the end' : 'by rule';
    outcomes.push(expected.applies ? `${expected.allow ? 'allowed' : 'denied'} ${by}` : 'free');
    if (found?.allow === expected.allow && found.rule === rule && found.log === expected.log && (table === 0n) === !expected.applies) continue;
    expect.fail(`seed ${seed}: ${JSON.stringify({ direction, packet, endpoint: endpoint.pod, expected })} but the tables say ${found?.allow} by ${state.rules.get(found?.rule ?? 0n)}`);
  }
  return outcomes;
}

function compare(size: SceneSize, pairs: number, random: Random): Map<Outcome, number> {
  const seen = new Map<Outcome, number>();
  for (let judged = 0; judged < pairs; ) {
    const scene = randomScene(random, size);
    const state = compilePolicy(scene.snapshot, scene.facts);
    for (let i = 0; i < PACKETS_A_SCENE && scene.facts.endpoints.length > 0; i++) {
      for (const outcome of check(scene, state, randomPacket(random, scene, size.families))) {
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        judged++;
      }
    }
  }
  return seen;
}

describe('compiled tables give the verdict and rule of the policies themselves', () => {
  const cases: [string, readonly Family[], boolean, number][] = [
    ['Kubernetes policies, IPv4', [4], false, 60_000],
    ['every kind of policy, IPv4', [4], true, 50_000],
    ['every kind of policy, both families', [4, 6], true, 20_000],
  ];
  it.each(cases)('%s', { timeout: 120_000 }, (_, families, tiered, pairs) => {
    const seen = compare({ ...SMALL, families, tiered }, pairs, new Random(seed));
    // The generator must reach every way a verdict can come about, each often.
    const expected: Outcome[] = ['free', 'allowed by rule', 'denied at the end', ...(tiered ? (['denied by rule', 'allowed at the end'] as const) : [])];
    for (const outcome of expected) expect(seen.get(outcome) ?? 0, `seed ${seed}: ${outcome}`).toBeGreaterThan(pairs / 200);
    if (process.env['CANAL_SHOW']) console.log(seen);
  });
});
