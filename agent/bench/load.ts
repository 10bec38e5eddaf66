import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CanalError } from '../base/errors.js';
import { PORT } from './lab-plan.js';
import type { Metric } from './report.js';

export interface LoadOptions {
  readonly metric: Metric;
  /** Paths of network namespaces. */
  readonly clientNetns: string;
  readonly serverNetns: string;
  readonly address: string;
  readonly warmMs: number;
  readonly countMs: number;
  /** -1: any. */
  readonly clientCpu: number;
  readonly serverCpu: number;
  /** Work per second of processor time of both ends, which neighbours on the machine disturb less than work per second. */
  readonly perCpuSecond: boolean;
}

/** One line of canal-load. */
export interface LoadResult {
  readonly value: number;
  readonly unit: string;
  readonly samples: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of both processes while counting. */
  readonly cpuUs: number;
}

/**
 * One measurement between two namespaces.
 * @throws CanalError('KERNEL') when it gives no number, or one that errors have spoilt
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const connections = options.metric === 'stream8' ? 8 : 1;
  const metric = options.metric === 'stream8' ? 'stream' : options.metric;
  const { clientNetns, serverNetns, address, warmMs, countMs, clientCpu, serverCpu } = options;
  const args = [metric, clientNetns, serverNetns, address, PORT, warmMs, countMs, connections, clientCpu, serverCpu].map(String);
  const result = JSON.parse(await output(loadTool(), args)) as LoadResult;
  if (result.errors > 0) throw new CanalError('KERNEL', `${options.metric} to ${address}: ${result.errors} of ${result.samples} failed`);
  if (!(result.value > 0) || result.cpuUs === 0) throw new CanalError('KERNEL', `${options.metric} to ${address}: nothing was counted`);
  return options.perCpuSecond ? perCpuSecond(result, options.metric) : result;
}

/** Streams' samples are bytes. A latency has no rate. */
function perCpuSecond(result: LoadResult, metric: Metric): LoadResult {
  if (metric === 'first-packet') return result;
  const perSecond = (result.samples / result.cpuUs) * 1e6;
  return metric.startsWith('stream') ? { ...result, value: (perSecond * 8) / 1e9, unit: 'Gbit/cpu-s' } : { ...result, value: perSecond, unit: '1/cpu-s' };
}

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) resolve(out);
      else reject(new CanalError('KERNEL', `canal-load ${args.join(' ')}: ${err.trim() || String(signal ?? status)}`));
    });
  });
}

/** Beside this build, or in the source tree's. */
function loadTool(): string {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const found = [join(root, 'native', 'canal-load'), join(root, 'build', 'native', 'canal-load')].find((path) => existsSync(path));
  if (found === undefined) throw new CanalError('CONFIG', 'canal-load is not built', { subject: root });
  return found;
}
