import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../agent/reconcile/scheduler.js';
import { ManualClock } from '../../support/manual-clock.js';

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
    await clock.advance(100);
    scheduler.trigger();
    await clock.advance(2);
    scheduler.trigger();
    scheduler.trigger();
    await clock.advance(98);
    expect(runs).toEqual([0, 100, 105]);
  });

  it('runs after the maximum gap when nobody asks', async () => {
    const { clock, runs } = setUp();
    await clock.advance(2500);
    expect(runs).toEqual([0, 1000, 2000]);
  });

  it('runs again when something is due, but not before the retry gap', async () => {
    const { clock, runs } = setUp((n) => (n === 1 ? 10 : n === 2 ? 250 : undefined));
    await clock.advance(400);
    expect(runs).toEqual([0, 50, 250]);
  });

  it('starts nothing after close and waits for the run in progress', async () => {
    const { clock, scheduler, runs } = setUp();
    await clock.advance(10);
    const closed = scheduler.close();
    await closed;
    scheduler.trigger();
    await clock.advance(3000);
    expect(runs).toEqual([0]);
  });
});
