import { describe, expect, it } from 'vitest';
import { bottleneck, conntrackState, type ConntrackState, type LoadLimits } from '../../agent/bench/bottleneck.js';
import { chartsOf } from '../../agent/bench/chart.js';
import { markdownOf } from '../../agent/bench/markdown.js';
import { rowOf, type Report, type Row } from '../../agent/bench/report.js';
import { sectionOf } from '../../agent/bench/section.js';
import { suiteOf } from '../../agent/bench/suites.js';
import { textOf } from '../../agent/bench/text.js';

const what = { scenario: 's', path: 'same', contender: 'b', against: 'a', unit: 'u' } as const;

describe('the row of a result', () => {
  it('takes ratios within a round, and leaves out rounds in which one gave no number', () => {
    expect(rowOf({ ...what, metric: 'rr' }, [[20, 10], [10, 20], [5, undefined]])).toMatchObject({ rounds: 2, ratio: { median: 1.25, min: 0.5, max: 2 }, value: { median: 15, unit: 'u' } });
  });

  it('calls a shorter latency better', () => {
    expect(rowOf({ ...what, metric: 'first-packet' }, [[5, 10]])!.ratio.median).toBe(2);
  });

  it('is absent when there is no figure at all', () => {
    expect(rowOf({ ...what, metric: 'rr' }, [[undefined, 10], [undefined, 11]])).toBeUndefined();
  });
});

describe('a section', () => {
  const small = { policies: 1, cidrs: 1, services: 10 };
  const large = { policies: 1, cidrs: 1, services: 1000 };
  const plan = { contenders: ['bare', 'felix', 'canal-everything'], against: ['bare'], paths: ['same'], metrics: ['crr'] } as const;

  it('builds one lab for what no size changes, and compares it with every size', () => {
    const { entries, rows } = sectionOf({ ...plan, sizes: [small, large], growth: false });
    expect(entries.map(({ contender, size }) => `${contender} ${size.services}`)).toEqual(['bare 10', 'felix 10', 'felix 1000', 'canal-everything 10', 'canal-everything 1000']);
    expect(rows.map(({ entry, against, scenario }) => [entry, against, scenario])).toEqual([
      [0, 0, '1 policy, 1 CIDR, 10 services'], [1, 0, '1 policy, 1 CIDR, 10 services'], [3, 0, '1 policy, 1 CIDR, 10 services'],
      [0, 0, '1 policy, 1 CIDR, 1000 services'], [2, 0, '1 policy, 1 CIDR, 1000 services'], [4, 0, '1 policy, 1 CIDR, 1000 services'],
    ]);
  });

  it('compares with further bases only those that are no base themselves', () => {
    const { rows } = sectionOf({ ...plan, against: ['bare', 'felix'], sizes: [small], growth: false });
    expect(rows.map(({ entry, against }) => [entry, against])).toEqual([[0, 0], [1, 0], [2, 0], [2, 1]]);
  });

  it('compares each contender with itself at the first size where growth is asked for', () => {
    const { rows } = sectionOf({ ...plan, against: [], sizes: [small, large], growth: true });
    expect(rows).toEqual([
      { entry: 2, against: 1, scenario: '1 policy, 1 CIDR, 1000 services', againstName: 'felix: 1 policy, 1 CIDR, 10 services' },
      { entry: 4, against: 3, scenario: '1 policy, 1 CIDR, 1000 services', againstName: 'canal-everything: 1 policy, 1 CIDR, 10 services' },
    ]);
  });

  it('of the named runs refers only to entries that exist', () => {
    for (const name of ['smoke', 'quick', 'full'] as const) {
      for (const { entries, rows } of suiteOf(name).sections) {
        expect(rows.length).toBeGreaterThan(0);
        for (const row of rows) expect([entries[row.entry], entries[row.against]]).not.toContain(undefined);
      }
    }
  });
});

describe('a measurement that ran into something else than the path', () => {
  const free: LoadLimits = { noPorts: 0, timeWait: 100, portRange: 64_000, synRetrans: 0, listenDrops: 0 };
  const idle: ConntrackState = { entries: 10, max: 262_144, dropped: 5, evicted: 7, insertFailed: 9 };

  it.each<[string, Partial<LoadLimits>, Partial<ConntrackState>]>([
    ['no port left for 3 connections', { noPorts: 3 }, {}],
    ['60000 of the client\'s 64000 ports only wait', { timeWait: 60_000 }, {}],
    ['queue of new connections overflowed 2 times', { listenDrops: 2 }, {}],
    ['connection tracking is full: 262000 of 262144', {}, { entries: 262_000 }],
    ['gave up 4 connections', {}, { dropped: 8, evicted: 8 }],
    ['1 connection requests went unanswered', { synRetrans: 1 }, {}],
    ['connection tracking refused entries', { synRetrans: 1 }, { insertFailed: 10 }],
  ])('is told: %s', (says, limits, after) => {
    expect(bottleneck({ ...free, ...limits }, idle, { ...idle, ...after })).toContain(says);
  });

  it('is not claimed of one that ran into nothing', () => {
    expect(bottleneck(free, idle, idle)).toBeUndefined();
  });

  it('is found in what the kernel of each node says', () => {
    const node = (entries: number): string => `${entries}\n1000\nentries  clashres found insert_failed drop early_drop\n00000001  00000000 00000000 0000000a 00000001 00000002\n00000001  00000000 00000000 00000001 00000010 00000000\n`;
    expect(conntrackState([node(3), node(8)])).toEqual({ entries: 8, max: 1000, dropped: 2 * 0x11, evicted: 2 * 2, insertFailed: 2 * 0xb });
  });
});

describe('a result', () => {
  const row = (contender: string, against: string, median: number): Row => ({
    scenario: '1 policy, 1 CIDR', path: 'across', metric: 'rr', contender, against, rounds: 7, ratio: { median, min: median / 2, max: median * 2 }, value: { median: 1000 * median, unit: '1/s' },
  });
  const report: Report = { machine: { cpu: 'A & B', cpus: 2, loadBefore: 0.5, loadAfter: 1 }, kernel: '6.1', commit: 'abc', rows: [row('bare', 'bare', 1), row('canal-policy', 'bare', 1.35)] };

  it('is a table on the terminal', () => {
    expect(textOf(report.rows)).toBe([
      '1 policy, 1 CIDR | across | rr, ratio to bare',
      '  bare                                1000 1/s         1.00  (0.50 to 2.00, 7 rounds)',
      '  canal-policy                        1350 1/s         1.35  (0.68 to 2.70, 7 rounds)',
      '',
    ].join('\n'));
  });

  it('is Markdown that names machine, kernel and commit', () => {
    const text = markdownOf(report);
    expect(text).toContain('Commit abc, Linux 6.1, 2 × A & B');
    expect(text).toContain('| | across rr |\n|---|---|\n| bare | 1000 1/s |\n| canal-policy | **1.35** (0.68–2.70) |');
  });

  it('is a picture a scenario, well formed, with a bar and a whisker for each contender', () => {
    const [chart, ...others] = chartsOf(report);
    expect(others).toEqual([]);
    expect(chart!.file).toBe('1-policy-1-cidr.svg');
    expect(chart!.svg.match(/<rect /g)).toHaveLength(3);
    expect(chart!.svg.match(/<path /g)).toHaveLength(2);
    expect(chart!.svg).toContain('A &amp; B');
    expect(chart!.svg.trim().endsWith('</svg>')).toBe(true);
  });
});
