import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ScaleFigure, ScaleMetric } from '../bench/scale/measure.js';
import { growthChart } from '../bench/scale/growth-chart.js';
import { GROWTH, measureScale, SCENARIOS, TINY_GROWTH, type ScaleScenario } from '../bench/scale/scale.js';
import { machineFacts } from '../bench/report.js';
import { VERSION } from '../base/version.js';
import { registerApi } from './bench-api.js';
import { registerCni } from './bench-cni.js';
import { among, whole } from './bench-flags.js';
import { checkOutputs, putJson } from './bench-output.js';

interface Flags {
  readonly scenarios: string[];
  readonly changes: number;
  readonly rate: number;
  readonly seconds: number;
}

interface ScaleRow extends ScaleFigure {
  readonly scenario: string;
}

/** What is promised of a figure, at every size unless one is named; at most. */
const TARGETS: readonly { readonly metric: ScaleMetric; readonly scenario?: string; readonly most: number; readonly of: 'value' | 'p99' }[] = [
  { metric: 'start', scenario: 'full', most: 5000, of: 'value' },
  { metric: 'start', scenario: 'services', most: 3000, of: 'value' },
  { metric: 'remote-label', most: 50, of: 'p99' },
  { metric: 'local-label', most: 50, of: 'p99' },
  { metric: 'policy', most: 50, of: 'p99' },
  { metric: 'endpoint-slice', most: 10, of: 'p99' },
  { metric: 'pod-add', most: 30, of: 'p99' },
  { metric: 'events-cpu', most: 20, of: 'value' },
  { metric: 'idle-cpu', scenario: 'small', most: 0.5, of: 'value' },
  { metric: 'resident', scenario: 'small', most: 90, of: 'value' },
  { metric: 'maps', scenario: 'small', most: 32, of: 'value' },
  { metric: 'restart-writes', most: 0, of: 'value' },
];

/** Scenarios that are several, and whose figures become a chart. */
const SETS: Readonly<Record<string, readonly ScaleScenario[]>> = { growth: GROWTH, 'growth-tiny': TINY_GROWTH };

/** `canal bench api`, `canal bench cni`, and `canal bench scale`: what one node's agent takes in clusters of several sizes. */
export function registerScale(bench: Command): void {
  registerApi(bench);
  registerCni(bench);
  const names = [...SCENARIOS.map(({ name }) => name), ...Object.keys(SETS)];
  bench
    .command('scale')
    .description('what the agent of one node takes in clusters of several sizes: start, one change of each kind, steady events, rest; with --charts DIRECTORY before it a picture of `growth`')
    .option('--scenarios <names>', `of ${names.join(', ')}`, among(names), ['small', 'medium', 'full'])
    .option('--changes <n>', 'changes of each kind', whole, 100)
    .option('--rate <n>', 'pod events a second', whole, 50)
    .option('--seconds <n>', 'of pod events, and of rest', whole, 20)
    .action(runScale);
}

async function runScale(flags: Flags, command: Command): Promise<void> {
  const { json, charts } = command.optsWithGlobals<{ json?: string; charts?: string }>();
  checkOutputs({ json, charts });
  const table = json === '-' ? process.stderr : process.stdout;
  const loadBefore = loadavg()[0]!;
  const rows: ScaleRow[] = [];
  const chosen = [...SCENARIOS.filter((each) => flags.scenarios.includes(each.name)), ...Object.keys(SETS).flatMap((set) => (flags.scenarios.includes(set) ? SETS[set]! : []))];
  for (const { name, size, memoryGb } of chosen) {
    table.write(`${name}: ${Object.entries(size).map(([what, n]) => `${n} ${what}`).join(', ')}\n`);
    const figures = await measureScale({ size, memoryGb, changes: flags.changes, eventRate: flags.rate, eventSeconds: flags.seconds });
    for (const figure of figures) {
      rows.push({ scenario: name, ...figure });
      table.write(`  ${line(name, figure)}\n`);
    }
  }
  const { kernel, ...machine } = machineFacts();
  putJson({ machine: { ...machine, loadBefore, loadAfter: loadavg()[0]! }, kernel, sizes: Object.fromEntries(chosen.map(({ name, size }) => [name, size])), rows }, json);
  if (charts !== undefined) draw(charts, rows, `Linux ${kernel}, ${machine.cpus} x ${machine.cpu}, load ${loadBefore.toFixed(1)} before, ${VERSION}.`);
}

/** A picture of each set of which there are figures. */
function draw(directory: string, rows: readonly ScaleRow[], facts: string): void {
  mkdirSync(directory, { recursive: true });
  for (const [set, scenarios] of Object.entries(SETS)) {
    const points = scenarios.map(({ name, size }) => ({ pods: size.pods, figures: rows.filter((row) => row.scenario === name) })).filter(({ figures }) => figures.length > 0);
    if (points.length > 0) writeFileSync(join(directory, `scale-${set}.svg`), growthChart(points, facts));
  }
}

function line(scenario: string, { metric, unit, value, p99, cpu }: ScaleFigure): string {
  const target = TARGETS.find((each) => each.metric === metric && (each.scenario ?? scenario) === scenario);
  const figure = target?.of === 'p99' ? p99 : value;
  const judged = target === undefined || figure === undefined ? '' : `  ${figure <= target.most ? 'reached' : 'MISSED'}: ${target.of === 'p99' ? 'p99 ' : ''}at most ${target.most}`;
  const many = p99 === undefined ? '' : `  p99 ${show(p99)}`;
  return `${metric.padEnd(16)}${show(value).padStart(9)} ${unit.padEnd(12)}${many.padEnd(14)}${cpu === undefined ? '' : `  cpu ${show(cpu)} ms each`}${judged}`;
}

const show = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
