import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lab } from '../../../agent/lab/lab.js';
import { startTestLab } from '../../lab/cluster.js';
import { CASES } from './cases.js';
import { NetpolWorld } from './world.js';

let lab: Lab;
let world: NetpolWorld;

beforeAll(async () => {
  lab = await startTestLab('netpol', { nodes: 2 });
  world = new NetpolWorld(lab);
  await world.createNamespaces();
});
afterAll(() => lab?.close());

const PLACES: readonly (readonly [title: string, nodeOf: (index: number) => string])[] = [
  ['over VXLAN between two nodes', (index) => `node${(index % 2) + 1}`],
  ['on one node', () => 'node1'],
];

for (const [title, nodeOf] of PLACES) {
  describe(`Kubernetes network policy suite, ${title}`, () => {
    beforeAll(() => world.createPods(nodeOf));
    afterAll(() => world.deletePods());
    for (const one of CASES) it(one.name, () => world.run(one).finally(() => world.reset(one)));
  });
}

it('every case of the suite has a name of its own', () => {
  expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
});
