import type { Clock } from '../base/clock.js';
import type { Problem } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { mergeOutcomes, totalWrites, type Outcome, type RowTrouble } from '../reconcile/outcome.js';

/** Rows that one log line names at most. */
const NAMED = 20;

/** Remembers what applies did, for status and metrics, and tells the log: one line for each apply that changed something. */
export class ApplyRecord {
  /** Completed applies. */
  applies = 0;
  /** Kernel writes of the first; 0 after a restart with nothing changed. */
  firstWrites = 0;
  lastAtMs = 0;
  lastMs = 0;
  troubles: readonly RowTrouble[] = [];
  blocked = 0;
  /** Why the last apply could not be made at all; undefined: it was. */
  error: string | undefined;
  readonly writes = new Map<string, number>();
  readonly mended = new Map<string, number>();
  onDuration: (seconds: number) => void = () => undefined;
  #told = '';
  /** Troubles of the last apply whose device had gone. */
  #gone: ReadonlySet<string> = new Set();
  #toldOverlay = '';
  #toldDirect: string | undefined;

  constructor(
    private readonly log: Logger,
    private readonly clock: Clock,
  ) {}

  applied(rounds: readonly Outcome[], ms: number): void {
    const outcome = mergeOutcomes(rounds);
    const writes = totalWrites(outcome);
    this.applies++;
    this.lastAtMs = this.clock.now();
    this.lastMs = ms;
    this.error = undefined;
    this.troubles = rounds.at(-1)!.troubles;
    this.blocked = rounds.at(-1)!.blocked;
    this.onDuration(ms / 1000);
    for (const [table, n] of outcome.writes) this.writes.set(table, (this.writes.get(table) ?? 0) + n);
    for (const row of outcome.mended) this.#count(row.split(' ')[0]!);
    this.#tell(outcome, writes, ms);
  }

  failed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== this.error) this.log.error({ err: error }, 'apply failed, will retry');
    this.error = text;
  }

  /** Told once when it comes and once when it goes. */
  overlayProblem(problem: Problem | undefined): void {
    const text = problem === undefined ? '' : `${problem.object} ${problem.field} ${problem.message}`;
    if (text === this.#toldOverlay) return;
    this.#toldOverlay = text;
    if (problem === undefined) this.log.info('overlay is as it should be again');
    else this.log.warn({ problem }, 'overlay cannot be made as it should be');
  }

  /** Says once that, and why, the overlay's packets take the way through its device. */
  directObstacle(reason: string | undefined): void {
    if (reason === this.#toldDirect) return;
    this.#toldDirect = reason;
    if (reason === undefined) this.log.info('VXLAN is written and taken off by the programs again');
    else this.log.warn({ reason }, 'VXLAN goes through the overlay device, which is slower');
  }

  #count(table: string): void {
    this.mended.set(table, (this.mended.get(table) ?? 0) + 1);
  }

  #tell(outcome: Outcome, kernelWrites: number, ms: number): void {
    const tookMs = Math.round(ms * 10) / 10;
    const writes = Object.fromEntries(outcome.writes);
    if (this.applies === 1) {
      this.firstWrites = kernelWrites;
      this.log.info({ kernelWrites, writes, tookMs }, 'kernel state applied for the first time');
    } else if (outcome.mended.length > 0) {
      this.log.info({ mended: outcome.mended.slice(0, NAMED), rows: outcome.mended.length, kernelWrites, tookMs }, 'kernel state mended');
    } else if (kernelWrites > 0) {
      this.log.info({ kernelWrites, writes, tookMs }, 'kernel state applied');
    }
    this.#tellTroubles();
  }

  /** A device that went between look and write, as pods' do, is no trouble until the next apply wants it still. */
  #tellTroubles(): void {
    const before = this.#gone;
    this.#gone = new Set(this.troubles.filter(({ gone }) => gone).map(nameOf));
    const troubles = this.troubles.filter((trouble) => !trouble.gone || before.has(nameOf(trouble)));
    const signature = troubles.map(nameOf).join('\n');
    if (signature === this.#told) return;
    this.#told = signature;
    if (troubles.length === 0) this.log.info('all rows are in the kernel again');
    else this.log.warn({ rows: troubles.length, blocked: this.blocked, troubles: troubles.slice(0, NAMED) }, 'rows cannot be written, will retry');
  }
}

const nameOf = ({ table, key, message }: RowTrouble): string => `${table} ${key} ${message}`;
