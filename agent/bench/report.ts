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

/** Whether a larger value is worse. */
export const lowerIsBetter = (metric: Metric): boolean => metric === 'first-packet';

/** Values of two contenders of one round each; undefined: that one gave no number, and says why elsewhere. */
export type Pair = readonly [value: number | undefined, base: number | undefined];

/** The row of one contender; undefined: there is no round in which both gave a number. */
export function rowOf(what: Omit<Row, 'rounds' | 'ratio' | 'value'> & { readonly unit: string }, pairs: readonly Pair[]): Row | undefined {
  const good = pairs.flatMap(([value, base]) => (value === undefined || base === undefined || value === 0 || base === 0 ? [] : [[value, base] as const]));
  if (good.length === 0) return undefined;
  const { unit, ...rest } = what;
  const ratio = spread(good.map(([value, base]) => (lowerIsBetter(what.metric) ? base / value : value / base)));
  return { ...rest, rounds: good.length, ratio, value: { median: median(good.map(([value]) => value)), unit } };
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
