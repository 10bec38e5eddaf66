import { CanalError } from '../../../agent/base/errors.js';
import { FakeTable } from '../../support/fake-table.js';

/** A fake table of plain keys that writes every act into a shared journal and whose list can fail too. */
export class MemoryTable<Row> extends FakeTable<string, Row> {
  listFault: number | undefined;
  lists = 0;
  readonly #limits: { readonly name: string; capacity: number };

  constructor(
    name: string,
    private readonly journal: string[] = [],
  ) {
    const limits = { name, capacity: Infinity, equal: (a: Row, b: Row) => JSON.stringify(a) === JSON.stringify(b) };
    super(limits);
    this.#limits = limits;
  }

  set capacity(rows: number) {
    this.#limits.capacity = rows;
  }

  override list(): Map<string, { readonly key: string; readonly row: Row }> {
    this.lists++;
    if (this.listFault !== undefined) throw new CanalError('KERNEL', `${this.name}: errno ${this.listFault}`, { errno: this.listFault });
    return super.list();
  }

  override upsert(rows: readonly { readonly key: string; readonly row: Row }[]): (Error | undefined)[] {
    const outcomes = super.upsert(rows);
    rows.forEach(({ key }, i) => outcomes[i] === undefined && this.journal.push(`+${this.name} ${key}`));
    return outcomes;
  }

  override remove(keys: readonly string[]): (Error | undefined)[] {
    const outcomes = super.remove(keys);
    keys.forEach((key, i) => outcomes[i] === undefined && this.journal.push(`-${this.name} ${key}`));
    return outcomes;
  }
}
