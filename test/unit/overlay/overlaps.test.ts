import { expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { peerLeases } from '../../../agent/compile/overlay/lease.js';
import type { Node } from '../../../agent/model/objects.js';
import { testSeed } from '../../support/random.js';

const seed = testSeed();

it('takes of nodes with overlapping subnets the first by name, whatever the lengths, as comparing each with each would', () => {
  console.log(`seed ${seed}`);
  let state = seed;
  const random = (below: number): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8) % below;
  for (let round = 0; round < 50; round++) {
    const nodes = Array.from({ length: 60 }, (_, i) => node(i, Cidr.of(IpAddress.parse(`10.42.${random(256)}.${random(256)}`)!, 20 + random(8))));
    const { leases, problems } = peerLeases(nodes, node(1000, Cidr.parse('10.99.0.0/24')!), 4);
    const expected: Node[] = [];
    for (const one of nodes) if (!expected.some((other) => overlap(one.podCidrs[0]!, other.podCidrs[0]!))) expected.push(one);
    expect(leases.map((lease) => lease.node)).toEqual(expected.map(({ name }) => name));
    expect(problems).toHaveLength(nodes.length - expected.length);
  }
});

const overlap = (a: Cidr, b: Cidr): boolean => a.covers(b) || b.covers(a);

function node(i: number, podCidr: Cidr): Node {
  const mac = `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
  const lease = { backendType: 'vxlan', backendData: `{"VNI":1,"VtepMAC":"${mac}"}`, publicIp: IpAddress.parse(`192.168.1.${i & 255}`)! };
  return { name: `n${String(i).padStart(4, '0')}`, podCidrs: [podCidr], lease } as unknown as Node;
}
