import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { VERSION } from '../base/version.js';
import { createContender, type Contender } from './contenders.js';
import { removeLeftovers } from './lab.js';
import { load } from './load.js';
import type { PolicySize } from './policies.js';
import { machineFacts, rowsOf, type Metric, type Path, type Report, type Round, type Row } from './report.js';

export interface BenchOptions {
  readonly contenders: readonly string[];
  /** The contender that every ratio is to; one of them. */
  readonly against: string;
  readonly paths: readonly Path[];
  readonly metrics: readonly Metric[];
  /** One scenario each. */
  readonly sizes: readonly PolicySize[];
  readonly rounds: number;
  /** Of one measurement. */
  readonly warmMs: number;
  readonly countMs: number;
  readonly perCpuSecond: boolean;
  /** Called as soon as the rows of one table are known. */
  readonly onRows: (rows: readonly Row[]) => void;
  /** A measurement that gave no number, or labs being built. */
  readonly onNotice: (message: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Measures every contender in every scenario, interleaved: each round takes one
 * measurement of each, one right after another, so that what else the machine
 * does meanwhile falls on all alike.
 */
export async function bench(options: BenchOptions): Promise<Report> {
  removeLeftovers();
  const loadBefore = loadavg()[0]!;
  const rows: Row[] = [];
  for (const size of options.sizes) {
    const contenders = await createAll(options, size);
    try {
      for (const path of options.paths) {
        for (const metric of options.metrics) rows.push(...(await measure(options, contenders, scenarioName(size), path, metric)));
      }
    } finally {
      await closeAll(contenders);
    }
  }
  const { kernel, ...machine } = machineFacts();
  return { machine: { ...machine, loadBefore, loadAfter: loadavg()[0]! }, kernel, commit: commit(), rows };
}

export const scenarioName = ({ policies, cidrs }: PolicySize): string => `${policies} policies, ${cidrs} CIDRs`;

async function createAll(options: BenchOptions, size: PolicySize): Promise<Map<string, Contender>> {
  const contenders = new Map<string, Contender>();
  try {
    for (const [i, name] of options.contenders.entries()) {
      options.onNotice(`${scenarioName(size)}: building the lab of ${name}`);
      contenders.set(name, await createContender(name, `${process.pid}-${i}`, size));
    }
    return contenders;
  } catch (error) {
    await closeAll(contenders);
    throw error;
  }
}

async function closeAll(contenders: ReadonlyMap<string, Contender>): Promise<void> {
  for (const contender of contenders.values()) await contender.close();
}

async function measure(options: BenchOptions, contenders: ReadonlyMap<string, Contender>, scenario: string, path: Path, metric: Metric): Promise<Row[]> {
  const rounds: Round[] = [];
  let unit = '';
  for (let i = 0; i < options.rounds; i++) {
    const round = new Map<string, number | undefined>();
    for (const [name, contender] of contenders) {
      options.signal?.throwIfAborted();
      const result = await once(options, contender, path, metric).catch((error: unknown) => options.onNotice(`${name}: ${(error as Error).message}`));
      round.set(name, result?.value);
      unit = result?.unit ?? unit;
    }
    rounds.push(round);
  }
  const rows = rowsOf({ scenario, path, metric, against: options.against, unit, rounds });
  options.onRows(rows);
  return rows;
}

function once(options: BenchOptions, { lab, ends }: Contender, path: Path, metric: Metric): ReturnType<typeof load> {
  const { client, server, address } = ends(path);
  const { warmMs, countMs, perCpuSecond } = options;
  return load({ metric, clientNetns: lab.netns(client), serverNetns: lab.netns(server), address, warmMs, countMs, perCpuSecond, ...processors(options, metric) });
}

/**
 * Question and answer on one processor: what is measured is the path, not how
 * long an idle one takes to wake. Streams and floods have one for each side,
 * unless it is work per processor time that is asked for: on one processor, the
 * kernel's part of it is done, and counted, in the ends' own time.
 */
function processors({ perCpuSecond }: BenchOptions, metric: Metric): { readonly clientCpu: number; readonly serverCpu: number } {
  const apart = !perCpuSecond && (metric === 'stream' || metric === 'stream8' || metric === 'udp-pps');
  return { clientCpu: 0, serverCpu: apart && cpus().length > 1 ? 1 : 0 };
}

/** What was measured: the commit in a source tree, else the version. */
function commit(): string {
  try {
    return execFileSync('git', ['-C', import.meta.dirname, 'rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return VERSION;
  }
}
