import { isFull, isNoDevice } from '../base/errors.js';
import type { Changes } from './diff.js';
import { isOpen, opened, settled, type EpochGate } from './epoch.js';
import type { AnyLedger } from './any-ledger.js';
import { ORDER, type Phase, type TableName } from './order.js';
import type { Outcome, RowTrouble } from './outcome.js';
import { plan, type PlannedPhase } from './plan.js';
import { blockedBy, inUse } from './relations.js';
import type { ToldRow } from './table.js';

export interface ApplyOptions {
  /** These tables only, where nothing else can have changed. */
  readonly only?: readonly TableName[] | undefined;
  /** False: write, remove nothing and swap nothing; for a state that is passed through on the way to another. */
  readonly prune?: boolean;
}

/**
 * Makes the kernel match the wishes in its ledgers: level-triggered, ordered,
 * idempotent. A row that fails stays dirty and is tried again with backoff;
 * rows that lean on it wait; all others go on. Throws nothing of the kernel's.
 */
export class Reconciler {
  readonly #ledgers: ReadonlyMap<string, AnyLedger>;

  constructor(
    ledgers: readonly AnyLedger[],
    private readonly epoch: EpochGate,
    private readonly monotonic: () => number,
    private readonly order: readonly Phase[] = ORDER,
  ) {
    this.#ledgers = new Map(ledgers.map((ledger) => [ledger.name, ledger]));
  }

  /** Forgets what these tables hold, or what they hold on some devices, so that the next apply asks the kernel. All of them without names. */
  invalidate(names?: readonly TableName[], devices?: ReadonlySet<number>): void {
    for (const ledger of this.#ledgers.values()) {
      if (names === undefined || names.some((name) => name === ledger.name)) ledger.invalidate(devices);
    }
  }

  /** The kernel tells of a row. @returns whether it is other than the books say: such a table is worth an apply */
  tell(name: TableName, told: ToldRow): boolean {
    return this.#ledgers.get(name)?.tell(told) === true;
  }

  /** See {@link AnyLedger.compare}. */
  compare(name: TableName, pause: () => Promise<boolean> | undefined): Promise<boolean> | undefined {
    return this.#ledgers.get(name)?.compare(pause);
  }

