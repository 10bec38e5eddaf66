import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerBench } from '../../agent/cli/bench.js';

/** Made by the test; holds a file that is no result, and one that is no JSON. */
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'canal-bench-flags-'));
  writeFileSync(join(directory, 'other.json'), '{}');
  writeFileSync(join(directory, 'broken.json'), '{');
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What `canal bench` says against a command line; measures nothing where it says something. */
async function refusal(...args: string[]): Promise<string> {
  const program = new Command('canal').exitOverride().configureOutput({ writeErr: () => undefined });
  registerBench(program);
  return program.parseAsync(['bench', ...args.map((arg) => arg.replace('DIR', directory))], { from: 'user' }).then(() => 'nothing', (error: unknown) => (error as Error).message);
}

describe('canal bench refuses at once, and names the flag of,', () => {
  it.each<[string, readonly string[], RegExp]>([
    ['no contender', ['--contenders', ''], /--contenders/],
    ['an empty name among contenders', ['--contenders', 'bare,'], /--contenders/],
    ['an unknown contender', ['--contenders', 'bare,calico'], /^--contenders: no contender calico: of bare/],
    ['an unknown base', ['--against', 'calico'], /^--against: no contender calico/],
    ['sizes that no machine holds', ['--sizes', '1:9999999'], /--sizes/],
    ['a warm-up that the load tool does not take', ['--warm-ms', '20000'], /--warm-ms.*10000/],
    ['a port that is none', ['--port', '65536', '--from', 'a/b', '--to', 'a/c'], /--port/],
    ['one node', ['--driver', 'kubernetes', '--nodes', 'n1'], /--nodes/],
    ['one node twice', ['--driver', 'kubernetes', '--nodes', 'n1,n1'], /--nodes/],
    ['one name for two clusters', ['--driver', 'kubernetes', '--cluster', 'a=x', '--cluster', 'a=y'], /--cluster/],
    ['a cluster for labs', ['--kubeconfig', 'x'], /^--kubeconfig: only with --driver kubernetes/],
    ['a port for pods of its own', ['--port', '80'], /^--port: only with --from and --to/],
    ["pods' processor time", ['--driver', 'kubernetes', '--kubeconfig', 'x', '--per-cpu-second'], /^--per-cpu-second: only with --driver lab/],
    ['what a suite says itself', ['--suite', 'smoke', '--metrics', 'rr'], /^--metrics: not with --suite/],
    ['what is not for pods that are there', ['--from', 'a/b', '--to', 'a/c', '--sizes', '1:1'], /^--sizes: not with --from/],
    ['a result that cannot be written', ['--json', 'DIR/none/r.json'], /^--json .*none\/r\.json: ENOENT/],
    ['a directory for a result', ['--json', 'DIR'], /^--json .*: a directory/],
    ['charts where a file is', ['--charts', 'DIR/other.json'], /^--charts/],
    ['rows that cannot be kept', ['--resume', 'DIR/none/rows'], /^--resume/],
    ['such a result of programs', ['programs', '--json', 'DIR/none/r.json'], /^--json/],
    ['such a result of scale', ['scale', '--json', 'DIR/none/r.json'], /^--json/],
    ['such a result of api', ['api', '--json', 'DIR/none/r.json'], /^--json/],
    ['empty tables', ['programs', '--table-sizes', '0'], /--table-sizes/],
    ['two numbers of pods at once', ['cni', '--together', '5,6'], /--together/],
    ['plugins that are not there', ['cni', '--plugins', 'DIR'], /^--plugins .*no ptp/],
    ['no such result to report', ['report', 'DIR/none.json'], /none\.json: ENOENT/],
    ['something else than a result', ['report', 'DIR/other.json'], /other\.json: not what canal bench --json writes/],
    ['a result that is no JSON', ['report', 'DIR/broken.json'], /broken\.json: .*JSON/],
  ])('%s', async (_, args, message) => {
    expect(await refusal(...args)).toMatch(message);
  });

  it('leaves no file behind that it was to write', async () => {
    await refusal('--json', 'DIR/later.json', '--contenders', 'calico');
    expect(existsSync(join(directory, 'later.json'))).toBe(false);
  });
});
