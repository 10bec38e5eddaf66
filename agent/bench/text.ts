import type { Row } from './report.js';

/** Rows of one path and metric, as they become known: median, and the ratio with its range over the rounds. */
export function textOf(rows: readonly Row[]): string {
  const blocks = new Map<string, Row[]>();
  for (const row of rows) {
    const title = `${row.scenario} | ${row.path} | ${row.metric}, ratio to ${row.against}`;
    (blocks.get(title) ?? blocks.set(title, []).get(title)!).push(row);
  }
  return [...blocks].map(([title, block]) => `${title}\n${block.map(line).join('')}`).join('');
}

function line({ contender, value, ratio, rounds }: Row): string {
  const range = `(${ratioText(ratio.min)} to ${ratioText(ratio.max)}, ${rounds} rounds)`;
  return `  ${contender.padEnd(30)}${numberText(value.median).padStart(10)} ${value.unit.padEnd(10)} ${ratioText(ratio.median).padStart(5)}  ${range}\n`;
}

export const numberText = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));
export const ratioText = (value: number): string => value.toFixed(value >= 10 ? 1 : 2);
