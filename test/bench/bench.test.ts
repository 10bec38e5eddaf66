import { describe, expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProgramCost } from '../../agent/bench/programs.js';
import { felixRules } from '../../agent/bench/felix-rules.js';
import { rowsOf, type Report } from '../../agent/bench/report.js';
import { BenchLab } from '../../agent/bench/lab.js';

// The command runs processes of its own, which need JavaScript: the build's.
const CANAL = join(import.meta.dirname, '..', '..', 'build', 'agent', 'cli', 'main.js');
const bench = (...args: string[]): unknown => JSON.parse(execFileSync(process.execPath, [CANAL, 'bench', ...args, '--json', '-'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
/** Namespaces of runs that have ended. */
const leftovers = (): string[] => (existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => !existsSync(`/proc/${/^canal-bench-(\d+)/.exec(name)?.[1] ?? 'self'}`)) : []);

describe('canal bench', () => {
  it('measures contenders in every scenario, says so in its JSON, and leaves nothing behind', () => {
    const report = bench('--contenders', 'bare,canal-policy', '--metrics', 'rr,stream', '--sizes', '2:10', '--rounds', '2', '--warm-ms', '10', '--count-ms', '40') as Report;
    expect(Object.keys(report)).toEqual(['machine', 'kernel', 'commit', 'rows']);
    expect(report.rows.map(({ path, metric, contender }) => `${path} ${metric} ${contender}`)).toEqual(
      ['same', 'across'].flatMap((path) => ['rr', 'stream'].flatMap((metric) => ['bare', 'canal-policy'].map((contender) => `${path} ${metric} ${contender}`))),
    );
    for (const row of report.rows) {
      expect(row).toMatchObject({ scenario: '2 policies, 10 CIDRs', against: 'bare', rounds: 2 });
      expect(Object.keys(row).sort()).toEqual(['against', 'contender', 'metric', 'path', 'ratio', 'rounds', 'scenario', 'value']);
      expect(row.value.median).toBeGreaterThan(0);
      expect(row.ratio.min).toBeGreaterThan(0);
      expect(row.ratio.max).toBeGreaterThanOrEqual(row.ratio.median);
      expect(row.value.unit).toBe(row.metric === 'rr' ? '1/s' : 'Gbit/s');
    }
    expect(leftovers()).toEqual([]);
  }, 60_000);

  it('says what a program costs at each table size', () => {
    const costs = bench('programs', '--table-sizes', '10,1000', '--repeats', '3') as ProgramCost[];
    expect(costs.map(({ packet, tableSize }) => `${packet} ${tableSize}`)).toEqual([10, 1000].flatMap((size) => ['conntrack-hit', 'first-allowed', 'first-denied'].map((packet) => `${packet} ${size}`)));
    for (const { ns } of costs) expect(ns.median).toBeGreaterThan(0);
  }, 60_000);
});

describe('rows of a result', () => {
  const measured = { scenario: 's', path: 'same', against: 'a', unit: 'u' } as const;

  it('take ratios within a round, and leave out rounds in which one gave no number', () => {
    const rounds = [{ a: 10, b: 20 }, { a: 20, b: 10 }, { a: undefined, b: 5 }].map((round) => new Map(Object.entries(round)));
    const rows = rowsOf({ ...measured, metric: 'rr', rounds });
    expect(rows.find((row) => row.contender === 'b')).toMatchObject({ rounds: 2, ratio: { median: 1.25, min: 0.5, max: 2 }, value: { median: 15, unit: 'u' } });
  });

  it('call a shorter latency better', () => {
    const [, row] = rowsOf({ ...measured, metric: 'first-packet', rounds: [new Map([['a', 10], ['b', 5]])] });
    expect(row!.ratio.median).toBe(2);
  });
});

describe('the rules of Felix', () => {
  it('let pods in on the policies’ port and nowhere else', () => {
    const lab = BenchLab.create(`${process.pid}-rules`);
    try {
      const { sets, tables } = felixRules('n1', { policies: 3, cidrs: 9 });
      lab.run('n1', ['ipset', 'restore'], sets);
      lab.run('n1', ['iptables-legacy-restore'], tables);
      const knock = (port: number): string => lab.run('a1', ['sh', '-c', `timeout 1 socat -u /dev/null TCP4:10.42.0.3:${port} 2>&1 || true`]);
      expect(knock(8080)).toContain('refused'); // by the pod, where nothing listens
      expect(knock(8081)).not.toContain('refused');
    } finally {
      lab.close();
    }
  });
});
