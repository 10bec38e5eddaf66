import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CanalError } from '../../base/errors.js';
import type { ClusterSize } from './cluster.js';
import type { ScaleFigure } from './measure.js';
import type { ScaleOrder } from './scale-node.js';

export interface ScaleScenario {
  readonly name: string;
  readonly size: ClusterSize;
  /** Of the node: what the sizes of its maps go by. */
  readonly memoryGb: number;
}

/** The sizes that are asked about, smallest first; `full` is that of felix#2032. */
export const SCENARIOS: readonly ScaleScenario[] = [
  scenario('small', { pods: 300, localPods: 30, namespaces: 10, policies: 50, cidrs: 50, services: 100, nodes: 10 }),
  scenario('medium', { pods: 2000, localPods: 100, namespaces: 200, policies: 2000, cidrs: 1000, services: 1000, nodes: 100 }),
  scenario('full', { pods: 10_000, localPods: 500, namespaces: 1400, policies: 14_000, cidrs: 5000, services: 1000, nodes: 100 }),
  scenario('labels', { pods: 20_000, localPods: 100, namespaces: 1400, policies: 2800, cidrs: 1000, services: 0, nodes: 100 }),
  scenario('services', { pods: 300, localPods: 30, namespaces: 10, policies: 50, cidrs: 50, services: 10_000, nodes: 10 }),
  scenario('services-44125', { pods: 300, localPods: 30, namespaces: 10, policies: 50, cidrs: 50, services: 44_125, nodes: 10 }),
  scenario('nodes-1000', { pods: 10_000, localPods: 30, namespaces: 100, policies: 500, cidrs: 500, services: 1000, nodes: 1000 }),
  scenario('nodes-5000', { pods: 50_000, localPods: 30, namespaces: 100, policies: 500, cidrs: 500, services: 1000, nodes: 5000 }),
];

/** One cluster in several sizes, everything in proportion but what is on the node itself: `growth` is all of them. */
export const GROWTH: readonly ScaleScenario[] = [1000, 2000, 4000, 8000, 16_000].map((pods) => grown(pods, 100));
/** Two that take seconds: does it work. */
export const TINY_GROWTH: readonly ScaleScenario[] = [200, 400].map((pods) => grown(pods, 10));

function grown(pods: number, localPods: number): ScaleScenario {
  return scenario(`growth-${pods}`, { pods, localPods, namespaces: pods / 10, policies: pods, cidrs: pods / 2, services: pods / 10, nodes: pods / 50 });
}

function scenario(name: string, size: ClusterSize, memoryGb = 16): ScaleScenario {
  return { name, size, memoryGb };
}

/**
 * Measures a node's agent (store, compile, reconcile, kernel; no API and no CNI)
 * in a cluster of this size, in a process with namespaces of its own.
 * @throws CanalError('KERNEL') with what the process said
 */
export const measureScale = (order: Omit<ScaleOrder, 'bpffs'>): Promise<readonly ScaleFigure[]> => isolated('node-process.js', order);

/** Runs a program of this folder in namespaces of its own. @returns what its last line says, as JSON */
export async function isolated<Figures>(program: string, order: Omit<ScaleOrder, 'bpffs'>): Promise<Figures> {
  const bpffs = '/sys/fs/bpf'; // of the mount namespace that the script makes
  const script = `mount -t bpf bpf ${bpffs} && exec "$0" "$@"`;
  const self = [...process.execArgv, join(import.meta.dirname, program), JSON.stringify({ ...order, bpffs })];
  const args = ['--net', '--mount', '--propagation', 'private', 'sh', '-c', script, process.execPath, ...self];
  try {
    const { stdout } = await promisify(execFile)('unshare', args, { maxBuffer: 1 << 24 });
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as Figures;
  } catch (cause) {
    throw new CanalError('KERNEL', `cannot measure: ${((cause as { stderr?: string }).stderr ?? (cause as Error).message).trim()}`, { cause });
  }
}
