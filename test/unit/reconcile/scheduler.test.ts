import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../agent/base/clock.js';
import { Scheduler } from '../../../agent/reconcile/scheduler.js';

/** A clock that stands still until it is told to go on. */
class ManualClock implements Clock {
  #nowMs = 0;
  #sleepers: { atMs: number; wake: () => void }[] = [];

  now = (): number => this.#nowMs;
  monotonic = (): number => this.#nowMs;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake });
      signal?.addEventListener('abort', () => wake(), { once: true });
    });
  }

  async to(ms: number): Promise<void> {
    for (; this.#nowMs < ms; this.#nowMs++) {
      for (const s of this.#sleepers.filter((s) => s.atMs <= this.#nowMs)) s.wake();
      this.#sleepers = this.#sleepers.filter((s) => s.atMs > this.#nowMs);
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  }
}

const GAPS = { minGapMs: 5, maxGapMs: 1000, retryGapMs: 50 };

function setUp(due: (run: number) => number | undefined = () => undefined): { clock: ManualClock; scheduler: Scheduler; runs: number[] } {
  const clock = new ManualClock();
  const runs: number[] = [];
  const scheduler = new Scheduler(() => Promise.resolve(due(runs.push(clock.monotonic()))), clock, GAPS);
  scheduler.start();
  return { clock, scheduler, runs };
}

describe('scheduler', () => {
  it('runs at once when asked after a rest, and never twice within the minimum gap', async () => {
    const { clock, scheduler, runs } = setUp();
    await clock.to(100);
    scheduler.trigger();
    await clock.to(102);
    scheduler.trigger();
    scheduler.trigger();
    await clock.to(200);
    expect(runs).toEqual([0, 100, 105]);
  });

  it('runs after the maximum gap when nobody asks', async () => {
    const { clock, runs } = setUp();
    await clock.to(2500);
    expect(runs).toEqual([0, 1000, 2000]);
  });

  it('runs again when something is due, but not before the retry gap', async () => {
    const { clock, runs } = setUp((n) => (n === 1 ? 10 : n === 2 ? 250 : undefined));
    await clock.to(400);
    expect(runs).toEqual([0, 50, 250]);
  });

  it('starts nothing after close and waits for the run in progress', async () => {
    const { clock, scheduler, runs } = setUp();
    await clock.to(10);
    const closed = scheduler.close();
    await closed;
    scheduler.trigger();
    await clock.to(3000);
    expect(runs).toEqual([0]);
  });
});
