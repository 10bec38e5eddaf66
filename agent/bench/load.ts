import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CanalError } from '../base/errors.js';
import type { LoadLimits } from './bottleneck.js';
import type { Metric } from './report.js';

/** What is done for how long. */
export interface LoadWindow {
  readonly metric: Metric;
  readonly warmMs: number;
  readonly countMs: number;
}

/** Where one side of a measurement runs. */
export interface LoadPlace {
  /** Path. */
  readonly netns: string;
  /** Directory of a cgroup v2; undefined: the caller's. */
  readonly cgroup: string | undefined;
  /** -1: any. */
  readonly cpu: number;
}

export interface LoadOptions extends LoadWindow {
  readonly client: LoadPlace;
  readonly server: LoadPlace;
  /** `address:port` */
  readonly to: string;
  readonly listen: string;
}

/** One line of canal-load. */
export interface LoadResult {
  readonly value: number;
  readonly unit: string;
  /** Counted: transactions; bytes of streams; packets. */
  readonly samples: number;
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of both processes while counting. */
  readonly cpuUs: number;
  readonly limits: LoadLimits;
}

/** Of streams: Linux's own default, whatever this machine's is. BBR paces what it sends, and is then what is measured. */
const CONGESTION = 'cubic';

/**
 * One measurement between two namespaces of this machine.
 * @throws CanalError('KERNEL') when the tool fails
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { client, server, to, listen } = options;
  const args = ['both', ...windowArgs(options), ...(options.metric.startsWith('stream') ? ['--congestion', CONGESTION] : []), '--to', to, '--listen', listen, ...place('client', client), ...place('server', server)];
  return JSON.parse(await output(loadTool(), args)) as LoadResult;
}

export const windowArgs = ({ metric, warmMs, countMs }: LoadWindow): string[] => [
  '--metric', metric === 'stream8' ? 'stream' : metric, '--connections', metric === 'stream8' ? '8' : '1', '--warm-ms', String(warmMs), '--count-ms', String(countMs),
];

const place = (side: string, { netns, cgroup, cpu }: LoadPlace): string[] => [
  `--${side}-netns`, netns, ...(cgroup === undefined ? [] : [`--${side}-cgroup`, cgroup]), `--${side}-cpu`, String(cpu),
];

/** @throws CanalError('KERNEL') where errors have spoilt it, or nothing was counted */
export function checkResult({ errors, samples, value, limits }: LoadResult, what: string): void {
  // What had no port failed, but why is the caller's to say.
  if (errors > 0 && limits.noPorts === 0) throw new CanalError('KERNEL', `${what}: ${errors} of ${samples} failed`);
  if (!(value > 0) && limits.noPorts === 0) throw new CanalError('KERNEL', `${what}: nothing was counted`);
}

/** Work per second of processor time of both ends, which neighbours on the machine disturb less than work per second. A latency has no rate. */
export function perCpuSecond(result: LoadResult, metric: Metric): LoadResult {
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
export function loadTool(): string {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const found = [join(root, 'native', 'canal-load'), join(root, 'build', 'native', 'canal-load')].find((path) => existsSync(path));
  if (found === undefined) throw new CanalError('CONFIG', 'canal-load is not built', { subject: root });
  return found;
}
