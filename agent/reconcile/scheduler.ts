import type { Clock } from '../base/clock.js';

/**
 * When to run. Three promises:
 * two runs never start closer together than `minGapMs`;
 * a run starts at least every `maxGapMs`, asked for or not;
 * after a run that says when something is due again, the next one starts then, but not before `retryGapMs`.
 */
export interface Gaps {
  readonly minGapMs: number;
  readonly maxGapMs: number;
  readonly retryGapMs: number;
}

export const APPLY_GAPS: Gaps = { minGapMs: 5, maxGapMs: 60_000, retryGapMs: 100 };

/** Runs one thing, never twice at once; requests made meanwhile become one more run. */
export class Scheduler {
  #wake: (() => void) | undefined;
  #asked = false;
  #closed = false;
  #loop: Promise<void> | undefined;

  constructor(
    /** Does the work; returns the monotonic time at which it wants to run again, if any. Must not throw. */
    private readonly run: () => Promise<number | undefined>,
    private readonly clock: Clock,
    private readonly gaps: Gaps = APPLY_GAPS,
  ) {}

  start(): void {
    this.#loop ??= this.#forever();
  }

  /** Asks for a run, soon. */
  trigger(): void {
    this.#asked = true;
    this.#wake?.();
  }

  /** Lets the run in progress finish; none starts afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await this.#loop;
  }

  async #forever(): Promise<void> {
    while (!this.#closed) {
      this.#asked = false;
      const startMs = this.clock.monotonic();
      const dueMs = await this.run();
      const endMs = this.clock.monotonic();
      const retryMs = dueMs === undefined ? Infinity : Math.max(dueMs, endMs + this.gaps.retryGapMs);
      await this.#idle(Math.min(retryMs, startMs + this.gaps.maxGapMs));
      const earlyMs = startMs + this.gaps.minGapMs - this.clock.monotonic();
      if (earlyMs > 0 && !this.#closed) await this.clock.sleep(earlyMs);
    }
  }

  /** Until somebody asks, or until `untilMs`. */
  async #idle(untilMs: number): Promise<void> {
    if (this.#asked || this.#closed) return;
    const waitMs = untilMs - this.clock.monotonic();
    if (waitMs <= 0) return;
    const stop = new AbortController();
    this.#wake = () => stop.abort(WOKEN);
    await this.clock.sleep(waitMs, stop.signal);
    this.#wake = undefined;
  }
}

/** A reason made once: the default one is an error with a stack, at each wake. */
const WOKEN = 'woken';
