import { CanalError } from '../../base/errors.js';
import type { Connection } from '../../datastore/connection.js';
import { bottleneck, type ConntrackState } from '../bottleneck.js';
import type { Figure } from '../driver.js';
import { checkResult, windowArgs, type LoadResult, type LoadWindow } from '../load.js';
import type { BenchPod } from './bench-pods.js';
import { podExec, podRun } from './pod-exec.js';

/** Of the nodes nothing is known here. */
const UNKNOWN: ConntrackState = { entries: 0, max: 0, dropped: 0, evicted: 0, insertFailed: 0 };

/**
 * One measurement: the server in one pod, the client in the other, who asks `to`
 * (`address:port`).
 * @throws CanalError('KERNEL') where there is no figure
 */
export async function measurePods(connection: Connection, pods: { readonly client: BenchPod; readonly server: BenchPod }, to: string, window: LoadWindow): Promise<Figure> {
  const { client, server } = pods;
  const serving = await podExec(connection, server, [server.tool, 'serve', '--listen', `${server.address}:${server.port}`, ...windowArgs(window)]);
  await serving.saying('listening');
  const asked = await podRun(connection, client, [client.tool, 'ask', '--to', to, ...windowArgs(window)]).finally(() => serving.write('\n'));
  const result = JSON.parse(asked) as LoadResult;
  checkResult(result, `${window.metric} to ${to}`);
  const other = bottleneck(result.limits, UNKNOWN, UNKNOWN);
  if (other !== undefined) throw new CanalError('KERNEL', `no figure for ${window.metric} to ${to}: ${other}`);
  return counted(window, result, JSON.parse((await serving.ended).split('\n')[1]!) as Received);
}

/** The server's second line: bytes or packets, and over how long it counted them. */
interface Received {
  readonly received: number;
  readonly ns: number;
}

/** What streams and floods sent is not what arrived. */
function counted({ metric }: LoadWindow, result: LoadResult, { received, ns }: Received): Figure {
  if (!metric.startsWith('stream') && metric !== 'udp-pps') return result;
  if (ns === 0) throw new CanalError('KERNEL', `${metric}: nothing arrived while counting`);
  return metric === 'udp-pps' ? { value: (received / ns) * 1e9, unit: '1/s' } : { value: (received * 8) / ns, unit: 'Gbit/s' };
}

/** Whether a port where nobody listens, and that no policy names, is closed by silence. */
export async function isFiltered(connection: Connection, client: BenchPod, { address, port }: BenchPod): Promise<boolean> {
  const started = Date.now();
  await podRun(connection, client, [client.tool, 'ask', '--metric', 'crr', '--to', `${address}:${port + 1}`, '--warm-ms', '0', '--count-ms', '1']);
  return Date.now() - started > SILENCE_MS;
}

/** canal-load waits a second for a connection; one that is refused takes none. */
const SILENCE_MS = 900;
