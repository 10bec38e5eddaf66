import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { CanalError } from '../base/errors.js';
import { bench } from '../bench/bench.js';
import { chartsOf } from '../bench/chart.js';
import { contenderNames } from '../bench/contenders.js';
import type { Driver } from '../bench/driver.js';
import { clusterDriver } from '../bench/kubernetes/cluster-driver.js';
import { pathBetween, type PodPair } from '../bench/kubernetes/given-pods.js';
import type { PodRef } from '../bench/kubernetes/pod-exec.js';
import { PORT } from '../bench/lab-plan.js';
import { labDriver } from '../bench/lab-driver.js';
import { markdownOf, programsMarkdown } from '../bench/markdown.js';
import { programCosts, type ProgramCost } from '../bench/programs.js';
import type { Metric, Path, Report } from '../bench/report.js';
import { sectionOf } from '../bench/section.js';
import { SUITES, suiteOf, type Suite, type SuiteName } from '../bench/suites.js';
import { textOf } from '../bench/text.js';
import { CommandError } from './admin-client.js';
import { checkOutputs, putJson, type Outputs } from './bench-output.js';
import { registerScale } from './bench-scale.js';
import { among, clusterFlag, counts, METRICS, names, PATHS, podFlag, policySizes, serviceCounts, twoNodes, warmMs, whole, within, type PolicySize } from './bench-flags.js';

interface Flags extends OutputFlags {
  readonly suite?: SuiteName;
  readonly driver: 'lab' | 'kubernetes';
  readonly cluster: ReadonlyMap<string, string>;
  readonly kubeconfig?: string;
  readonly nodes: string[];
  readonly image: string;
  readonly from?: PodRef;
  readonly to?: PodRef;
  readonly port: number;
  readonly contenders?: string[];
  readonly against?: string[];
  readonly paths: Path[];
  readonly metrics: Metric[];
  readonly sizes: PolicySize[];
  readonly services: number[];
  readonly growth?: boolean;
  readonly rounds: number;
  readonly turns: number;
  readonly warmMs: number;
  readonly countMs: number;
  readonly perCpuSecond?: boolean;
}

interface OutputFlags extends Outputs {
  readonly markdown?: boolean;
}

/** `canal bench`: contenders in identical labs, interleaved. Needs root, touches only namespaces of its own. */
export function registerBench(program: Command): void {
  const command = program
    .command('bench')
    .description('measure pod traffic under canal and under what it is compared with, in labs on this machine or in clusters')
    .addOption(new Option('--suite <name>', 'what to measure, in place of the flags below').choices(SUITES))
    .addOption(new Option('--driver <name>', 'lab: every contender in a lab on this machine; kubernetes: in clusters').choices(['lab', 'kubernetes']).default('lab'))
    .option('--contenders <names>', `of ${contenderNames().join(', ')} (default bare,limit,canal-everything); of the clusters' names and limit`, names)
    .option('--against <names>', 'contenders that ratios are to (default: the first)', names)
    .option('--paths <paths>', `of ${PATHS.join(', ')}`, among(PATHS), [...PATHS])
    .option('--metrics <metrics>', `of ${METRICS.join(', ')}`, among(METRICS), ['rr', 'crr', 'stream'])
    .option('--sizes <list>', 'policies:CIDRs on the pods, comma separated', policySizes, [{ policies: 10, cidrs: 100 }])
    .option('--services <list>', 'services, of which the last is asked; 0: none, the pod is asked', serviceCounts, [0])
    .option('--growth', 'measure all sizes in turns, and each contender against itself at the first')
    .option('--rounds <n>', 'measurements of each contender', whole, 7)
    .option('--turns <n>', 'parts of a measurement, which contenders take in turns', whole, 1)
    .option('--warm-ms <ms>', 'of a part, not counted', warmMs, 150)
    .option('--count-ms <ms>', 'of a measurement, counted', whole, 700)
    .option('--per-cpu-second', 'count per second of processor time, for a machine that others use too')
    .option('--cluster <name=kubeconfig>', 'a contender of the driver kubernetes; may be repeated', clusterFlag, new Map())
    .option('--kubeconfig <file>', 'a cluster called `cluster`')
    .option('--nodes <two>', 'nodes that the pods are on, the first the client\'s (default: the first two that take pods)', twoNodes, [])
    .option('--image <image>', 'of the pods; it needs sh and head', 'registry.k8s.io/e2e-test-images/busybox:1.36.1-1')
    .option('--from <namespace/pod>', 'measure from this pod of a cluster or lab to that of --to, under what is in force there', podFlag)
    .option('--to <namespace/pod>', 'who is asked; both need sh, head and a /tmp that can be written', podFlag)
    .option('--port <n>', 'that the pod of --to is asked at: free there, and open to --from', within(1, 65_535), PORT)
    .option('--resume <file>', 'keep what is measured in this file as it becomes known, and do not measure again what is in it')
    .option('--json <file>', 'write the result here; - for standard output')
    .option('--charts <directory>', 'write a picture of each scenario here')
    .option('--markdown', 'print the result as the README shows it')
    .action((_flags: unknown, self: Command) => run(self.opts(), self));
  command
    .command('report <file>')
    .description('show the result that --json wrote')
    .option('--programs <file>', 'and what `canal bench programs --json` wrote')
    .action(runReport);
  command
    .command('programs')
    .description('nanoseconds of one program for one packet, less those of an empty program; sends nothing')
    .option('--table-sizes <list>', 'peers, CIDRs, services and flows in the maps, comma separated', counts, [10, 1000, 100_000, 1_000_000])
    .option('--repeats <n>', 'measurements of each', whole, 31)
    .action(runPrograms);
  registerScale(command);
}

