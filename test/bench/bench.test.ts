import { describe, expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProgramCost } from '../../agent/bench/programs.js';
import { felixRules } from '../../agent/bench/felix-rules.js';
import type { Report } from '../../agent/bench/report.js';
import { BenchLab } from '../../agent/bench/lab.js';

// The command runs processes of its own, which need JavaScript: the build's.
const CANAL = join(import.meta.dirname, '..', '..', 'build', 'agent', 'cli', 'main.js');
const bench = (...args: string[]): unknown => JSON.parse(execFileSync(process.execPath, [CANAL, 'bench', ...args, '--json', '-'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
/** Namespaces of runs that have ended. */
const leftovers = (): string[] => (existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => !existsSync(`/proc/${/^canal-bench-(\d+)/.exec(name)?.[1] ?? 'self'}`)) : []);

describe('canal bench', () => {
  it('measures contenders in every scenario, says so in its JSON, and leaves nothing behind', () => {
    const report = bench('--contenders', 'bare,canal-policy', '--metrics', 'rr,stream', '--sizes', '2:10', '--services', '0', '--rounds', '2', '--warm-ms', '10', '--count-ms', '40') as Report;
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

  it('runs every contender of its interface, and every one with services through them', () => {
    const report = bench('--suite', 'smoke') as Report;
    const scenarios = [...new Set(report.rows.map((row) => row.scenario))];
    expect(scenarios).toEqual(['2 policies, 10 CIDRs', '2 policies, 10 CIDRs, 10 services']);
    const of = (scenario: string, path: string, metric: string): string[] => report.rows.filter((row) => row.scenario === scenario && row.path === path && row.metric === metric).map((row) => row.contender);
    for (const path of ['same', 'across']) {
      for (const metric of ['rr', 'crr', 'stream']) expect(of(scenarios[0]!, path, metric)).toEqual(['bare', 'limit', 'felix', 'felix-kubeproxy-iptables', 'felix-kubeproxy-nftables', 'canal-policy', 'canal-everything']);
      for (const metric of ['rr', 'crr', 'stream8', 'udp-rr', 'udp-pps', 'first-packet']) expect(of(scenarios[1]!, path, metric)).toEqual(['bare', 'felix-kubeproxy-iptables', 'felix-kubeproxy-nftables', 'canal-everything']);
    }
    expect(leftovers()).toEqual([]);
  }, 180_000);

  it('says what a program costs at each table size', () => {
    const costs = bench('programs', '--table-sizes', '10,1000', '--repeats', '3') as ProgramCost[];
    expect(costs.map(({ packet, tableSize }) => `${packet} ${tableSize}`)).toEqual([10, 1000].flatMap((size) => ['conntrack-hit', 'first-allowed', 'first-denied', 'cold-allowed', 'cold-denied', 'cold-service'].map((packet) => `${packet} ${size}`)));
    for (const { ns } of costs) expect(ns.median).toBeGreaterThan(0);
  }, 60_000);
});

describe('the rules of Felix', () => {
  it('let pods in on the policies’ port and nowhere else', () => {
    const lab = BenchLab.create(`${process.pid}-rules`);
    try {
      const { sets, tables } = felixRules('n1', { policies: 3, cidrs: 9, services: 0 });
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
