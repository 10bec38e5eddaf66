import type { ScaleFigure, ScaleMetric } from './measure.js';

/** What one size of cluster took. */
export interface GrowthPoint {
  readonly pods: number;
  readonly figures: readonly ScaleFigure[];
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

interface Line {
  readonly name: string;
  readonly of: (point: GrowthPoint, smallest: GrowthPoint) => number | undefined;
}

const figure = ({ figures }: GrowthPoint, metric: ScaleMetric): ScaleFigure | undefined => figures.find((each) => each.metric === metric);
const valueOf = (metric: ScaleMetric): Line => ({ name: metric, of: (point) => figure(point, metric)?.value });
const cpuOf = (metric: ScaleMetric): Line => ({ name: metric, of: (point) => figure(point, metric)?.cpu });

/** Bytes that each pod adds beyond those of the smallest cluster, with all that comes with it (policies, services, nodes). */
function perPod(point: GrowthPoint, smallest: GrowthPoint): number | undefined {
  const [here, there] = [figure(point, 'resident')?.value, figure(smallest, 'resident')?.value];
  if (here === undefined || there === undefined || point.pods === smallest.pods) return undefined;
  return ((here - there) * 1000) / (point.pods - smallest.pods);
}

const CHANGES: readonly ScaleMetric[] = ['remote-label', 'local-label', 'policy', 'endpoint-slice', 'node', 'pod-add'];
const PANELS: readonly Panel[] = [
  { title: 'processor time of one change until it is in force', unit: 'ms', lines: CHANGES.map(cpuOf) },
  { title: 'from one change to its being in force, median', unit: 'ms', lines: CHANGES.map(valueOf) },
  { title: 'start to all enforced', unit: 'ms', lines: [valueOf('start'), valueOf('start-cpu'), valueOf('restart')] },
  { title: 'memory', unit: 'MB', lines: [valueOf('resident'), valueOf('maps')] },
  { title: 'memory that a pod adds to the smallest cluster\'s', unit: 'kB', lines: [{ name: 'a pod, its share of policies and services', of: perPod }] },
];

const WIDTH = 760;
const LEFT = 60;
const RIGHT = 250;
const HEIGHT = 170;
const GAP = 60;
const COLOURS = ['#1f77b4', '#d9822b', '#4a9d5b', '#9467bd', '#c0392b', '#7f7f7f'];

/** Lines over the number of pods, logarithmic, one picture below the other; needs nothing else. `facts`: of the machine and the run. */
export function growthChart(points: readonly GrowthPoint[], facts: string): string {
  const sorted = [...points].sort((a, b) => a.pods - b.pods);
  const height = 70 + PANELS.length * (HEIGHT + GAP);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(10, 22, 'What one node takes as its cluster grows and its own pods do not', 'font-size="16" font-weight="bold"'),
    text(10, 40, facts, 'fill="#555" font-size="11"'),
    ...PANELS.map((panel, i) => panelOf(panel, sorted, 70 + i * (HEIGHT + GAP))),
    '</svg>',
    '',
  ].join('\n');
}

function panelOf({ title, unit, lines }: Panel, points: readonly GrowthPoint[], top: number): string {
  const smallest = points[0]!;
  const drawn = lines.map((line) => ({ name: line.name, values: points.flatMap((point) => { const value = line.of(point, smallest); return value === undefined ? [] : [[point.pods, value] as const]; }) })).filter(({ values }) => values.length > 0);
  const most = Math.max(1e-9, ...drawn.flatMap(({ values }) => values.map(([, value]) => value))) * 1.05;
  const [first, last] = [Math.log(smallest.pods), Math.log(points.at(-1)!.pods)];
  const x = (pods: number): number => LEFT + (last === first ? 0.5 : (Math.log(pods) - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => top + HEIGHT - (value / most) * HEIGHT;
  return [
    text(10, top - 8, `${title}, ${unit}`, 'font-weight="bold"'),
    ...[0, most / 2, most].map((value) => `<path d="M${LEFT} ${round(y(value))}H${WIDTH - RIGHT}" stroke="#ddd"/>${text(LEFT - 6, round(y(value)) + 4, short(value), 'text-anchor="end" fill="#555"')}`),
    ...points.map(({ pods }) => text(round(x(pods)), top + HEIGHT + 16, String(pods), 'text-anchor="middle" fill="#555"')),
    ...drawn.map(({ name, values }, i) => lineOf(name, values.map(([pods, value]) => [x(pods), y(value), value] as const), i, top)),
  ].join('\n');
}

function lineOf(name: string, points: readonly (readonly [x: number, y: number, value: number])[], i: number, top: number): string {
  const colour = COLOURS[i % COLOURS.length]!;
  const path = points.map(([x, y], at) => `${at === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
  const dots = points.map(([x, y, value]) => `<circle cx="${round(x)}" cy="${round(y)}" r="3" fill="${colour}"><title>${escaped(name)}: ${short(value)}</title></circle>`).join('');
  const range = `${short(points[0]![2])} → ${short(points.at(-1)![2])}`;
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots}${text(WIDTH - RIGHT + 14, top + 14 + i * 18, `${name}   ${range}`, `fill="${colour}"`)}`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const text = (x: number, y: number, content: string, style: string): string => `<text x="${x}" y="${y}" ${style}>${escaped(content)}</text>`;
const escaped = (content: string): string => content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
