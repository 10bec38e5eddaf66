import { describe, expect, it } from 'vitest';
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

it('knows what a list of all would say, asking only for devices that were named, or about which something else was told than was known', () => {
  console.log(`seed ${seed}`);
  let state = seed;
  const random = (below: number): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8) % below;
  const table = new DeviceTable();
  const known = new KnownRows<string, Row>(table, { tokens: ({ row }) => [`value ${row.value}`], group: ({ row }) => row.value });
  known.refresh();
  const told = new Set<string>();
  for (let step = 0; step < 2000; step++) {
    const [key, device, value] = [`k${random(40)}`, 1 + random(5), random(6)];
    const before = table.rows.get(key)?.row.device;
    if (random(3) === 0) table.rows.delete(key);
    else table.rows.set(key, { key, row: { device, value } });
    const now = table.rows.get(key)?.row;
    if (random(2) === 0) known.forget(new Set([before ?? device, now?.device ?? device]));
    else told.add(known.tell({ key, text: key, row: now, device: now?.device ?? before ?? device }));
    if (random(4) === 0) continue; // several notices, one look
    known.refresh();
    expect([...known.rows!].sort()).toEqual([...table.rows].sort());
    for (let v = 0; v < 6; v++) {
      const those = [...table.rows.values()].filter(({ row }) => row.value === v);
      expect(known.refersTo(`value ${v}`)).toBe(those.length > 0);
      expect(known.hasGroup(v)).toBe(those.length > 0);
      expect([...known.grouped(v)].map((each) => each.key).sort()).toEqual(those.map((each) => each.key).sort());
    }
  }
  expect([...told].sort()).toEqual(['as known', 'one more', 'stale']);
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

/** A table that is read beside the loop, a row at a time. */
class LongTable extends FakeTable<string, number> {
  /** Called between the call and the moment that the answer tells of, and after it. */
  before = (): void => undefined;
  after = (): void => undefined;

  constructor() {
    super({ name: 'long' });
    for (let i = 0; i < 40; i++) this.rows.set(`k${i}`, { key: `k${i}`, row: i });
  }

  async listLater(): Promise<Iterable<Keyed<string, number>>> {
    await Promise.resolve();
    this.before();
    const now = [...this.rows.values()];
    this.after();
    return now;
  }
}

describe('a comparison beside the loop', () => {
  const pause = (): undefined => undefined;
  const start = (): { table: LongTable; known: KnownRows<string, number> } => {
    const table = new LongTable();
    const known = new KnownRows<string, number>(table);
    known.refresh();
    return { table, known };
  };

  it.each([
    ['has a row more', (table: LongTable) => table.rows.set('stray', { key: 'stray', row: 1 })],
    ['has a row less', (table: LongTable) => table.rows.delete('k7')],
    ['has another row', (table: LongTable) => table.rows.set('k7', { key: 'k7', row: 8 })],
  ])('sees that the kernel %s', async (_what, change) => {
    const { table, known } = start();
    expect(await known.compare(pause)).toBe(true);
    change(table);
    expect(await known.compare(pause)).toBe(false);
    known.forget();
    known.refresh();
    expect(await known.compare(pause)).toBe(true);
  });

  it('is not misled by what is written while it goes on, and still sees what somebody else did', async () => {
    console.log(`seed ${seed}`);
    let state = seed;
    const random = (below: number): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8) % below;
    for (let turn = 0; turn < 300; turn++) {
      const { table, known } = start();
      const write = (): void => {
        const key = `k${random(60)}`;
        const row = random(2) === 0 ? undefined : { key, row: random(1000) };
        if (row === undefined) table.rows.delete(key);
        else table.rows.set(key, row);
        known.store(key, row);
      };
      const writes = (): void => {
        for (let n = random(4); n > 0; n--) write();
      };
      const tampered = random(2) === 0;
      if (tampered) table.rows.delete(`k${random(40)}`);
      [table.before, table.after] = [writes, writes];
      const lost = [...known.rows!.keys()].filter((key) => !table.rows.has(key));
      const same = await known.compare(() => (random(5) === 0 ? Promise.resolve().then(() => (writes(), true)) : undefined));
      const mended = lost.every((key) => table.rows.has(key) || !known.rows!.has(key));
      expect(same, `turn ${turn}`).toBe(!tampered || mended);
    }
  });

  it('ends without an answer that matters when nobody wants it any more, or all was listed anew', async () => {
    const { table, known } = start();
    table.rows.delete('k3');
    expect(await known.compare(() => Promise.resolve(false))).toBe(true);
    table.after = () => known.forget();
    expect(await known.compare(pause)).toBe(true);
  });
});
