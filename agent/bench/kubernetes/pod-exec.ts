import type { Readable } from 'node:stream';
import { WebSocket } from 'ws';
import { CanalError } from '../../base/errors.js';
import type { Connection } from '../../datastore/connection.js';
import { objectPath, PODS } from '../../datastore/resource.js';

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  /** Undefined: its only one. */
  readonly container?: string | undefined;
}

/** A command that runs in a pod. */
export interface PodCommand {
  /** Resolves once standard output has a line that is this; rejects when the command ends before. */
  saying(line: string): Promise<void>;
  write(input: Buffer | string): void;
  /** Standard output, when the command has ended. @throws CanalError('KERNEL') with what it said, when it failed */
  readonly ended: Promise<string>;
}

const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
/** First byte of each message (k8s.io/apimachinery remotecommand). */
const STDIN = 0, STDOUT = 1, STDERR = 2, STATUS = 3;
/** Of one message to the pod: API servers and runtimes take them in small buffers. */
const CHUNK = 32_768;

/** Starts a command in a pod. @throws CanalError('DATASTORE') where the API server refuses */
export async function podExec(connection: Connection, pod: PodRef, command: readonly string[]): Promise<PodCommand> {
  const socket = await open(connection, pod, command);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const waiting = new Set<() => void>();
  let status = '';
  socket.on('message', (data: Buffer) => {
    const body = data.subarray(1);
    if (data[0] === STDOUT) out.push(body);
    if (data[0] === STDERR) err.push(body);
    if (data[0] === STATUS) status += body.toString();
    for (const wake of waiting) wake();
  });
  const text = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString();
  const ended = new Promise<string>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => {
      if (succeeded(status)) resolve(text(out));
      else reject(new CanalError('KERNEL', `${command.join(' ').slice(0, 200)} in ${pod.namespace}/${pod.name}: ${text(err).trim() || status || 'the connection was closed'}`));
    });
  });
  ended.catch(() => undefined); // who waits for a line, or for nothing, is told there
  return {
    ended,
    write: (input) => {
      const bytes = Buffer.from(input);
      for (let at = 0; at < bytes.length; at += CHUNK) socket.send(Buffer.concat([Buffer.of(STDIN), bytes.subarray(at, at + CHUNK)]));
    },
    saying: async (line) => {
      const said = new Promise<void>((resolve) => waiting.add(() => text(out).split('\n').includes(line) && resolve()));
      await Promise.race([said, ended.then(() => Promise.reject(new CanalError('KERNEL', `${command[0]} ended without saying ${line}`)))]);
    },
  };
}

/** To the end. @returns standard output */
export async function podRun(connection: Connection, pod: PodRef, command: readonly string[], input: Buffer | string = ''): Promise<string> {
  const running = await podExec(connection, pod, command);
  running.write(input);
  return running.ended;
}

async function open(connection: Connection, pod: PodRef, command: readonly string[]): Promise<WebSocket> {
  const { headers, tls } = await connection.credentials();
  const base = connection.server.href.replace(/^http/, 'ws').replace(/\/$/, '');
  const container: [string, string][] = pod.container === undefined ? [] : [['container', pod.container]];
  const query = new URLSearchParams([...container, ...command.map((part): [string, string] => ['command', part]), ['stdin', 'true'], ['stdout', 'true'], ['stderr', 'true']]);
  const socket = new WebSocket(`${base}${objectPath(PODS, pod, 'exec')}?${query.toString()}`, PROTOCOLS, { headers, ...tls });
  return new Promise((resolve, reject) => {
    const refused = (message: string): void => reject(new CanalError('DATASTORE', `exec in ${pod.namespace}/${pod.name}: ${message}`));
    socket.once('open', () => resolve(socket));
    socket.once('error', (error) => refused(error.message));
    socket.once('unexpected-response', (_request: unknown, answer: Readable & { statusCode?: number }) => {
      let body = '';
      answer.on('data', (part: Buffer) => (body += part.toString())).on('end', () => refused(`${answer.statusCode} ${body.slice(0, 300)}`));
    });
  });
}

function succeeded(status: string): boolean {
  return /"status"\s*:\s*"Success"/.test(status);
}
