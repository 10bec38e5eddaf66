import { writeFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { bench } from '../bench/bench.js';
import { contenderNames } from '../bench/contenders.js';
import { programCosts, type ProgramCost } from '../bench/programs.js';
import type { PolicySize } from '../bench/policies.js';
import type { Metric, Path, Row } from '../bench/report.js';

const PATHS: readonly Path[] = ['same', 'across'];
const METRICS: readonly Metric[] = ['rr', 'crr', 'stream', 'stream8', 'udp-rr', 'udp-pps', 'first-packet'];

interface Flags {
  readonly contenders: string[];
  readonly against: string;
  readonly paths: string[];
  readonly metrics: string[];
  readonly sizes: PolicySize[];
  readonly rounds: number;
  readonly warmMs: number;
  readonly countMs: number;
  readonly perCpuSecond?: boolean;
  readonly json?: string;
}

/** `canal bench`: contenders in identical labs, interleaved. Needs root, touches only namespaces of its own. */
export function registerBench(program: Command): void {
  const command = program
    .command('bench')
    .description('measure pod traffic under canal and under what it is compared with, each in a lab of its own')
    .option('--contenders <names>', `of ${contenderNames().join(', ')}`, among(contenderNames()), ['bare', 'limit', 'canal-policy'])
    .option('--against <name>', 'contender that ratios are to', 'bare')
    .option('--paths <paths>', `of ${PATHS.join(', ')}`, among(PATHS), [...PATHS])
    .option('--metrics <metrics>', `of ${METRICS.join(', ')}`, among(METRICS), ['rr', 'crr', 'stream'])
    .option('--sizes <list>', 'policies:CIDRs on the pods, comma separated', sizes, [{ policies: 10, cidrs: 100 }])
    .option('--rounds <n>', 'measurements of each contender', whole, 7)
    .option('--warm-ms <ms>', 'of a measurement, not counted', whole, 150)
    .option('--count-ms <ms>', 'of a measurement, counted', whole, 700)
    .option('--per-cpu-second', 'count per second of processor time, for a machine that others use too')
    .option('--json <file>', 'write the result here; - for standard output')
    .action(run);
  command
    .command('programs')
    .description('nanoseconds of one program for one packet, less those of an empty program; sends nothing')
    .option('--table-sizes <list>', 'peers, CIDRs and flows in the maps, comma separated', counts, [10, 1000, 100_000, 1_000_000])
    .option('--repeats <n>', 'measurements of each', whole, 31)
    .action(runPrograms);
}

function runPrograms(flags: { readonly tableSizes: number[]; readonly repeats: number }, command: Command): void {
  // --json is the parent's option too, and a parent takes its options wherever they stand.
  const { json } = command.optsWithGlobals<{ json?: string }>();
  const costs = programCosts(flags.tableSizes, flags.repeats);
  const text = `${JSON.stringify(costs, undefined, 2)}\n`;
  if (json === '-') process.stdout.write(text);
  else process.stdout.write(costs.map(costLine).join(''));
  if (json !== undefined && json !== '-') writeFileSync(json, text);
}

const costLine = ({ packet, tableSize, ns }: ProgramCost): string => `${packet.padEnd(16)}${String(tableSize).padStart(9)} rows ${ns.median.toFixed(0).padStart(6)} ns  (${ns.min} to ${ns.max})\n`;

async function run(flags: Flags): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  const contenders = flags.contenders.includes(flags.against) ? flags.contenders : [flags.against, ...flags.contenders];
  const { against, rounds, warmMs, countMs } = flags;
  const table = flags.json === '-' ? process.stderr : process.stdout;
  const report = await bench({
    contenders, against, rounds, warmMs, countMs, perCpuSecond: flags.perCpuSecond ?? false, sizes: flags.sizes,
    paths: flags.paths as Path[], metrics: flags.metrics as Metric[],
    onRows: (rows) => void table.write(tableOf(rows)),
    onNotice: (message) => void process.stderr.write(`${message}\n`),
    signal: stop.signal,
  });
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  if (flags.json === '-') process.stdout.write(text);
  else if (flags.json !== undefined) writeFileSync(flags.json, text);
}

/** Median, and in brackets the ratio's median and its range over the rounds. */
function tableOf(rows: readonly Row[]): string {
  const first = rows[0];
  if (first === undefined) return '';
  const lines = rows.map(({ contender, value, ratio }) =>
    `  ${contender.padEnd(26)}${number(value.median).padStart(10)} ${value.unit.padEnd(10)} ${ratio.median.toFixed(2)}  (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})\n`);
  return `${first.scenario} | ${first.path} | ${first.metric}, ${first.rounds} rounds, ratio to ${first.against}\n${lines.join('')}`;
}

const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));

const among = (known: readonly string[]) => (text: string): string[] => {
  const names = text.split(',');
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`no ${unknown}: of ${known.join(', ')}`);
  return names;
};

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 60_000) throw new InvalidArgumentError('a whole number from 1 to 60000');
  return value;
}

function counts(text: string): number[] {
  return text.split(',').map((each) => {
    if (!/^\d{1,7}$/.test(each) || Number(each) > 4_000_000) throw new InvalidArgumentError(`${each} is no number up to 4000000`);
    return Number(each);
  });
}

function sizes(text: string): PolicySize[] {
  return text.split(',').map((each) => {
    const [, policies, cidrs] = /^(\d{1,5}):(\d{1,7})$/.exec(each) ?? [];
    if (policies === undefined || cidrs === undefined || policies === '0') throw new InvalidArgumentError(`${each} is not policies:CIDRs`);
    return { policies: Number(policies), cidrs: Number(cidrs) };
  });
}
