import { describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { MapEditor } from '../../../agent/base/versioned-map.js';
import { compileOverlay, OverlayCompiler, type OverlayInput, type OverlayState } from '../../../agent/compile/overlay/overlay.js';
import { PeerCompiler } from '../../../agent/compile/overlay/peers.js';
import { parseNetConf } from '../../../agent/daemon/settings/net-conf.js';
import type { Node } from '../../../agent/model/objects.js';
import { Random, testSeed } from '../../support/random.js';

const seed = testSeed();
const OWN = Cidr.parse('10.42.255.0/24')!;

/** Few subnets and MACs, so that nodes collide. */
function randomNode(random: Random, name: string): Node {
  const subnet = Cidr.of(IpAddress.parse(`10.42.${random.pick([random.int(0, 12), 255])}.${random.int(0, 255)}`)!, random.chance(0.7) ? 24 : random.int(21, 27));
  const mac = `02:00:00:00:00:${random.int(16, 40)}`;
  const backendType = random.chance(0.9) ? 'vxlan' : 'host-gw';
  const lease = random.chance(0.9) ? { backendType, backendData: `{"VNI":1,"VtepMAC":"${mac}"}`, backendV6Data: undefined, publicIp: random.chance(0.9) ? IpAddress.parse(`192.168.1.${random.int(1, 30)}`) : undefined, publicIpV6: undefined } : undefined;
  return { name, labels: { turn: `${random.int(0, 9)}` }, podCidrs: random.chance(0.1) ? [] : [subnet], internalAddresses: [], lease, flannelAnnotations: {}, networkUnavailable: undefined };
}

/** Who is taken, by comparing each with each in the order of names; and who is left out because of whom. */
function byComparingAll(nodes: readonly Node[]): { readonly taken: string[]; readonly because: string[] } {
  const [taken, because]: [Node[], string[]] = [[], []];
  for (const one of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const { lease } = one;
    const subnet = one.podCidrs[0];
    if (lease?.backendType !== 'vxlan' || lease.publicIp === undefined || subnet === undefined) continue;
    const rival = overlap(OWN, subnet) ? 'own' : (taken.find((other) => overlap(other.podCidrs[0]!, subnet)) ?? taken.find((other) => other.lease!.backendData === lease.backendData))?.name;
    if (rival === undefined) taken.push(one);
    else because.push(`${one.name} ${rival}`);
  }
  return { taken: taken.map(({ name }) => name), because };
}

const overlap = (a: Cidr, b: Cidr): boolean => a.covers(b) || b.covers(a);

const self: Node = { name: 'n005x', labels: {}, podCidrs: [OWN], internalAddresses: [], lease: undefined, flannelAnnotations: {}, networkUnavailable: undefined };

describe('of nodes that collide', () => {
  it('the first by name is taken, whatever the lengths, as comparing each with each would', () => {
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    for (let round = 0; round < 100; round++) {
      const nodes = Array.from({ length: random.int(1, 40) }, (_, i) => randomNode(random, `n${String(i).padStart(3, '0')}`));
      const { leases, problems } = new PeerCompiler(self.name, [OWN], 4).sync(new Map(nodes.map((each) => [each.name, each])));
      const { taken, because } = byComparingAll(nodes);
      expect([...leases.keys()].sort(), `seed ${seed}, round ${round}`).toEqual(taken);
      const collisions = [...problems.values()].filter(({ message }) => message.includes('overlaps') || message.includes('is also'));
      const said = collisions.map(({ object, message }) => `${object.slice(5)} ${/own /.test(message) ? 'own' : /node (n\d+)/.exec(message)![1]}`);
      expect(said.sort(), `seed ${seed}, round ${round}`).toEqual(because.sort());
    }
  });
});

const told = (state: OverlayState): unknown => Object.entries(state).map(([part, value]) => [part, value instanceof Map || (value as object)[Symbol.toStringTag as keyof object] === 'Map' ? [...(value as ReadonlyMap<string, unknown>)].sort(([a], [b]) => (a < b ? -1 : 1)) : (value as unknown)]);

describe('the compiler of the overlay', () => {
  it('gives after any sequence of changes what a compile from nothing gives, and does not change what it gave away', () => {
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    for (let run = 0; run < 15; run++) {
      const compiler = new OverlayCompiler();
      const nodes = new MapEditor<string, Node>();
      const netConf = parseNetConf(`{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan","DirectRouting":${random.chance(0.5)}}}`, 'net-conf.json');
      const address = IpAddress.parse('192.168.1.200')!;
      let input: OverlayInput = { self, nodes: nodes.version(), netConf, uplink: { ifindex: 2, name: 'eth0', mtu: 1500, address, externalAddress: address }, vtepMac: '02:00:00:00:00:01', overlayIfindex: 9, onLink: () => false, blackholeRoute: false };
      nodes.set(self.name, self);
      let before: { readonly state: OverlayState; readonly told: unknown } | undefined;
      for (let step = 0; step < 60; step++) {
        for (let n = random.int(1, random.chance(0.1) ? 20 : 2); n > 0; n--) {
          const name = `n${String(random.int(0, 14)).padStart(3, '0')}`;
          if (random.chance(0.3)) nodes.delete(name);
          else nodes.set(name, randomNode(random, name));
        }
        if (random.chance(0.1)) input = { ...input, overlayIfindex: random.pick([undefined, 9, 10]) };
        if (random.chance(0.1)) input = { ...input, onLink: ((odd) => ({ bytes }) => (bytes[3]! & 1) === odd)(random.int(0, 1)) };
        if (random.chance(0.05)) input = { ...input, self: { ...self, podCidrs: [Cidr.parse(random.pick(['10.42.255.0/24', '10.42.3.0/24']))!] }, blackholeRoute: random.chance(0.5) };
        input = { ...input, nodes: nodes.version() };
        const state = compiler.compile(input) as OverlayState;
        expect(told(state), `seed ${seed}, run ${run}, step ${step}`).toEqual(told(compileOverlay(input) as OverlayState));
        if (before !== undefined) expect(told(before.state)).toEqual(before.told);
        before = { state, told: told(state) };
        expect(compiler.compile(input), 'nothing has changed').toBe(state);
      }
    }
  });

  it('gives the last state itself where nodes say nothing new of themselves that matters', () => {
    const random = new Random(seed);
    const compiler = new OverlayCompiler();
    const nodes = new MapEditor(new Map(Array.from({ length: 50 }, (_, i) => [`n${i}`, randomNode(random, `n${i}`)])));
    const address = IpAddress.parse('192.168.1.200')!;
    const input = { self, netConf: parseNetConf('{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan"}}', 'net-conf.json'), uplink: { ifindex: 2, name: 'eth0', mtu: 1500, address, externalAddress: address }, vtepMac: '02:00:00:00:00:01', overlayIfindex: 9, onLink: () => false, blackholeRoute: false };
    const state = compiler.compile({ ...input, nodes: nodes.version() });
    for (const name of [...nodes.keys()]) nodes.set(name, { ...nodes.get(name)!, labels: { other: 'labels' } });
    expect(compiler.compile({ ...input, nodes: nodes.version() })).toBe(state);
  });
});
