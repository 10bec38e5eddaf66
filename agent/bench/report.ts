import { cpus, release } from 'node:os';

/** What is measured against what. The JSON of `canal bench --json` is a stable interface. */
export type Path = 'same' | 'across';
export type Metric = 'rr' | 'crr' | 'stream' | 'stream8' | 'udp-rr' | 'udp-pps' | 'first-packet';

export interface Report {
  readonly machine: { readonly cpu: string; readonly cpus: number; readonly loadBefore: number; readonly loadAfter: number };
  readonly kernel: string;
  readonly commit: string;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly scenario: string;
  readonly path: Path;
  readonly metric: Metric;
  readonly contender: string;
  /** The contender that every ratio is to. */
  readonly against: string;
  /** Rounds in which both gave a number. */
  readonly rounds: number;
  /** Of one round each; above 1 is better than `against`, also for latencies. */
  readonly ratio: Spread;
  readonly value: { readonly median: number; readonly unit: string };
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One measurement of every contender, taken right after one another; undefined: that one failed and says so elsewhere. */
export type Round = ReadonlyMap<string, number | undefined>;

const LOWER_IS_BETTER: readonly Metric[] = ['first-packet'];

export interface Measured {
  readonly scenario: string;
  readonly path: Path;
  readonly metric: Metric;
  readonly against: string;
  readonly unit: string;
  readonly rounds: readonly Round[];
}

/** One row a contender, `against` included. A contender without a number has none. */
export function rowsOf({ rounds, ...measured }: Measured): Row[] {
  const contenders = new Set(rounds.flatMap((round) => [...round.keys()]));
  return [...contenders].flatMap((contender) => {
    const pairs = rounds.flatMap((round) => pairOf(round, contender, measured.against));
    if (pairs.length === 0) return [];
    const { unit, ...rest } = measured;
    const ratio = spread(pairs.map(([value, base]) => (LOWER_IS_BETTER.includes(measured.metric) ? base / value : value / base)));
    return [{ ...rest, contender, rounds: pairs.length, ratio, value: { median: median(pairs.map(([value]) => value)), unit } }];
  });
}

function pairOf(round: Round, contender: string, against: string): [number, number][] {
  const value = round.get(contender);
  const base = round.get(against);
  return value === undefined || base === undefined || base === 0 || value === 0 ? [] : [[value, base]];
}

export const spread = (values: readonly number[]): Spread => ({ median: median(values), min: Math.min(...values), max: Math.max(...values) });

/** The mean of the two in the middle where there are two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

export function machineFacts(): { readonly cpu: string; readonly cpus: number; readonly kernel: string } {
  const all = cpus();
  return { cpu: all[0]?.model.trim() ?? '', cpus: all.length, kernel: release() };
}
