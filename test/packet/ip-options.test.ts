import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Random, testSeed } from '../support/random.js';
import { SYN, TCP, tcp } from './frames.js';
import { Node } from './node.js';
import { makeDevices, type Devices } from './own-namespace.js';

const [END, NOP, LSRR, SSRR, ROUTER_ALERT] = [0, 1, 131, 137, 148];
let devices: Devices;
let node: Node;
beforeAll(() => {
  devices = makeDevices('cpi', 4);
  node = new Node(4, devices.ifindexes);
});
afterAll(() => {
  node?.plane.close();
  devices?.remove();
});

describe('options of IPv4 packets', () => {
  const seed = testSeed();
  beforeEach(() => node.reset());

  it(`are read as RFC 791 has them, whatever they are (CANAL_TEST_SEED=${seed})`, () => {
    const random = new Random(seed);
    const seen = new Map<string, number>();
    for (let n = 0; n < 2000; n++) {
      const options = randomOptions(random);
      const { reasons } = node.fromPod('a', { source: node.at.a, destination: node.at.b, protocol: TCP, body: tcp(40000, 80, SYN), options });
      expect(reasons, `options ${options.toString('hex')}`).toEqual(reasonsOf(options));
      seen.set(reasons.join(), (seen.get(reasons.join()) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual(['', 'DROP_IP_OPTIONS', 'DROP_UNPARSED']);
    expect(Math.min(...seen.values())).toBeGreaterThan(100);
  });

  it('are seen up to the last of 40 bytes', () => {
    for (let at = 0; at < 40; at++) {
      const options = Buffer.alloc(40, NOP);
      options[at] = SSRR;
      const { reasons } = node.fromPod('a', { source: node.at.a, destination: node.at.b, protocol: TCP, body: tcp(40000, 80, SYN), options });
      expect(reasons, `at ${at}`).toEqual(['DROP_IP_OPTIONS']);
    }
  });
});

/** 4 to 40 bytes, mostly of well-formed options. */
function randomOptions(random: Random): Buffer {
  const options = Buffer.alloc(4 * random.int(1, 10), random.pick([END, NOP, ROUTER_ALERT]));
  let at = 0;
  while (at < options.length && random.chance(0.9)) {
    const type = random.chance(0.7) ? random.pick([NOP, NOP, NOP, ROUTER_ALERT, 7, 68, 130]) : random.pick([END, LSRR, SSRR, random.below(256)]);
    const size = type <= NOP ? 1 : random.chance(0.95) ? random.int(2, 11) : random.pick([0, 1, 255]);
    options[at] = type;
    if (type > NOP && at + 1 < options.length) options[at + 1] = size;
    for (let i = at + 2; i < Math.min(at + size, options.length); i++) options[i] = random.below(256);
    at += Math.max(size, 1);
  }
  return options;
}

function reasonsOf(options: Buffer): string[] {
  for (let at = 0; at < options.length;) {
    const type = options[at]!;
    if (type === END) return [];
    if (type === LSRR || type === SSRR) return ['DROP_IP_OPTIONS'];
    const size = type === NOP ? 1 : options[at + 1];
    if (size === undefined || (type !== NOP && size < 2) || at + size > options.length) return ['DROP_UNPARSED'];
    at += size;
  }
  return [];
}