async function run(flags: Flags, command: Command): Promise<void> {
  checkTogether(flags, command);
  checkOutputs(flags);
  const { sections, rounds, turns, warmMs, countMs } = await suiteFor(flags, command);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new CommandError(`stopped by ${signal}`)));
  const table = flags.json === '-' || flags.markdown === true ? process.stderr : process.stdout;
  const report = await bench({
    driver: driverOf(flags), sections, rounds, turns, warmMs, countMs, perCpuSecond: flags.perCpuSecond ?? false, resume: flags.resume,
    onRows: (rows) => void table.write(textOf(rows)),
    onNotice: notice,
    signal: stop.signal,
  });
  put(report, flags);
  if (report.rows.length === 0) throw new CommandError('there are no figures: why is said above');
}

const notice = (message: string): void => void process.stderr.write(`${message}\n`);

async function suiteFor(flags: Flags, command: Command): Promise<Suite> {
  const pods = podsOf(flags);
  if (pods !== undefined) return suiteOfPods(flags, pods);
  return flags.suite === undefined ? suiteOfFlags(flags) : withGiven(suiteOf(flags.suite), flags, command);
}

/** What goes with which driver, and what a suite or given pods say themselves. @throws CanalError('CONFIG') for a flag that would be passed over in silence */
function checkTogether(flags: Flags, command: Command): void {
  const pods = flags.from !== undefined || flags.to !== undefined;
  const refuse = (why: string, options: readonly string[]): void => {
    const given = options.find((option) => command.getOptionValueSource(option) === 'cli');
    if (given !== undefined) throw new CanalError('CONFIG', `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}: ${why}`);
  };
  if (pods) refuse('not with --from and --to, which measure two pods as they are', ['suite', 'contenders', 'against', 'paths', 'sizes', 'services', 'growth', 'nodes', 'image']);
  else refuse('only with --from and --to', ['port']);
  if (flags.suite !== undefined) refuse('not with --suite, which says that itself', ['contenders', 'against', 'paths', 'metrics', 'sizes', 'services', 'growth']);
  if (pods || flags.driver === 'kubernetes') refuse("only with --driver lab: pods' processor time is not to be read from here", ['perCpuSecond']);
  else refuse('only with --driver kubernetes, or --from and --to', ['cluster', 'kubeconfig', 'nodes', 'image']);
}

function driverOf(flags: Flags): Driver {
  const pods = podsOf(flags);
  if (flags.driver === 'lab' && pods === undefined) return labDriver();
  const { image, nodes } = flags;
  return clusterDriver({ clusters: clustersOf(flags), image, nodes, pods, onNotice: notice });
}

/** @throws CanalError('CONFIG') where only one is given */
function podsOf({ from, to, port }: Flags): PodPair | undefined {
  if ((from === undefined) !== (to === undefined)) throw new CanalError('CONFIG', '--from and --to go together');
  return from === undefined || to === undefined ? undefined : { from, to, port };
}

/** `canal lab up` says what KUBECONFIG is. */
function clustersOf({ cluster, kubeconfig }: Flags): ReadonlyMap<string, string> {
  const file = kubeconfig ?? (cluster.size === 0 ? process.env['KUBECONFIG'] : undefined);
  return file === undefined ? cluster : new Map([['cluster', file], ...cluster]);
}

/** On the path that leads from one to the other, the same in every cluster. */
async function suiteOfPods(flags: Flags, pods: PodPair): Promise<Suite> {
  const { metrics, rounds, turns, warmMs, countMs } = flags;
  const clusters = clustersOf(flags);
  const [kubeconfig] = clusters.values();
  if (kubeconfig === undefined) throw new CanalError('CONFIG', '--from and --to need --kubeconfig, --cluster or KUBECONFIG');
  const found = `${pods.from.namespace}/${pods.from.name} to ${pods.to.namespace}/${pods.to.name}`;
  const contenders = [...clusters.keys()];
  const plan = { contenders, against: contenders.slice(0, 1), sizes: [{ policies: 0, cidrs: 0, services: 0, found }], growth: false, metrics };
  return { sections: [sectionOf({ ...plan, paths: [await pathBetween(kubeconfig, pods)] })], rounds, turns, warmMs, countMs };
}

