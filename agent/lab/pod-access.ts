import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { PodRuntimeError, type ContainerTarget, type ExecRequest, type ExitStatus, type LogsRequest, type PodRuntime, type PodTarget, type PortForwardRequest } from '../apiserver/pod-runtime.js';
import type { PodContainer } from './kubelet/container.js';
import type { Kubelet } from './kubelet/kubelet.js';
import { readLog } from './kubelet/log-reader.js';
import type { PodWorker } from './kubelet/pod-worker.js';
import { labBinary } from './machine/layout.js';
import { inside } from './machine/place.js';
import { exitCode } from './machine/process.js';

/** What `kubectl exec`, `logs` and `port-forward` do in the lab. */
export class PodAccess implements PodRuntime {
  constructor(private readonly kubelets: () => readonly Kubelet[]) {}

  async exec(request: ExecRequest): Promise<ExitStatus> {
    const process = this.#container(request).process;
    if (process === undefined) throw new PodRuntimeError(409, `container ${request.container} is not running`);
    const { file, args } = inside(process.place, request.command, request.tty ? ['--tty'] : []);
    const env = request.tty ? { TERM: 'xterm', ...process.env } : process.env;
    // Descriptor 3 takes the terminal's sizes.
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], detached: true, env });
    return join(child, request);
  }

  logs(request: LogsRequest): Promise<Readable> {
    const container = this.#container(request);
    const log = request.previous ? container.previousLog : container.log;
    if (log !== undefined) return Promise.resolve(readLog(log, request, Date.now()));
    const why = request.previous ? `previous terminated container "${request.container}" in pod "${request.pod}" not found` : `container "${request.container}" in pod "${request.pod}" is waiting to start`;
    return Promise.reject(new PodRuntimeError(400, why));
  }

  async portForward(request: PortForwardRequest): Promise<Duplex> {
    const { sandbox } = this.#worker(request);
    if (sandbox === undefined) throw new PodRuntimeError(409, `pod ${request.pod} is not running`);
    const { file, args } = inside(sandbox.place, [labBinary(), 'connect', `127.0.0.1:${request.port}`, `[::1]:${request.port}`]);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    request.signal.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
    return connected(child, request.port);
  }

  #worker(target: PodTarget): PodWorker {
    const worker = this.kubelets().find((one) => one.node.name === target.nodeName)?.worker(target.namespace, target.pod);
    if (worker === undefined) throw new PodRuntimeError(404, `pod ${target.namespace}/${target.pod} does not run in this lab`);
    return worker;
  }

  #container(target: ContainerTarget): PodContainer {
    const worker = this.#worker(target);
    const container = [...worker.containers, ...worker.initContainers].find((one) => one.spec.name === target.container);
    if (container === undefined) throw new PodRuntimeError(400, `container ${target.container} has not been created yet`);
    return container;
  }
}

/** Joins a process with the client's streams until it ends. */
async function join(child: ChildProcess, request: ExecRequest): Promise<ExitStatus> {
  const kill = (): void => {
    // The command may have left children in its group.
    if (child.pid !== undefined) try { process.kill(-child.pid, 'SIGKILL'); } catch { /* ended */ }
  };
  request.signal.addEventListener('abort', kill, { once: true });
  child.stdin!.on('error', () => undefined);
  if (request.stdin === undefined) child.stdin!.end();
  else request.stdin.pipe(child.stdin!);
  child.stdout!.on('error', () => undefined);
  if (request.stdout === undefined) child.stdout!.resume();
  else child.stdout!.pipe(request.stdout, { end: false });
  if (request.stderr === undefined) child.stderr!.resume();
  else child.stderr!.pipe(request.stderr, { end: false });
  void resize(child.stdio[3] as Writable, request);
  const [code, signal] = (await Promise.race([once(child, 'close'), once(child, 'error').then(() => [127, null])])) as [number | null, NodeJS.Signals | null];
  request.signal.removeEventListener('abort', kill);
  return { exitCode: exitCode(code, signal) };
}

async function resize(control: Writable, request: ExecRequest): Promise<void> {
  control.on('error', () => undefined);
  for await (const { columns, rows } of request.sizes) if (!control.destroyed) control.write(`${columns} ${rows}\n`);
  control.end();
}

/** The connection as a stream once it stands; canal-lab says so with one `+`. */
async function connected(child: ChildProcess, port: number): Promise<Duplex> {
  const { stdin, stdout, stderr } = child;
  let said = '';
  stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()));
  stdin!.on('error', () => undefined);
  const open = await Promise.race([once(stdout!, 'readable').then(() => (stdout!.read(1) as Buffer | null)?.toString() === '+'), once(child, 'close').then(() => false)]);
  if (!open) throw new PodRuntimeError(500, `port ${port}: ${said.trim().split('\n')[0] ?? 'connection refused'}`);
  const stream = Duplex.from({ writable: stdin!, readable: stdout! });
  stream.on('close', () => child.kill('SIGKILL'));
  return stream;
}
