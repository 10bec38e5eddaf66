import { loadavg } from 'node:os';
import type { Command } from 'commander';
import { machineFacts } from '../bench/report.js';
import { API_SCENARIOS, measureApi, type ApiFigure } from '../bench/scale/api.js';
import { among, whole } from './bench-flags.js';
import { checkOutputs, putJson } from './bench-output.js';

interface Flags {
  readonly scenarios: string[];
  readonly changes: number;
  readonly seconds: number;
}

/** `canal bench api`: what following the API server costs one node. */
export function registerApi(bench: Command): void {
  const names = API_SCENARIOS.map(({ name }) => name);
  bench
    .command('api')
    .description('what following the API server costs the agent of one node: bytes, processor and time of each event, in clusters of fake nodes in the embedded API server')
    .option('--scenarios <names>', `of ${names.join(', ')}`, among(names), ['nodes-1000'])
    .option('--changes <n>', 'changes of each kind', whole, 100)
    .option('--seconds <n>', 'of heartbeats, and of rest (40 at most)', whole, 40)
    .action(runApi);
}

async function runApi(flags: Flags, command: Command): Promise<void> {
  const { json } = command.optsWithGlobals<{ json?: string }>();
  checkOutputs({ json });
  const table = json === '-' ? process.stderr : process.stdout;
  const loadBefore = loadavg()[0]!;
  const rows: (ApiFigure & { readonly scenario: string })[] = [];
  for (const { name, size, memoryGb } of API_SCENARIOS.filter((each) => flags.scenarios.includes(each.name))) {
    table.write(`${name}: ${Object.entries(size).map(([what, n]) => `${n} ${what}`).join(', ')}\n`);
    const figures = await measureApi({ size, memoryGb, changes: flags.changes, eventRate: 0, eventSeconds: 0, seconds: flags.seconds });
    for (const figure of figures) {
      rows.push({ scenario: name, ...figure });
      table.write(`  ${line(figure)}\n`);
    }
  }
  const { kernel, ...machine } = machineFacts();
  putJson({ machine: { ...machine, loadBefore, loadAfter: loadavg()[0]! }, kernel, sizes: Object.fromEntries(API_SCENARIOS.map(({ name, size }) => [name, size])), rows }, json);
}

function line({ metric, unit, value, p99, cpu, cpuP99, bytes, perSecond }: ApiFigure): string {
  const each = unit === 'B/s' ? 'a second' : metric === 'start' ? 'in all' : 'each';
  const more = [
    p99 === undefined ? '' : `p99 ${show(p99)}`,
    bytes === undefined ? '' : metric === 'start' ? `${show(bytes / 1e6)} MB read` : `${bytes.toFixed(0)} bytes an event`,
    perSecond === undefined ? '' : `${show(perSecond)} events a second`,
    cpu === undefined ? '' : `cpu ${show(cpu)} ms ${each}${cpuP99 === undefined ? '' : ` (p99 ${show(cpuP99)})`}`,
  ];
  return `${metric.padEnd(17)}${show(value).padStart(9)} ${unit.padEnd(4)} ${more.filter((part) => part !== '').join(', ')}`;
}

const show = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
