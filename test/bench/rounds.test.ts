import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bench } from '../../agent/bench/bench.js';
import { sectionOf } from '../../agent/bench/section.js';

/** A bench of one metric whose contender `bare` has no figure in its first measurements. */
async function benchWith(failures: number, resume?: string): Promise<{ readonly rounds: readonly number[]; readonly measured: number; readonly notices: readonly string[] }> {
  const notices: string[] = [];
  let [left, measured] = [failures, 0];
  const measure = (contender: string) => (): Promise<{ unit: string; value: number }> => {
    measured++;
    return contender === 'bare' && left-- > 0 ? Promise.reject(new Error('nothing was counted')) : Promise.resolve({ unit: '1/s', value: 10 });
  };
  const report = await bench({
    driver: { create: ({ contender }) => Promise.resolve({ measure: measure(contender), close: () => Promise.resolve() }) },
    sections: [sectionOf({ contenders: ['bare', 'canal-policy'], sizes: [{ policies: 1, cidrs: 1, services: 0 }], against: ['bare'], growth: false, paths: ['same'], metrics: ['rr'] })],
    rounds: 3, turns: 1, warmMs: 0, countMs: 1, perCpuSecond: false, resume, onRows: () => undefined, onNotice: (notice) => notices.push(notice),
  });
  return { rounds: report.rows.map(({ rounds }) => rounds), measured, notices };
}

it('takes a round again in which a contender that ratios are to has no figure', async () => {
  const { rounds, measured, notices } = await benchWith(2);
  expect({ rounds, measured }).toEqual({ rounds: [3, 3], measured: 2 * 5 });
  expect(notices.filter((notice) => notice === 'bare: nothing was counted')).toHaveLength(2);
  expect(notices.at(-1)).toContain('100 % done');
});

it('gives a round up after two more', async () => {
  expect(await benchWith(3)).toMatchObject({ rounds: [2, 2], measured: 2 * 5 });
});

it('keeps no part without figures: the run that goes on measures it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'canal-bench-'));
  try {
    const file = join(directory, 'measured.jsonl');
    expect((await benchWith(Infinity, file)).rounds).toEqual([]);
    expect(await benchWith(0, file)).toMatchObject({ rounds: [3, 3], measured: 2 * 3 });
    expect(await benchWith(0, file)).toMatchObject({ rounds: [3, 3], measured: 0 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
