import { describe, expect, it } from 'vitest';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ProgramCost } from '../../agent/bench/programs.js';
import { felixRules } from '../../agent/bench/felix-rules.js';
import type { Report } from '../../agent/bench/report.js';
import { BenchLab } from '../../agent/bench/lab.js';

// The command runs processes of its own, which need JavaScript: the build's.
const CANAL = join(import.meta.dirname, '..', '..', 'build', 'agent', 'cli', 'main.js');
const start = promisify(execFile);
async function bench(...args: string[]): Promise<{ report: unknown; stderr: string }> {
  const { stdout, stderr } = await start(process.execPath, [CANAL, 'bench', ...args, '--json', '-'], { maxBuffer: 1 << 26 });
  return { report: JSON.parse(stdout), stderr };
}
/** Namespaces of runs that have ended. */
const leftovers = (): string[] => (existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => !existsSync(`/proc/${/^canal-bench-(\d+)/.exec(name)?.[1] ?? 'self'}`)) : []);

describe('canal bench', () => {
  it('measures contenders in every scenario, says so in its JSON, and leaves nothing behind', async () => {
    const report = (await bench('--contenders', 'bare,canal-policy', '--metrics', 'rr,stream', '--sizes', '2:10', '--services', '0', '--rounds', '2', '--warm-ms', '10', '--count-ms', '40')).report as Report;
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

  it('says how long it will take, and a run that was cut off goes on where it was', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'canal-bench-'));
    try {
      const file = join(directory, 'measured.jsonl');
      const plan = ['--contenders', 'bare', '--metrics', 'rr,crr', '--paths', 'same', '--rounds', '1', '--warm-ms', '10', '--count-ms', '40', '--resume', file];
      const first = await bench(...plan);
      expect(first.stderr).toContain('50 % done, some ');
      const [rr, crr] = readFileSync(file, 'utf8').trim().split('\n') as [string, string];
      writeFileSync(file, `${rr}\n${crr.slice(0, 40)}`); // killed in the middle of a line
      const second = await bench(...plan);
      expect([second.stderr.includes('same rr:'), second.stderr.includes('same crr:')]).toEqual([false, true]);
      expect((second.report as Report).rows.map(({ metric }) => metric)).toEqual(['rr', 'crr']);
      expect((second.report as Report).rows[0]).toEqual((first.report as Report).rows[0]);
      writeFileSync(file, `${rr}\n${crr}\n`);
      const third = await bench(...plan);
      expect(third.stderr).not.toContain('being set up');
      expect((third.report as Report).rows).toEqual((first.report as Report).rows);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }, 60_000);

  it('runs every contender of its interface, and every one with services through them', async () => {
    const { report, stderr } = (await bench('--suite', 'smoke')) as { report: Report; stderr: string };
    const scenarios = ['2 policies, 10 CIDRs', '2 policies, 10 CIDRs, 10 services'];
    const figures = new Set(report.rows.map(({ scenario, path, metric, contender }) => `${scenario} ${path} ${metric} ${contender}`));
    // On a busy machine a measurement may run into something other than the path: it has no figure then, and says why.
    const excused = new Set([...stderr.matchAll(/^([a-z-]+): .*(went unanswered|overflowed|had no port left|only wait|want of room|nothing was counted)/gm)].map(([, contender]) => contender));
    const expectFigures = (scenario: string, path: string, metrics: readonly string[], contenders: readonly string[]): void => {
      for (const metric of metrics) {
        const missing = contenders.filter((contender) => !figures.delete(`${scenario} ${path} ${metric} ${contender}`));
        expect(missing.filter((contender) => !excused.has(contender)), `${path} ${metric}: ${stderr}`).toEqual([]);
        expect(missing.length, `${path} ${metric}: ${stderr}`).toBeLessThan(contenders.length);
      }
    };
    for (const path of ['same', 'across']) {
      expectFigures(scenarios[0]!, path, ['rr', 'crr', 'stream'], ['bare', 'limit', 'felix', 'felix-kubeproxy-iptables', 'felix-kubeproxy-nftables', 'canal-policy', 'canal-everything']);
      expectFigures(scenarios[1]!, path, ['rr', 'crr', 'stream8', 'udp-rr', 'udp-pps', 'first-packet'], ['bare', 'felix-kubeproxy-iptables', 'felix-kubeproxy-nftables', 'canal-everything']);
    }
    expect([...figures]).toEqual([]);
    expect(leftovers()).toEqual([]);
  }, 180_000);

  it('says what a program costs at each table size', async () => {
    const costs = (await bench('programs', '--table-sizes', '10,1000', '--repeats', '3')).report as ProgramCost[];
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
