import type { Clock } from '../base/clock.js';

export interface EmitterOptions {
  readonly clock: Clock;
  readonly minGapMs: number;
  readonly maxGapMs: number;
  readonly emit: () => void;
}

/**
 * Coalesces changes. It promises: `emit` is called once after each burst, when
 * nothing has changed for `minGapMs`; never later than `maxGapMs` after the
 * first change that was not emitted; and never from within `changed`.
 */
export class Emitter {
  readonly #options: EmitterOptions;
  readonly #closed = new AbortController();
  #pending = false;
  #lastChange = 0;

  constructor(options: EmitterOptions) {
    this.#options = options;
  }

  changed(): void {
    this.#lastChange = this.#options.clock.monotonic();
    if (this.#pending || this.#closed.signal.aborted) return;
    this.#pending = true;
    void this.#settle(this.#lastChange);
  }

  close(): void {
    this.#closed.abort();
  }

  async #settle(first: number): Promise<void> {
    const { clock, minGapMs, maxGapMs, emit } = this.#options;
    const { signal } = this.#closed;
    for (;;) {
      const due = Math.min(this.#lastChange + minGapMs, first + maxGapMs);
      const left = due - clock.monotonic();
      if (left <= 0 || signal.aborted) break;
      await clock.sleep(Math.ceil(left), signal);
    }
    this.#pending = false;
    if (!signal.aborted) emit();
  }
}
