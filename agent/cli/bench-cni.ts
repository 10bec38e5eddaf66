import { loadavg } from 'node:os';
import type { Command } from 'commander';
import { CanalError } from '../base/errors.js';
import { machineFacts } from '../bench/report.js';
import { measureCni, referencePlugins, type CniFigure } from '../bench/scale/cni.js';
import { whole, within } from './bench-flags.js';
import { checkOutputs, putJson } from './bench-output.js';

/** What is promised of canal, processor time, the cost of starting a process included; milliseconds. */
const MOST_CPU = { ADD: 12, DEL: 8 } as const;

/** `canal bench cni`: what attaching a pod takes. */
export function registerCni(bench: Command): void {
  bench
    .command('cni')
    .description("ADD and DEL, policy in force and the agent's share included, beside the reference plugins ptp and bridge with host-local, in turns")
    .option('--pods <n>', 'attached one after another', whole, 50)
    .option('--together <n>', 'attached at once; 0: not measured', within(0, 1000), 60)
    .option('--plugins <directory>', 'of ptp, bridge and host-local', '/usr/lib/cni')
    .action(runCni);
}

async function runCni(flags: { readonly pods: number; readonly together: number; readonly plugins: string }, command: Command): Promise<void> {
  if (!referencePlugins(flags.plugins)) throw new CanalError('CONFIG', `--plugins ${flags.plugins}: no ptp, bridge and host-local there (Debian: containernetworking-plugins)`, { subject: flags.plugins });
  const { json } = command.optsWithGlobals<{ json?: string }>();
  checkOutputs({ json });
  const table = json === '-' ? process.stderr : process.stdout;
  const loadBefore = loadavg()[0]!;
  const rows = await measureCni(flags);
  table.write(`${'plugin'.padEnd(10)}${'verb'.padEnd(10)}${'wall ms'.padStart(9)}${'p99'.padStart(9)}${'CPU ms'.padStart(9)}${'p99'.padStart(9)}\n`);
  for (const row of rows) table.write(`${line(row)}\n`);
  const { kernel, ...machine } = machineFacts();
  putJson({ machine: { ...machine, loadBefore, loadAfter: loadavg()[0]! }, kernel, pods: flags.pods, together: flags.together, rows }, json);
}

function line({ contender, verb, wall, wallP99, cpu, cpuP99 }: CniFigure): string {
  const most = contender === 'canal' && (verb === 'ADD' || verb === 'DEL') ? MOST_CPU[verb] : undefined;
  const judged = most === undefined ? '' : `  ${cpu <= most ? 'reached' : 'MISSED'}: CPU at most ${most}`;
  return `${contender.padEnd(10)}${verb.padEnd(10)}${[wall, wallP99, cpu, cpuP99].map((value) => value.toFixed(1).padStart(9)).join('')}${judged}`;
}