/** What is measured, and against what. @throws CanalError('CONFIG') for a name that the driver does not know */
function contendersOf(flags: Flags): { readonly contenders: readonly string[]; readonly against: readonly string[] } {
  const clusters = [...clustersOf(flags).keys()];
  if (flags.driver === 'kubernetes' && clusters.length === 0) throw new CanalError('CONFIG', 'the driver kubernetes needs --cluster, --kubeconfig or KUBECONFIG');
  const known = flags.driver === 'lab' ? contenderNames() : [...clusters, 'limit'];
  const contenders = flags.contenders ?? (flags.driver === 'lab' ? ['bare', 'limit', 'canal-everything'] : known);
  const against = flags.against ?? contenders.slice(0, 1);
  for (const [flag, given] of [['--contenders', contenders], ['--against', against]] as const) {
    const unknown = given.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new CanalError('CONFIG', `${flag}: no contender ${unknown}: of ${known.join(', ')}`);
  }
  return { contenders, against };
}

/** What is given on the command line goes before what a suite says. */
function withGiven(suite: Suite, flags: Flags, command: Command): Suite {
  const given = (name: 'rounds' | 'turns' | 'warmMs' | 'countMs'): number => (command.getOptionValueSource(name) === 'cli' ? flags[name] : suite[name]);
  return { sections: suite.sections, rounds: given('rounds'), turns: given('turns'), warmMs: given('warmMs'), countMs: given('countMs') };
}

function suiteOfFlags(flags: Flags): Suite {
  const { paths, metrics, rounds, turns, warmMs, countMs } = flags;
  const sizes = flags.services.flatMap((services) => flags.sizes.map((size) => ({ ...size, services })));
  const growth = flags.growth ?? false;
  const plan = { ...contendersOf(flags), paths, metrics, growth };
  const sections = growth ? [sectionOf({ ...plan, sizes })] : sizes.map((size) => sectionOf({ ...plan, sizes: [size] }));
  return { sections, rounds, turns, warmMs, countMs };
}

function put(report: Report, { json, charts, markdown }: OutputFlags): void {
  putJson(report, json);
  if (markdown === true) process.stdout.write(markdownOf(report));
  if (charts !== undefined) drawTo(charts, report);
}

function runReport(file: string, { programs }: { readonly programs?: string }, command: Command): void {
  const { markdown, charts } = command.optsWithGlobals<OutputFlags>();
  const report = read(file, 'canal bench --json', (result): result is Report => typeof result === 'object' && result !== null && 'machine' in result && 'rows' in result && Array.isArray(result.rows));
  const costs = programs === undefined ? [] : read(programs, 'canal bench programs --json', (result): result is ProgramCost[] => Array.isArray(result));
  if (markdown === true) process.stdout.write(`${markdownOf(report)}${costs.length === 0 ? '' : `\n${programsMarkdown(costs)}`}`);
  else process.stdout.write(`${textOf(report.rows)}${costs.map(costLine).join('')}`);
  if (charts !== undefined) drawTo(charts, report);
}

/** What a command has written. @throws CanalError('CONFIG') for any other file */
function read<T>(file: string, writer: string, is: (result: unknown) => result is T): T {
  try {
    const result: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (is(result)) return result;
  } catch (cause) {
    throw new CanalError('CONFIG', `${file}: ${(cause as Error).message}`, { subject: file, cause });
  }
  throw new CanalError('CONFIG', `${file}: not what ${writer} writes`, { subject: file });
}

function drawTo(directory: string, report: Report): void {
  mkdirSync(directory, { recursive: true });
  for (const { file, svg } of chartsOf(report)) writeFileSync(join(directory, file), svg);
}

function runPrograms(flags: { readonly tableSizes: number[]; readonly repeats: number }, command: Command): void {
  // --json is the parent's option too, and a parent takes its options wherever they stand.
  const { json, markdown } = command.optsWithGlobals<OutputFlags>();
  checkOutputs({ json });
  const costs = programCosts(flags.tableSizes, flags.repeats);
  if (json !== '-') process.stdout.write(markdown === true ? programsMarkdown(costs) : costs.map(costLine).join(''));
  putJson(costs, json);
}

const costLine = ({ packet, tableSize, ns }: ProgramCost): string => `${packet.padEnd(16)}${String(tableSize).padStart(9)} rows ${ns.median.toFixed(0).padStart(6)} ns  (${ns.min} to ${ns.max})\n`;
