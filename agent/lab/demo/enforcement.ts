import { run } from '../machine/process.js';
import { podName, probeMatrix, type Cell } from '../matrix.js';
import type { PodStatus } from '../status.js';

export interface Enforcement {
  /** Milliseconds from kubectl's return to the last connection that should not have passed; negative: before it returned. */
  readonly lastWrongMs: number;
  /** Milliseconds from kubectl's return to the first moment at which all that is to pass passed and nothing else did. */
  readonly settledMs: number;
  readonly applyMs: number;
}

const PROBE_TIMEOUT_MS = 30;
const WATCH_MS = 700;

/**
 * Applies policies while all pairs are probed without pause.
 * @param allowed whether a pair may pass once the policies are in force
 */
export async function measureEnforcement(pods: readonly PodStatus[], kubeconfig: string, file: string, allowed: (cell: Cell) => boolean): Promise<Enforcement> {
  const denied: number[] = [];
  let stop = false;
  const watch = async (source: PodStatus): Promise<void> => {
    const targets = pods.filter((target) => !allowed({ from: podName(source), to: podName(target), protocol: 'TCP' } as Cell));
    while (!stop) {
      const began = performance.now();
      const cells = await probeMatrix([source], targets, { protocol: 'TCP', timeoutMs: PROBE_TIMEOUT_MS });
      for (const cell of cells) if (cell.allowed) denied.push(began);
    }
  };
  const watching = Promise.all(pods.map(watch));
  const began = performance.now();
  const applied = await run('kubectl', ['apply', '-f', file], { env: { ...process.env, KUBECONFIG: kubeconfig } });
  const returned = performance.now();
  if (applied.code !== 0) {
    stop = true;
    await watching;
    throw new Error(applied.stderr);
  }
  const settled = await untilRight(pods, allowed);
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  stop = true;
  await watching;
  return { lastWrongMs: Math.max(...denied, began) - returned, settledMs: settled - returned, applyMs: returned - began };
}

async function untilRight(pods: readonly PodStatus[], allowed: (cell: Cell) => boolean): Promise<number> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
    const began = performance.now();
    const cells = await probeMatrix(pods, pods, { protocol: 'TCP', timeoutMs: 100 });
    if (cells.every((cell) => cell.allowed === allowed(cell))) return began;
  }
  throw new Error('the policies were not in force within 10 s');
}
