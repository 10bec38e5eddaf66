import { describe, expect, it } from 'vitest';
import { CanalError } from '../../agent/base/errors.js';
import type { Table } from '../../agent/reconcile/table.js';

export interface Keyed<Key, Row> {
  readonly key: Key;
  readonly row: Row;
}

export interface ContractCase<Key, Row> {
  readonly table: Table<Key, Row>;
  /** Three rows or more with different keys, in an order that the kernel takes. */
  readonly rows: readonly Keyed<Key, Row>[];
  /** Another row under the first one's key. */
  readonly changed: Keyed<Key, Row>;
  /** A row that the kernel refuses; undefined where it takes all that the type allows. */
  readonly refused?: Keyed<Key, Row>;
  /** Puts things beside ours that are somebody else's. */
  readonly strangers?: () => void;
}

/** What every Table promises (agent/reconcile/table.ts), for real ones and fakes alike. `setUp` runs within the first test. */
export function tableContract<Key, Row>(name: string, setUp: () => ContractCase<Key, Row>): void {
  contract(name, setUp, true);
}

/** The same for a table of which the kernel takes every row that the type allows. */
export function tolerantTableContract<Key, Row>(name: string, setUp: () => ContractCase<Key, Row>): void {
  contract(name, setUp, false);
}

function contract<Key, Row>(name: string, setUp: () => ContractCase<Key, Row>, refuses: boolean): void {
  describe(`table ${name}`, () => {
    let made: ContractCase<Key, Row> | undefined;
    const given = (): ContractCase<Key, Row> => (made ??= setUp());
    const succeed = (outcomes: readonly (Error | undefined)[]): void => expect(outcomes.filter((e) => e !== undefined)).toEqual([]);

    it('lists nothing before anything is written, whatever strangers have', () => {
      given().strangers?.();
      expect([...given().table.list().keys()]).toEqual([]);
    });

    it('lists what was written, equal to what was asked for', () => {
      const { table, rows } = given();
      succeed(table.upsert(rows));
      expectRows(table, rows);
    });

    it('takes equal rows again', () => {
      const { table, rows } = given();
      succeed(table.upsert(rows));
      expectRows(table, rows);
    });

    it('sees a difference and replaces the row', () => {
      const { table, rows, changed } = given();
      expect(table.equal(table.list().get(table.keyText(changed.key))!.row, changed.row)).toBe(false);
      succeed(table.upsert([changed]));
      expectRows(table, [changed, ...rows.slice(1)]);
    });

    if (refuses) {
      it('fails a refused row alone, with errno and a subject that names table and key', () => {
        const { table, rows, refused } = given();
        if (refused === undefined) throw new Error('the case names no row that is refused');
        const [first, second, third] = table.upsert([rows[0]!, refused, rows[1]!]);
        expect([first, third]).toEqual([undefined, undefined]);
        expect(second).toBeInstanceOf(CanalError);
        expect(second).toMatchObject({ code: 'KERNEL', errno: expect.any(Number) as number });
        expect((second as CanalError).subject).toContain(table.keyText(refused.key));
        expect((second as CanalError).subject).toContain(table.name);
        expectRows(table, rows);
      });
    }

    it('removes rows, and those that are absent succeed', () => {
      const { table, rows } = given();
      succeed(table.remove([rows[1]!.key, rows[0]!.key, rows[1]!.key]));
      expectRows(table, rows.slice(2));
      succeed(table.remove(rows.map((row) => row.key)));
      expectRows(table, []);
    });
  });
}

function expectRows<Key, Row>(table: Table<Key, Row>, rows: readonly Keyed<Key, Row>[]): void {
  const listed = table.list();
  expect([...listed.keys()].sort()).toEqual(rows.map((row) => table.keyText(row.key)).sort());
  for (const { key, row } of rows) {
    const actual = listed.get(table.keyText(key))!;
    expect(table.keyText(actual.key)).toBe(table.keyText(key));
    expect(table.equal(actual.row, row), `${table.name} ${table.keyText(key)}`).toBe(true);
  }
}
