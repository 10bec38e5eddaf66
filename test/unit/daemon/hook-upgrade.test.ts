import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { upgradeHooks } from '../../../agent/daemon/hook-upgrade.js';
import { ManualClock } from '../../support/manual-clock.js';

describe('pods\' programs', () => {
  it('move one after another with a pause, go on past one that cannot, and look again later', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const moved: number[] = [];
    const waiting = ['a', 'refused', 'b'];
    const upgradeHook = (): Promise<boolean> => {
      const next = waiting.shift();
      if (next === undefined) return Promise.resolve(false);
      moved.push(clock.monotonic());
      return next === 'refused' ? Promise.reject(new Error('ENODEV')) : Promise.resolve(true);
    };
    const run = upgradeHooks({ upgradeHook }, clock, pino({ level: 'silent' }), stop.signal);
    for (let i = 0; i < 200; i++) await clock.advance(10);
    expect(moved).toEqual([1000, 1050, 1100]);
    waiting.push('c', 'd');
    for (let i = 0; i < 100; i++) await clock.advance(10);
    expect(moved.length).toBe(5);
    stop.abort();
    await run;
    waiting.push('e');
    await clock.advance(10_000);
    expect(moved.length).toBe(5);
  });
});
