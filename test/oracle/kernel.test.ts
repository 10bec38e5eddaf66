import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Family } from '../../agent/base/address.js';
import { contentId } from '../../agent/base/hash.js';
import { compilePolicy } from '../../agent/compile/policy/compiler.js';
import { type Judgement, type Packet, evaluate } from '../../agent/compile/policy/evaluate.js';
import { CanalDropReason as Drop } from '../../agent/kernel/abi.generated.js';
import { ICMP, ICMPV6 } from '../../agent/model/objects.js';
import { type Devices, makeDevices } from '../packet/own-namespace.js';
import { SMALL, type Scene, type SceneSize, randomPacket, randomScene } from './generate.js';
import { type KernelOpinion, KernelJudge } from './kernel-judge.js';
import { Random, testSeed } from '../support/random.js';

const seed = testSeed();
const pairs = Number(process.env['CANAL_ORACLE_PAIRS'] ?? 100_000);
const PODS = 20;
const PACKETS_A_SCENE = 150;

let devices: Devices;
beforeAll(() => {
  devices = makeDevices('cor', PODS + 1);
});
afterAll(() => devices?.remove());

/** A scene whose endpoints are on real devices: the kernel runs a program only on one that exists. */
function sceneOnDevices(random: Random, size: SceneSize): Scene {
  const { snapshot, facts } = randomScene(random, size);
  return { snapshot, facts: { ...facts, endpoints: facts.endpoints.map((e, i) => ({ ...e, ifindex: devices.ifindexes[i + 1]! })) } };
}

const ruleId = ({ rule }: Judgement): bigint => (rule === undefined ? 0n : contentId(rule));

/** The policies' opinion in the program's terms: the first end that denies is told, and nobody after it. */
function expectedOf(scene: Scene, packet: Packet): KernelOpinion {
  const { egress, ingress } = evaluate(scene.snapshot, scene.facts, packet);
  const told = (j: Judgement): bigint | undefined => (j.pod === undefined || fromHost(scene, packet) ? undefined : ruleId(j));
  if (!egress.allow) return { allow: false, reasons: [Drop.DROP_POLICY_EGRESS], egress: ruleId(egress), ingress: undefined };
  if (!ingress.allow) return { allow: false, reasons: [Drop.DROP_POLICY_INGRESS], egress: undefined, ingress: ruleId(ingress) };
  return { allow: true, reasons: [], egress: told(egress), ingress: told(ingress) };
}

const fromHost = (scene: Scene, packet: Packet): boolean => scene.facts.hostAddresses.some((a) => a.equals(packet.source));

/** ICMP errors and the like follow their flow; policy is not asked. Protocols without ports have one flow a pair of addresses. */
function isJudged({ protocol, port, source, destination }: Packet, portless: Set<string>): boolean {
  if (protocol === ICMP) return ![3, 4, 5, 9, 11, 12].includes(port >> 8);
  if (protocol === ICMPV6) return port >> 8 >= 128;
  if (protocol !== 47) return true;
  const ends = [source.text, destination.text].sort().join();
  return !portless.has(ends) && portless.add(ends) !== undefined;
}

function matches(found: KernelOpinion, expected: KernelOpinion, scene: Scene, packet: Packet): boolean {
  if (found.allow !== expected.allow || found.egress !== expected.egress) return false;
  if (!found.allow && found.reasons.join() !== expected.reasons.join()) return false;
  return found.ingress === expected.ingress || (fromHost(scene, packet) && expected.allow);
}

describe.each([4, 6] as const)('IPv%i programs in the kernel', (family: Family) => {
  let kernel: KernelJudge;
  beforeAll(() => {
    kernel = new KernelJudge(family, devices.ifindexes[0]!);
  });
  afterAll(() => kernel?.close());

  it(`give the verdict and the rule of the policies themselves, ${pairs / 2} times`, { timeout: 3_600_000 }, async () => {
    const random = new Random(seed + family);
    const size: SceneSize = { ...SMALL, families: [family], pods: 2 * PODS };
    const seen = { allowed: 0, 'denied by a rule': 0, 'allowed by a rule': 0, denied: 0 };
    for (let judged = 0; judged < pairs / 2; ) {
      const scene = sceneOnDevices(random, { ...size, tiered: random.chance(0.7) });
      if (scene.facts.endpoints.length === 0 || scene.facts.endpoints.length > PODS) continue;
      await setImmediate(); // vitest's worker must get a word in during a long run
      kernel.load(compilePolicy(scene.snapshot, scene.facts), scene.facts);
      const portless = new Set<string>();
      for (let i = 0; i < PACKETS_A_SCENE; i++) {
        const packet = randomPacket(random, scene, [family]);
        if (!isJudged(packet, portless)) continue;
        const found = kernel.judge(packet, scene.facts);
        if (found === undefined) continue;
        const expected = expectedOf(scene, packet);
        judged++;
        const byRule = (expected.egress ?? 0n) !== 0n || (expected.ingress ?? 0n) !== 0n;
        seen[expected.allow ? (byRule ? 'allowed by a rule' : 'allowed') : byRule ? 'denied by a rule' : 'denied']++;
        if (!matches(found, expected, scene, packet)) expect.fail(describeDifference(scene, packet, found, expected));
      }
    }
    // Every way a verdict can come about must have been met, often.
    if (pairs >= 20_000) for (const [outcome, count] of Object.entries(seen)) expect(count, `seed ${seed}: ${outcome}`).toBeGreaterThan(pairs / 400);
  });
});

function describeDifference(scene: Scene, packet: Packet, found: KernelOpinion, expected: KernelOpinion): string {
  const text = (value: unknown): string => JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v));
  const flow = `${packet.source.text} -> ${packet.destination.text} protocol ${packet.protocol} port ${packet.port}`;
  return `seed ${seed}: ${flow}: kernel ${text(found)}, policies ${text(expected)}: ${text(evaluate(scene.snapshot, scene.facts, packet))}`;
}
