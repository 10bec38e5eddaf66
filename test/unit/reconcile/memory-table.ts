import { CanalError } from '../../../agent/base/errors.js';
import type { Table } from '../../../agent/reconcile/table.js';

/**
 * A table that holds real state, counts what is done to it, writes every act
 * into a shared journal, and can be told to fail as the kernel does.
 */
export class MemoryTable<Row> implements Table<string, Row> {
  readonly rows = new Map<string, { key: string; row: Row }>();
  readonly faults = new Map<string, number>(); // key -> errno
  listFault: number | undefined;
  capacity = Infinity;
  lists = 0;

  constructor(
    readonly name: string,
    private readonly journal: string[] = [],
  ) {}

  list(): Map<string, { key: string; row: Row }> {
    this.lists++;
    if (this.listFault !== undefined) throw this.#error('', this.listFault);
    return new Map(this.rows);
  }

  keyText(key: string): string {
    return key;
  }

  equal(a: Row, b: Row): boolean {
    return JSON.stringify(a) === JSON.stringify(b);
  }

  upsert(rows: readonly { key: string; row: Row }[]): (Error | undefined)[] {
    return rows.map((row) => {
      const errno = this.faults.get(row.key) ?? (!this.rows.has(row.key) && this.rows.size >= this.capacity ? 7 : undefined);
      if (errno !== undefined) return this.#error(row.key, errno);
      this.journal.push(`+${this.name} ${row.key}`);
      this.rows.set(row.key, row);
      return undefined;
    });
  }

  remove(keys: readonly string[]): (Error | undefined)[] {
    return keys.map((key) => {
      const errno = this.faults.get(key);
      if (errno !== undefined) return this.#error(key, errno);
      this.journal.push(`-${this.name} ${key}`);
      this.rows.delete(key);
      return undefined;
    });
  }

  #error(key: string, errno: number): CanalError {
    return new CanalError('KERNEL', `${this.name} ${key}: errno ${errno}`, { subject: `${this.name} ${key}`, errno });
  }
}
