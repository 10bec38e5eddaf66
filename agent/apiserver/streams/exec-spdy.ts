import type { PodRuntime } from '../pod-runtime.js';
import { runRemoteCommand, TerminalSizes, type RemoteCommand } from './remote-command.js';
import type { SpdyConnection, SpdyStream } from './spdy/connection.js';

/** How long a client may take to open the streams it asked for. */
const STREAMS_WITHIN_MS = 30_000;

/** One exec or attach over SPDY (kubectl up to 1.30 and the fallback of later ones): a stream for each channel. */
export async function serveExecSpdy(connection: SpdyConnection, runtime: PodRuntime, command: RemoteCommand): Promise<void> {
  const wanted = ['error', ...(command.stdin ? ['stdin'] : []), ...(command.stdout ? ['stdout'] : []), ...(command.stderr && !command.tty ? ['stderr'] : []), ...(command.tty ? ['resize'] : [])];
  const streams = await collectStreams(connection, wanted);
  if (streams === undefined) {
    connection.destroy();
    return;
  }
  const sizes = new TerminalSizes();
  streams.get('resize')?.on('data', (data: Buffer) => sizes.pushText(data.toString('utf8')));
  const gone = new AbortController();
  connection.once('close', () => {
    gone.abort();
    sizes.end();
  });
  const status = await runRemoteCommand(runtime, command, { stdin: streams.get('stdin'), stdout: streams.get('stdout'), stderr: streams.get('stderr'), tty: command.tty, sizes, signal: gone.signal });
  sizes.end();
  for (const name of ['stdout', 'stderr']) streams.get(name)?.end();
  streams.get('error')?.end(status.status === 'Success' ? undefined : JSON.stringify(status));
  await connection.end();
}

function collectStreams(connection: SpdyConnection, wanted: readonly string[]): Promise<Map<string, SpdyStream> | undefined> {
  const streams = new Map<string, SpdyStream>();
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), STREAMS_WITHIN_MS);
    connection.once('close', () => (clearTimeout(timer), resolve(undefined)));
    connection.on('stream', (stream) => {
      streams.set(stream.headers['streamtype'] ?? '', stream);
      if (!wanted.every((name) => streams.has(name))) return;
      clearTimeout(timer);
      resolve(streams);
    });
  });
}
