import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { VERSION } from '../base/version.js';
import type { Contender, Driver, Figure } from './driver.js';
import { machineFacts, rowOf, type Metric, type Path, type Report, type Row } from './report.js';
import type { Section, SectionRow } from './section.js';
import { sizeName } from './size.js';

export interface BenchOptions {
  readonly driver: Driver;
  /** One after the other. */
  readonly sections: readonly Section[];
  /** Measurements of each entry. */
  readonly rounds: number;
  /** Parts of a measurement, which contenders take in turns. */
  readonly turns: number;
  /** Of one part. */
  readonly warmMs: number;
  /** Of one measurement, all its parts together. */
  readonly countMs: number;
  readonly perCpuSecond: boolean;
  /** Called as soon as the rows of one path and metric are known. */
  readonly onRows: (rows: readonly Row[]) => void;
  /** A measurement that gave no number, or how far the run is. */
  readonly onNotice: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** Figures of every entry, by entry; undefined: none. */
type Round = readonly (Figure | undefined)[];

/**
 * Measures every entry of every section, interleaved: each round takes one
 * measurement of each, in short turns one right after another, so that what
 * else the machine does meanwhile, and how fast it happens to run, falls on all
 * alike.
 */
export async function bench(options: BenchOptions): Promise<Report> {
  const loadBefore = loadavg()[0]!;
  const rows: Row[] = [];
  for (const section of options.sections) {
    const contenders = await createAll(options, section);
    try {
      for (const path of section.paths) {
        for (const metric of section.metrics) rows.push(...(await measure(options, section, contenders, path, metric)));
      }
    } finally {
      await closeAll(contenders);
    }
  }
  const { kernel, ...machine } = machineFacts();
  return { machine: { ...machine, loadBefore, loadAfter: loadavg()[0]! }, kernel, commit: commit(), rows };
}

/** Ids go on from section to section: what a lab has left behind must not be in the way of the next. */
let made = 0;

async function createAll(options: BenchOptions, section: Section): Promise<Contender[]> {
  const contenders: Contender[] = [];
  try {
    for (const entry of section.entries) {
      options.signal?.throwIfAborted();
      options.onNotice(`${entry.contender}, ${sizeName(entry.size)}: being set up`);
      contenders.push(await options.driver.create(entry, made++));
    }
    return contenders;
  } catch (error) {
    await closeAll(contenders);
    throw error;
  }
}

async function closeAll(contenders: readonly Contender[]): Promise<void> {
  for (const contender of contenders) await contender.close();
}

async function measure(options: BenchOptions, section: Section, contenders: readonly Contender[], path: Path, metric: Metric): Promise<Row[]> {
  options.onNotice(`${path} ${metric}: ${options.rounds} rounds of ${contenders.length}`);
  const rounds: Round[] = [];
  for (let i = 0; i < options.rounds; i++) rounds.push(await takeRound(options, section, contenders, path, metric));
  const rows = section.rows.flatMap((row) => rowsOf(section, row, rounds, path, metric) ?? []);
  options.onRows(rows);
  return rows;
}

async function takeRound(options: BenchOptions, section: Section, contenders: readonly Contender[], path: Path, metric: Metric): Promise<Round> {
  const { warmMs, perCpuSecond, turns } = options;
  const parts = contenders.map((): Figure[] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [at, contender] of contenders.entries()) {
      options.signal?.throwIfAborted();
      const figure = await contender.measure({ warmMs, perCpuSecond, countMs: Math.ceil(options.countMs / turns), path, metric })
        .catch((error: unknown) => void options.onNotice(`${section.entries[at]!.contender}: ${(error as Error).message}`));
      if (figure !== undefined) parts[at]!.push(figure);
    }
  }
  return parts.map(mean);
}

/** All parts are equally long. */
const mean = (parts: readonly Figure[]): Figure | undefined =>
  (parts[0] === undefined ? undefined : { unit: parts[0].unit, value: parts.reduce((sum, { value }) => sum + value, 0) / parts.length });

function rowsOf(section: Section, { entry, against, scenario, againstName }: SectionRow, rounds: readonly Round[], path: Path, metric: Metric): Row | undefined {
  const unit = rounds.map((round) => round[entry]?.unit).find((each) => each !== undefined) ?? '';
  const what = { scenario, path, metric, contender: section.entries[entry]!.contender, against: againstName, unit };
  return rowOf(what, rounds.map((round) => [round[entry]?.value, round[against]?.value]));
}

/** What was measured: the commit in a source tree, else the version. */
function commit(): string {
  try {
    return execFileSync('git', ['-C', import.meta.dirname, 'rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return VERSION;
  }
}
