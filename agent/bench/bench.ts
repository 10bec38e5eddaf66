import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { loadavg } from 'node:os';
import { VERSION } from '../base/version.js';
import type { Contender, Driver, Figure } from './driver.js';
import { KeptRows } from './kept-rows.js';
import { Progress } from './progress.js';
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
  /** File that rows are kept in as they become known; those that are in it are not measured again. */
  readonly resume?: string | undefined;
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
  const { kernel, ...machine } = machineFacts();
  const run: Run = { options, kept: new KeptRows(options.resume), source: `${kernel} ${commit()} ${options.resume === undefined ? '' : edits()}`, progress: new Progress(0) };
  const todo = options.sections.reduce((sum, section) => sum + section.entries.length * partsOf(section).filter((part) => keptOf(run, section, part) === undefined).length, 0);
  const running = { ...run, progress: new Progress(todo * options.rounds * options.turns) };
  const rows: Row[] = [];
  for (const section of options.sections) rows.push(...(await sectionRows(running, section)));
  return { machine: { ...machine, loadBefore, loadAfter: loadavg()[0]! }, kernel, commit: commit(), rows };
}

interface Run {
  readonly options: BenchOptions;
  readonly kept: KeptRows;
  /** What is measured, and under which kernel. */
  readonly source: string;
  readonly progress: Progress;
}

interface Part {
  readonly path: Path;
  readonly metric: Metric;
}

const partsOf = ({ paths, metrics }: Section): Part[] => paths.flatMap((path) => metrics.map((metric) => ({ path, metric })));

const nameOf = ({ options, source }: Run, { entries, rows }: Section, part: Part): unknown => {
  const { rounds, turns, warmMs, countMs, perCpuSecond } = options;
  return { source, entries, rows, part, rounds, turns, warmMs, countMs, perCpuSecond };
};

const keptOf = (run: Run, section: Section, part: Part): readonly Row[] | undefined => run.kept.find(nameOf(run, section, part));

async function sectionRows(run: Run, section: Section): Promise<Row[]> {
  const { options, kept, progress } = run;
  const parts = partsOf(section);
  const missing = parts.some((part) => keptOf(run, section, part) === undefined);
  const contenders = missing ? await createAll(options, section) : [];
  try {
    const rows: Row[] = [];
    for (const part of parts) {
      const known = keptOf(run, section, part);
      const now = known ?? (await measure(run, section, contenders, part));
      // What has no figure is tried again by the run that goes on.
      if (known === undefined && now.length === section.rows.length) kept.add(nameOf(run, section, part), now);
      options.onRows(now);
      if (known === undefined) options.onNotice(progress.text);
      rows.push(...now);
    }
    return rows;
  } finally {
    await closeAll(contenders);
  }
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

async function measure(run: Run, section: Section, contenders: readonly Contender[], { path, metric }: Part): Promise<Row[]> {
  const { options } = run;
  options.onNotice(`${path} ${metric}: ${options.rounds} rounds of ${contenders.length}`);
  const rounds: Round[] = [];
  for (let i = 0; i < options.rounds; i++) rounds.push(await takeUsefulRound(run, section, contenders, { path, metric }));
  return section.rows.flatMap((row) => rowsOf(section, row, rounds, path, metric) ?? []);
}

/** How often a round may be taken again in which a contender that ratios are to has no figure: it would give none. */
const AGAIN = 2;

async function takeUsefulRound(run: Run, section: Section, contenders: readonly Contender[], part: Part): Promise<Round> {
  let round = await takeRound(run, section, contenders, part);
  for (let again = 0; again < AGAIN && section.rows.some(({ against }) => round[against] === undefined); again++) {
    run.progress.more(contenders.length * run.options.turns);
    round = await takeRound(run, section, contenders, part);
  }
  return round;
}

async function takeRound({ options, progress }: Run, section: Section, contenders: readonly Contender[], part: Part): Promise<Round> {
  const { warmMs, perCpuSecond, turns } = options;
  const parts = contenders.map((): Figure[] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [at, contender] of contenders.entries()) {
      options.signal?.throwIfAborted();
      const figure = await contender.measure({ warmMs, perCpuSecond, countMs: Math.ceil(options.countMs / turns), ...part })
        .catch((error: unknown) => void options.onNotice(`${section.entries[at]!.contender}: ${(error as Error).message}`));
      if (figure !== undefined) parts[at]!.push(figure);
      progress.turn();
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
const commit = (): string => git('rev-parse', '--short=12', 'HEAD')?.trim() ?? VERSION;

/** What a source tree has beyond its commit. */
const edits = (): string => createHash('sha256').update(git('diff', 'HEAD') ?? '').digest('hex');

function git(...args: readonly string[]): string | undefined {
  try {
    return execFileSync('git', ['-C', import.meta.dirname, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });
  } catch {
    return undefined;
  }
}
