import type { ProgramCost } from './programs.js';
import type { Report, Row } from './report.js';
import { numberText, ratioText } from './text.js';

/** A run as the README shows it: one table a scenario and base, contenders down, paths and metrics across. */
export function markdownOf(report: Report): string {
  const { machine, kernel, commit } = report;
  const head = `Commit ${commit}, Linux ${kernel}, ${machine.cpus} × ${machine.cpu}, load ${machine.loadBefore.toFixed(1)} before and ${machine.loadAfter.toFixed(1)} after. ` +
    'Ratios are medians over interleaved rounds, with the least and the greatest; above 1 is better, for latencies too.\n';
  const tables = grouped(report.rows, (row) => `${row.scenario}\0${row.against}`).map((rows) => table(rows));
  return [head, ...tables].join('\n');
}

function table(rows: readonly Row[]): string {
  const columns = grouped(rows, column).map((some) => column(some[0]!));
  const { scenario, against } = rows[0]!;
  const lines = grouped(rows, (row) => row.contender).map((some) => {
    const cells = columns.map((name) => cell(some.find((row) => column(row) === name), against));
    return `| ${some[0]!.contender} | ${cells.join(' | ')} |`;
  });
  return [`**${scenario}**, ÷ ${against}\n`, `| | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---').join('|')}|`, ...lines, ''].join('\n');
}

const column = (row: Row): string => `${row.path} ${row.metric}`;

/** The base shows what it is a ratio to. */
function cell(row: Row | undefined, against: string): string {
  if (row === undefined) return '–';
  if (row.contender === against) return `${numberText(row.value.median)} ${row.value.unit}`;
  return `**${ratioText(row.ratio.median)}** (${ratioText(row.ratio.min)}–${ratioText(row.ratio.max)})`;
}

/** Costs of programs: packets down, table sizes across. */
export function programsMarkdown(costs: readonly ProgramCost[]): string {
  const sizes = [...new Set(costs.map((cost) => cost.tableSize))];
  const lines = grouped(costs, (cost) => cost.packet).map((some) => {
    const cells = sizes.map((size) => some.find((cost) => cost.tableSize === size)).map((cost) => (cost === undefined ? '–' : `${cost.ns.median.toFixed(0)} (${cost.ns.min.toFixed(0)}–${cost.ns.max.toFixed(0)})`));
    return `| ${some[0]!.packet} | ${cells.join(' | ')} |`;
  });
  return [`| ns a packet, by rows in the tables | ${sizes.join(' | ')} |`, `|---|${sizes.map(() => '---').join('|')}|`, ...lines, ''].join('\n');
}

function grouped<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) (groups.get(key(item)) ?? groups.set(key(item), []).get(key(item))!).push(item);
  return [...groups.values()];
}
