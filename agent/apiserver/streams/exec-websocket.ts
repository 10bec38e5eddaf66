import { PassThrough, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import type { PodRuntime } from '../pod-runtime.js';
import { runRemoteCommand, TerminalSizes, type RemoteCommand } from './remote-command.js';

/** First byte of each message (k8s.io/apimachinery remotecommand). */
const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;
const RESIZE = 4;
/** v5 only: the channel in the second byte is closed. */
const CLOSE = 255;

export const EXEC_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

const PING_INTERVAL_MS = 30_000;

/** One exec or attach over a WebSocket: channels multiplexed by a byte, a Status at the end. */
export async function serveExecWebSocket(socket: WebSocket, runtime: PodRuntime, command: RemoteCommand): Promise<void> {
  const stdin = command.stdin ? new PassThrough() : undefined;
  const sizes = new TerminalSizes();
  const gone = new AbortController();
  const end = (): void => {
    gone.abort();
    stdin?.end();
    sizes.end();
  };
  socket.on('close', end);
  socket.on('error', end);
  socket.on('message', (data: Buffer) => takeMessage(socket, data, stdin, sizes));
  stdin?.on('drain', () => socket.resume());
  const ping = setInterval(() => socket.ping(), PING_INTERVAL_MS);
  const status = await runRemoteCommand(runtime, command, {
    stdin,
    stdout: command.stdout ? channel(socket, STDOUT) : undefined,
    stderr: command.stderr && !command.tty ? channel(socket, STDERR) : undefined,
    tty: command.tty,
    sizes,
    signal: gone.signal,
  });
  clearInterval(ping);
  end();
  if (socket.readyState === socket.OPEN) socket.send(framed(STATUS, Buffer.from(JSON.stringify(status))), () => socket.close(1000));
}

function takeMessage(socket: WebSocket, data: Buffer, stdin: PassThrough | undefined, sizes: TerminalSizes): void {
  const body = data.subarray(1);
  switch (data[0]) {
    case STDIN:
      if (stdin !== undefined && !stdin.writableEnded && body.length > 0 && !stdin.write(body)) socket.pause();
      break;
    case RESIZE:
      sizes.pushText(body.toString('utf8'));
      break;
    case CLOSE:
      if (body[0] === STDIN) stdin?.end();
      break;
    default: // other channels are the server's to write
  }
}

function channel(socket: WebSocket, number: number): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      // A client that has gone is told by the abort signal; its output goes nowhere.
      if (socket.readyState === socket.OPEN) socket.send(framed(number, chunk), () => done());
      else done();
    },
  });
}

const framed = (number: number, body: Buffer): Buffer => Buffer.concat([Buffer.of(number), body]);
