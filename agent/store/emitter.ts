import type { Clock } from '../base/clock.js';

export interface EmitterOptions {
  readonly clock: Clock;
  readonly minGapMs: number;
  readonly maxGapMs: number;
  readonly emit: () => void;
}

/**
 * Coalesces changes. It promises: a change after `minGapMs` of quiet is emitted
 * at once, with what is read in the same turn of the event loop; those that
 * follow it more closely once nothing has changed for `minGapMs`, never later
 * than `maxGapMs` after the first of them; and `emit` is never called from within `changed`.
 */
export class Emitter {
  readonly #options: EmitterOptions;
  readonly #closed = new AbortController();
  #pending = false;
  #lastChange = -Infinity;

  constructor(options: EmitterOptions) {
    this.#options = options;
  }

  changed(): void {
    const now = this.#options.clock.monotonic();
    const alone = now - this.#lastChange >= this.#options.minGapMs;
    this.#lastChange = now;
    if (this.#pending || this.#closed.signal.aborted) return;
    this.#pending = true;
    void this.#emitAfter(alone ? this.#options.clock.sleep(0) : this.#settled(now));
  }

  close(): void {
    this.#closed.abort();
  }

  async #emitAfter(wait: Promise<void>): Promise<void> {
    await wait;
    this.#pending = false;
    if (!this.#closed.signal.aborted) this.#options.emit();
  }

  /** The burst that began at `first` is over, or has lasted long enough. */
  async #settled(first: number): Promise<void> {
    const { clock, minGapMs, maxGapMs } = this.#options;
    const { signal } = this.#closed;
    while (!signal.aborted) {
      const left = Math.min(this.#lastChange + minGapMs, first + maxGapMs) - clock.monotonic();
      if (left <= 0) return;
      await clock.sleep(Math.ceil(left), signal);
    }
  }
}
