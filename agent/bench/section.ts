import type { Metric, Path } from './report.js';
import { sizeName, type Size } from './size.js';

/** Who is measured, at which size. */
export interface Entry {
  readonly contender: string;
  readonly size: Size;
}

/** Measurements that are taken in turns: each round takes one of every entry, right after one another. */
export interface Section {
  readonly entries: readonly Entry[];
  /** Which rows there are: an entry, and one that its ratio is to; both by index. */
  readonly rows: readonly SectionRow[];
  readonly paths: readonly Path[];
  readonly metrics: readonly Metric[];
}

export interface SectionRow {
  readonly entry: number;
  readonly against: number;
  /** As the JSON has them. */
  readonly scenario: string;
  readonly againstName: string;
}

export interface SectionPlan {
  readonly contenders: readonly string[];
  readonly sizes: readonly Size[];
  /** Contenders that ratios are to, at the same size: of all to the first, to the others of those that are none of these. */
  readonly against: readonly string[];
  /** Ratios of each contender to itself at the first size, too. */
  readonly growth: boolean;
  readonly paths: readonly Path[];
  readonly metrics: readonly Metric[];
}

/** Contenders that no size changes: one lab of theirs does for all. */
const SIZELESS = ['bare', 'limit'];

/** All contenders at all sizes, in turns. */
export function sectionOf({ sizes, against, growth, paths, metrics, ...plan }: SectionPlan): Section {
  const contenders = [...against.filter((each) => !plan.contenders.includes(each)), ...plan.contenders];
  const entries = contenders.flatMap((contender) => (SIZELESS.includes(contender) ? sizes.slice(0, 1) : sizes).map((size) => ({ contender, size })));
  const find = (contender: string, size: Size): number => entries.findIndex((each) => each.contender === contender && (each.size === size || SIZELESS.includes(contender)));
  const rows = sizes.flatMap((size) => against.flatMap((base, i) => contenders.filter((each) => i === 0 || !against.includes(each)).map((contender): SectionRow => (
    { entry: find(contender, size), against: find(base, size), scenario: sizeName(size), againstName: base }))));
  const grown = growth ? contenders.filter((each) => !SIZELESS.includes(each)).flatMap((contender) => sizes.slice(1).map((size): SectionRow => (
    { entry: find(contender, size), against: find(contender, sizes[0]!), scenario: sizeName(size), againstName: `${contender}: ${sizeName(sizes[0]!)}` }))) : [];
  return { entries, rows: [...rows, ...grown], paths, metrics };
}
