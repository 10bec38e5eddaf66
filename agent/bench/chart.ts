import type { Report, Row } from './report.js';
import { numberText, ratioText } from './text.js';

/** A picture of one scenario, needing nothing else. */
export interface Chart {
  /** Without a directory. */
  readonly file: string;
  readonly svg: string;
}

const WIDTH = 980;
const LEFT = 250;
const RIGHT = 250;
const BAR = 16;
const GAP = 30;
const COLOURS: Readonly<Record<string, string>> = { bare: '#8a8f98', limit: '#c3c7cf', canal: '#1f77b4', felix: '#d9822b' };

/** One chart a scenario: a bar for each contender's ratio, a whisker for its range, a block for each path and metric. */
export function chartsOf(report: Report): Chart[] {
  const scenarios = [...new Set(report.rows.map((row) => row.scenario))];
  return scenarios.map((scenario) => {
    const rows = report.rows.filter((row) => row.scenario === scenario);
    return { file: `${scenario.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.svg`, svg: svgOf(scenario, rows, report) };
  });
}

function svgOf(scenario: string, rows: readonly Row[], { machine, kernel, commit }: Report): string {
  const blocks = blocksOf(rows);
  const most = Math.max(1.1, ...rows.map((row) => row.ratio.max));
  const x = (ratio: number): number => LEFT + (ratio / most) * (WIDTH - LEFT - RIGHT);
  let y = 60;
  const parts: string[] = [];
  for (const [title, block] of blocks) {
    parts.push(text(10, y + 4, title, 'font-weight="bold"'));
    y += 12;
    for (const row of block) {
      parts.push(bar(row, y, x));
      y += BAR + 4;
    }
    parts.push(`<line x1="${x(1)}" x2="${x(1)}" y1="${y - block.length * (BAR + 4)}" y2="${y}" stroke="#444" stroke-dasharray="3 3"/>`);
    y += GAP;
  }
  const facts = `Linux ${kernel}, ${machine.cpus} x ${machine.cpu}, commit ${commit}. Bars: median ratio, whiskers: least and greatest of the rounds; right of the dashed line is better.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`, text(10, 22, scenario, 'font-size="16" font-weight="bold"'), text(10, 40, facts, 'fill="#555" font-size="11"'), ...parts, '</svg>', '',
  ].join('\n');
}

function blocksOf(rows: readonly Row[]): Map<string, Row[]> {
  const blocks = new Map<string, Row[]>();
  for (const row of rows) {
    const title = `${row.path === 'same' ? 'same node' : 'across nodes'}, ${row.metric}, ratio to ${row.against}`;
    (blocks.get(title) ?? blocks.set(title, []).get(title)!).push(row);
  }
  return blocks;
}

function bar({ contender, ratio, value }: Row, y: number, x: (ratio: number) => number): string {
  const middle = y + BAR / 2;
  const colour = COLOURS[contender.split('-')[0]!] ?? '#4a9d5b';
  return [
    text(LEFT - 8, middle + 4, contender, 'text-anchor="end"'),
    `<rect x="${LEFT}" y="${y}" width="${(x(ratio.median) - LEFT).toFixed(1)}" height="${BAR}" fill="${colour}"/>`,
    `<path d="M${x(ratio.min).toFixed(1)} ${middle}H${x(ratio.max).toFixed(1)}M${x(ratio.min).toFixed(1)} ${middle - 4}v8M${x(ratio.max).toFixed(1)} ${middle - 4}v8" stroke="#000" fill="none"/>`,
    text(WIDTH - RIGHT + 10, middle + 4, `${ratioText(ratio.median)}   ${numberText(value.median)} ${value.unit}`, ''),
  ].join('');
}

const text = (x: number, y: number, content: string, style: string): string => `<text x="${x}" y="${y}" ${style}>${escaped(content)}</text>`;
const escaped = (content: string): string => content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
