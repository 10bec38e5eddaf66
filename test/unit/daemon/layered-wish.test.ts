import { expect, it } from 'vitest';
import { MapEditor } from '../../../agent/base/versioned-map.js';
import { followed, LayeredWish } from '../../../agent/daemon/layered-wish.js';
import { Ledger } from '../../../agent/reconcile/ledger.js';
import { FakeTable } from '../../support/fake-table.js';
import { Random, testSeed } from '../../support/random.js';

const twoRows = (key: string, row: number) => [{ key, row }, { key: `${key}'`, row }];

it('wants the rows of pods, of peers where no pod has the key, and of the node where neither has, after any sequence of changes, and what is written follows', () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  for (let run = 0; run < 60; run++) {
    const table = new FakeTable<string, number>({ name: 'layers' });
    const ledger = new Ledger(table);
    const wish = new LayeredWish<string, number>(ledger);
    const [peers, pods] = [new MapEditor<string, number>(), new MapEditor<string, number>()];
    let node: readonly { readonly key: string; readonly row: number }[] = [];
    for (let step = 0; step < 30; step++) {
      if (random.chance(0.3)) node = ['a', 'b', "b'", 'x'].filter(() => random.chance(0.5)).map((key) => ({ key, row: random.int(0, 2) }));
      for (let n = random.int(0, 2); n > 0; n--) {
        const [layer, key] = [random.pick([peers, pods]), random.pick(['a', 'b', 'c', 'd'])];
        if (random.chance(0.4)) layer.delete(key);
        else layer.set(key, random.int(3, 9));
      }
      if (random.chance(0.1)) {
        ledger.want([{ key: 'foreign', row: 9 }]); // as where the overlay is held
        wish.forget();
      }
      wish.want(node, () => node, followed(peers.version(), twoRows), followed(pods.version(), twoRows));
      const wanted = new Map(node.map(({ key, row }) => [key, row]));
      for (const layer of [peers, pods]) for (const [key, row] of layer.version()) wanted.set(key, row).set(`${key}'`, row);
      expect([...ledger.desired.values()].map(({ key, row }) => [key, row]).sort(), `seed ${seed}, run ${run}, step ${step}`).toEqual([...wanted].sort());
      const { put, gone } = ledger.changes();
      ledger.upsert(put, 0);
      ledger.remove(gone, 0);
      expect([...table.rows.values()].map(({ key, row }) => [key, row]).sort()).toEqual([...wanted].sort());
    }
  }
});
