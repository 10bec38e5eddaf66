import { CanalError } from '../../agent/base/errors.js';
import type { Table } from '../../agent/reconcile/table.js';

export interface FakeTableOptions<Key, Row> {
  readonly name: string;
  readonly keyText?: (key: Key) => string;
  readonly equal?: (actual: Row, desired: Row) => boolean;
  /** Rows it holds at most; more fail with E2BIG, as a full hash map. */
  readonly capacity?: number;
}

const E2BIG = 7;

/** A table in memory that keeps the contract of the real ones (test/kernel/table-contract.ts runs on it too) and can be told to fail. */
export class FakeTable<Key, Row> implements Table<Key, Row> {
  readonly name: string;
  /** The "kernel": tests may change it behind the table's back. */
  readonly rows = new Map<string, { readonly key: Key; readonly row: Row }>();
  /** Errno with which writes of this key fail. */
  readonly faults = new Map<string, number>();
  /** Rows written or removed. */
  writes = 0;

  constructor(private readonly options: FakeTableOptions<Key, Row>) {
    this.name = options.name;
  }

  list(): Map<string, { readonly key: Key; readonly row: Row }> {
    return new Map(this.rows);
  }

  keyText(key: Key): string {
    return this.options.keyText?.(key) ?? String(key);
  }

  equal(actual: Row, desired: Row): boolean {
    return this.options.equal?.(actual, desired) ?? Object.is(actual, desired);
  }

  upsert(rows: readonly { readonly key: Key; readonly row: Row }[]): (Error | undefined)[] {
    return rows.map((row) => {
      const key = this.keyText(row.key);
      const full = !this.rows.has(key) && this.rows.size >= (this.options.capacity ?? Infinity);
      const errno = this.faults.get(key) ?? (full ? E2BIG : undefined);
      if (errno !== undefined) return this.failure(key, errno);
      this.rows.set(key, row);
      this.writes++;
      return undefined;
    });
  }

  remove(keys: readonly Key[]): (Error | undefined)[] {
    return keys.map((key) => {
      const text = this.keyText(key);
      const errno = this.faults.get(text);
      if (errno !== undefined) return this.failure(text, errno);
      if (this.rows.delete(text)) this.writes++;
      return undefined;
    });
  }

  private failure(key: string, errno: number): CanalError {
    return new CanalError('KERNEL', `${this.name}: errno ${errno}`, { subject: `${this.name} ${key}`, errno });
  }
}
