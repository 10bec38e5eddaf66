import type { RowChanges } from './rows.js';

/** Gathers what becomes of a table's rows; of several words on one key the last counts. */
export class ChangedRows<Key, Row> {
  readonly #put = new Map<string, { readonly key: Key; readonly row: Row }>();
  readonly #gone = new Map<string, Key>();

  constructor(private readonly textOf: (key: Key) => string) {}

  put(key: Key, row: Row): void {
    const text = this.textOf(key);
    this.#gone.delete(text);
    this.#put.set(text, { key, row });
  }

  gone(key: Key): void {
    const text = this.textOf(key);
    this.#put.delete(text);
    this.#gone.set(text, key);
  }

  take(): RowChanges<Key, Row> {
    return { put: [...this.#put.values()], gone: [...this.#gone.values()] };
  }
}
