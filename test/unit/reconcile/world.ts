import type { EpochGate } from '../../../agent/reconcile/epoch.js';
import { Ledger } from '../../../agent/reconcile/ledger.js';
import { Reconciler } from '../../../agent/reconcile/reconciler.js';
import { MemoryTable } from './memory-table.js';

/** State of the tables that the tests use: `name -> key -> what it refers to`. */
export type State = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** What a row provides, by table, from its key; `T/C` is an entry of table T for class C. */
const PROVIDES: Readonly<Record<string, (key: string) => readonly string[]>> = {
  canal_rule: (key) => [`rows:${key.split('/')[0]}`],
  canal_table: (key) => {
    const [table, cls] = key.split('/');
    return cls === '0' ? [`table:${table}`] : [`table:${table}`, `class:${cls}`];
  },
  neighbour: (key) => [`neighbour:${key}`],
};

export const TABLES = ['attachment', 'link', 'neighbour', 'route', 'canal_rule', 'canal_table', 'canal_peer', 'canal_endpoint'] as const;

/** A reconciler over stateful tables: the kernel in memory. */
export class World {
  readonly journal: string[] = [];
  readonly tables = new Map(TABLES.map((name) => [name as string, new MemoryTable<readonly string[]>(name, this.journal)]));
  ledgers!: Map<string, Ledger<string, readonly string[]>>;
  reconciler!: Reconciler;
  nowMs = 0;
  epochValue = 2;
  epochFault = false;
  /** Tables whose changes were asked about: does this change a verdict? The answer is no. */
  readonly asked: string[] = [];
  /** Tables that are asked. */
  judging: readonly string[] = [];

  constructor() {
    this.restart();
  }

  /** A new agent over the same kernel. */
  restart(): void {
    this.ledgers = new Map(
      [...this.tables].map(([name, table]) => [
        name,
        new Ledger(table, {
          refers: (_key, row) => row,
          ...(PROVIDES[name] === undefined ? {} : { provides: PROVIDES[name] }),
          ...(this.judging.includes(name) ? { judges: () => (this.asked.push(name), false) } : {}),
        }),
      ]),
    );
    const epoch: EpochGate = {
      read: () => this.epochValue,
      write: (value) => {
        if (this.epochFault) throw new Error('no epoch');
        this.journal.push(`epoch ${value & 1 ? 'open' : 'settled'}`);
        this.epochValue = value;
      },
    };
    this.reconciler = new Reconciler([...this.ledgers.values()], epoch, () => this.nowMs);
  }

  want(state: State): void {
    const rows = (of: Readonly<Record<string, readonly string[]>> | undefined): { key: string; row: readonly string[] }[] =>
      Object.entries(of ?? {}).map(([key, row]) => ({ key, row }));
    for (const [name, ledger] of this.ledgers) ledger.want(rows(state[name]));
  }

  get state(): Record<string, Record<string, readonly string[]>> {
    return Object.fromEntries(
      [...this.tables].filter(([, t]) => t.rows.size > 0).map(([name, t]) => [name, Object.fromEntries([...t.rows].sort().map(([k, v]) => [k, v.row]))]),
    );
  }

  /** Where in the journal this act is; fails the test if it is nowhere. */
  at(act: string): number {
    const i = this.journal.indexOf(act);
    if (i < 0) throw new Error(`${act} never happened:\n${this.journal.join('\n')}`);
    return i;
  }
}
