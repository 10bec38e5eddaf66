import { pipeline } from 'node:stream';
import type { PodRuntime, PodTarget } from '../pod-runtime.js';
import type { SpdyConnection, SpdyStream } from './spdy/connection.js';

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
}

/** Port-forward v1: for each connection the client opens an error and a data stream with the same request id. */
export function servePortForward(connection: SpdyConnection, runtime: PodRuntime, target: PodTarget): void {
  const pairs = new Map<string, Pair>();
  const gone = new AbortController();
  connection.once('close', () => gone.abort());
  connection.on('stream', (stream) => {
    const { requestid = '', streamtype = '', port = '' } = stream.headers;
    const pair: Pair = pairs.get(requestid) ?? {};
    pairs.set(requestid, pair);
    if (streamtype === 'error') pair.error = stream;
    else if (streamtype === 'data') pair.data = stream;
    else return void stream.destroy();
    if (pair.error === undefined || pair.data === undefined) return;
    pairs.delete(requestid);
    void join(pair.data, pair.error, runtime, target, Number(port), gone.signal);
  });
}

async function join(data: SpdyStream, error: SpdyStream, runtime: PodRuntime, target: PodTarget, port: number, signal: AbortSignal): Promise<void> {
  try {
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`invalid port ${port}`);
    const inside = await runtime.portForward({ ...target, port, signal });
    pipeline(data, inside, () => undefined);
    pipeline(inside, data, () => error.end());
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    error.end(`error forwarding port ${port} to pod ${target.uid}, uid : ${message}`);
    data.end();
  }
}