  /** Rows in the kernel by table, as last known. */
  sizes(): ReadonlyMap<string, number> {
    return new Map([...this.#ledgers].map(([name, ledger]) => [name, ledger.size ?? 0]));
  }

  /** One pass. */
  apply({ only, prune = true }: ApplyOptions = {}): Outcome {
    const chosen = [...this.#ledgers.values()].filter((l) => only === undefined || only.some((name) => name === l.name));
    const run = new Run(this.#ledgers, chosen, this.epoch, this.monotonic());
    const order = prune ? this.order : this.order.filter((phase) => phase.verb === 'upsert' && phase.rows !== 'changed');
    const phases = plan(run.changes(), order, (table, key) => this.#ledgers.get(table)!.has(key));
    phases.forEach((planned, i) => {
      run.phase(planned, phases.slice(i + 1));
      if (planned.phase.judged && !phases.slice(i + 1).some((later) => later.phase.judged)) run.settleEpoch();
    });
    run.settleEpoch();
    return run.finish();
  }
}

/** One apply. */
class Run {
  readonly #missing = new Set<string>();
  readonly #troubles: RowTrouble[] = [];
  readonly #writes = new Map<TableName, number>();
  readonly #mended: string[] = [];
  #blocked = 0;
  #judged = false;

  constructor(
    private readonly ledgers: ReadonlyMap<string, AnyLedger>,
    private readonly chosen: readonly AnyLedger[],
    private readonly epoch: EpochGate,
    private readonly nowMs: number,
  ) {}

  /** A table that cannot be listed takes no part in this apply, and what leans on it waits. */
  changes(): Map<string, Changes> {
    const all = new Map<string, Changes>();
    for (const ledger of this.chosen) {
      try {
        all.set(ledger.name, ledger.changes());
      } catch (error) {
        this.#troubles.push(trouble(ledger.name, '', error));
        for (const token of ledger.allProvided()) this.#missing.add(token);
      }
    }
    return all;
  }

  /** @param later what this apply comes to next */
  phase({ phase, keys }: PlannedPhase, later: readonly PlannedPhase[]): void {
    const ledger = this.ledgers.get(phase.table)!;
    const due = phase.verb === 'upsert' ? this.#writable(ledger, keys) : this.#removable(ledger, keys);
    if (due.length === 0) return;
    if (phase.judged && !this.#judged && (this.#opensAnyway(later) || ledger.judges(due, phase.verb)) && !this.#openEpoch()) {
      this.#miss(ledger, due, phase.verb);
      return;
    }
    for (const key of due) {
      if (ledger.cause(key, phase.verb) === 'mended') this.#mended.push(`${phase.table} ${key}`);
    }
    if (phase.verb === 'upsert') ledger.upsert(due, this.nowMs);
    else ledger.remove(due, this.nowMs);
    const failed = ledger.failures.size === 0 ? [] : due.filter((key) => ledger.failures.has(key));
    this.#miss(ledger, failed, phase.verb);
    this.#count(phase.table, due.length - failed.length);
  }

  /** Ends a change of policy, also one that a predecessor left open. An epoch of 0 has never been written: programs refuse to work with it. */
  settleEpoch(): void {
    try {
      const now = this.epoch.read();
      if (isOpen(now) || now === 0) {
        this.#judged = true;
        this.epoch.write(settled(now));
        this.#count('canal_config', 1);
      }
    } catch (error) {
      this.#troubles.push(trouble('canal_config', 'epoch', error));
    }
  }

  finish(): Outcome {
    let retryAtMs: number | undefined = this.#troubles.length > 0 ? this.nowMs + 1000 : undefined;
    for (const ledger of this.chosen) ledger.settle();
    for (const ledger of this.ledgers.values()) {
      for (const [key, failure] of ledger.failures) {
        this.#troubles.push(trouble(ledger.name, key, failure.error));
        retryAtMs = Math.min(retryAtMs ?? Infinity, failure.retryAtMs);
      }
    }
    const writes = new Map([...this.#writes].filter(([, n]) => n > 0));
    return { writes, mended: this.#mended, troubles: this.#troubles, blocked: this.#blocked, judged: this.#judged, retryAtMs };
  }

  /** Then whether it must open now need not be found out, which for a pod that comes means looking at thousands of entries. */
  #opensAnyway(later: readonly PlannedPhase[]): boolean {
    return later.some(({ phase, keys }) => {
      const ledger = this.ledgers.get(phase.table)!;
      return phase.judged && ledger.alwaysJudges && keys.some((key) => !ledger.resting(key, phase.verb, this.nowMs));
    });
  }

  #writable(ledger: AnyLedger, keys: readonly string[]): readonly string[] {
    if (this.#missing.size === 0 && ledger.failures.size === 0) return keys;
    return keys.filter((key) => {
      const blocked = this.#missing.size > 0 && blockedBy(ledger.refers(key), this.#missing) !== undefined;
      if (blocked) this.#blocked++;
      if (!blocked && !ledger.resting(key, 'upsert', this.nowMs)) return true;
      this.#miss(ledger, [key], 'upsert');
      return false;
    });
  }

  #removable(ledger: AnyLedger, keys: readonly string[]): string[] {
    const referred = (token: string): boolean => [...this.ledgers.values()].some((other) => other.refersNow(token));
    const wanted = (token: string): boolean => ledger.wants(token);
    return keys.filter((key) => {
      if (!ledger.has(key) || ledger.resting(key, 'remove', this.nowMs)) return false;
      const used = ledger.shared && inUse(ledger.provides(key, 'actual'), referred, wanted);
      const early = this.#missing.size > 0 && blockedBy(ledger.after(key), this.#missing) !== undefined;
      if (used || early) this.#blocked++;
      return !used && !early;
    });
  }

  #miss(ledger: AnyLedger, keys: readonly string[], verb: 'upsert' | 'remove'): void {
    if (verb === 'remove') return;
    for (const key of keys) for (const token of ledger.provides(key, 'desired')) this.#missing.add(token);
  }

  #count(table: TableName, rows: number): void {
    this.#writes.set(table, (this.#writes.get(table) ?? 0) + rows);
  }

  #openEpoch(): boolean {
    if (this.#judged) return true;
    try {
      this.epoch.write(opened(this.epoch.read()));
      this.#count('canal_config', 1);
      this.#judged = true;
      return true;
    } catch (error) {
      this.#troubles.push(trouble('canal_config', 'epoch', error));
      return false;
    }
  }
}

function trouble(table: string, key: string, error: unknown): RowTrouble {
  return { table, key, message: error instanceof Error ? error.message : String(error), full: isFull(error), gone: isNoDevice(error) };
}
