import { expect, it } from 'vitest';
import { KnownRows } from '../../../agent/reconcile/known-rows.js';
import type { Keyed } from '../../../agent/reconcile/diff.js';
import { FakeTable } from '../../support/fake-table.js';
import { testSeed } from '../../support/random.js';

interface Row {
  readonly device: number;
  readonly value: number;
}

/** A table whose rows lie on devices. */
class DeviceTable extends FakeTable<string, Row> {
  lists = 0;

  constructor() {
    super({ name: 'on-devices' });
  }

  override list(): Map<string, Keyed<string, Row>> {
    this.lists++;
    return super.list();
  }

  listOn(devices: ReadonlySet<number>): Map<string, Keyed<string, Row>> {
    return new Map([...this.rows].filter(([, { row }]) => devices.has(row.device)));
  }

  deviceOf(row: Row): number {
    return row.device;
  }
}

const seed = testSeed();

it('knows what a list of all would say, asking only for devices that were named', () => {
  console.log(`seed ${seed}`);
  let state = seed;
  const random = (below: number): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8) % below;
  const table = new DeviceTable();
  const known = new KnownRows<string, Row>(table, { tokens: ({ row }) => [`value ${row.value}`], group: ({ row }) => row.value });
  known.refresh();
  for (let step = 0; step < 2000; step++) {
    const [key, device, value] = [`k${random(40)}`, 1 + random(5), random(6)];
    const before = table.rows.get(key)?.row.device;
    if (random(3) === 0) table.rows.delete(key);
    else table.rows.set(key, { key, row: { device, value } });
    known.forget(new Set([before ?? device, table.rows.get(key)?.row.device ?? device]));
    if (random(4) === 0) continue; // several notices, one look
    known.refresh();
    expect([...known.rows!].sort()).toEqual([...table.rows].sort());
    for (let v = 0; v < 6; v++) {
      const those = [...table.rows.values()].filter(({ row }) => row.value === v);
      expect(known.refersTo(`value ${v}`)).toBe(those.length > 0);
      expect([...known.grouped(v)].map((each) => each.key).sort()).toEqual(those.map((each) => each.key).sort());
    }
  }
  expect(table.lists).toBe(1);
});

it('lists all of a table that cannot tell what lies on a device', () => {
  const table = new DeviceTable();
  Object.assign(table, { listOn: undefined });
  const known = new KnownRows<string, Row>(table);
  known.refresh();
  table.rows.set('a', { key: 'a', row: { device: 1, value: 1 } });
  known.forget(new Set([7]));
  expect(known.refresh()).toBeUndefined();
  expect([...known.rows!.keys()]).toEqual(['a']);
});
