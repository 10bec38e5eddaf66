import { join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { destroyCgroup } from '../machine/cgroup.js';
import { labBinary } from '../machine/layout.js';
import type { Place } from '../machine/place.js';
import { inside } from '../machine/place.js';
import { run } from '../machine/process.js';
import type { Container, Pod } from '../world/objects.js';
import { ContainerProcess, type Ended } from './container-process.js';
import { commandOf, environmentOf, type EnvironmentSources } from './environment.js';
import type { LogFile } from './log-file.js';
import { probeForever } from './prober.js';
import type { Sandbox } from './sandbox.js';

export type ContainerState =
  | { readonly waiting: { readonly reason: string; readonly message?: string } }
  | { readonly running: { readonly startedAt: string } }
  | { readonly terminated: Terminated };

export interface Terminated {
  readonly exitCode: number;
  readonly reason: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly containerID: string;
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export interface ContainerOptions {
  readonly pod: () => Pod;
  readonly container: Container;
  readonly sandbox: Sandbox;
  readonly sources: EnvironmentSources;
  readonly restartPolicy: RestartPolicy;
  /** The node's namespaces, for probes. */
  readonly node: Place;
  /** Logs go to files here. */
  readonly directory: string;
  readonly clock: Clock;
  /** Called after each change of what the getters say. */
  readonly changed: () => void;
}

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** A container that ran this long starts its backoff anew. */
const STEADY_MS = 120_000;

/** A container of a pod: started, probed, and started again as its policy says. */
export class PodContainer {
  readonly spec: Container;
  state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  lastState: ContainerState | undefined;
  restartCount = 0;
  started = false;
  /** By its readiness probe; without one, running is ready. */
  ready = false;
  /** Of this run and of the one before. */
  log: LogFile | undefined;
  previousLog: LogFile | undefined;
  readonly #options: ContainerOptions;
  readonly #stop = new AbortController();
  #process: ContainerProcess | undefined;

  constructor(options: ContainerOptions) {
    this.#options = options;
    this.spec = options.container;
  }

  /** The running process; undefined between runs. */
  get process(): ContainerProcess | undefined {
    return 'running' in this.state ? this.#process : undefined;
  }

  get containerId(): string | undefined {
    return this.#process?.id;
  }

  /** The exit code when it has ended for good. */
  get finalExitCode(): number | undefined {
    return 'terminated' in this.state ? this.state.terminated.exitCode : undefined;
  }

  /** Runs it until it has ended for good or is stopped. */
  async live(): Promise<void> {
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)) {
      const began = this.#options.clock.monotonic();
      const code = await this.#once();
      if (this.#stop.signal.aborted || !this.#restarts(code)) return;
      if (this.#options.clock.monotonic() - began > STEADY_MS) backoffMs = FIRST_BACKOFF_MS;
      this.lastState = 'terminated' in this.state ? this.state : this.lastState;
      if (code !== undefined) this.state = { waiting: { reason: 'CrashLoopBackOff', message: `back-off ${backoffMs / 1000}s restarting failed container=${this.spec.name}` } };
      this.#options.changed();
      await this.#options.clock.sleep(backoffMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      if (code !== undefined) this.restartCount++;
    }
  }

  /** SIGTERM, and SIGKILL after the grace period. {@link live} ends with it. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    const process = this.process;
    if (process === undefined) return;
    const deadline = this.#options.clock.monotonic() + graceMs;
    await this.#beforeStop(process, graceMs);
    process.signal('SIGTERM');
    const done = new AbortController();
    const late = this.#options.clock.sleep(Math.max(0, deadline - this.#options.clock.monotonic()), done.signal);
    await Promise.race([process.ended, late]);
    done.abort();
    await this.kill();
  }

  /** SIGKILL to all of it; does not count as a stop, so the restart policy decides what follows. */
  async kill(): Promise<void> {
    if (this.#process !== undefined) await destroyCgroup(this.#process.place.cgroup!);
  }

  /** One run. Undefined: it could not be started. */
  async #once(): Promise<number | undefined> {
    const { pod, container, sandbox, sources, directory } = this.#options;
    try {
      const env = await environmentOf(pod(), container, sources);
      if (this.#stop.signal.aborted) return undefined;
      this.#process = new ContainerProcess({
        sandbox,
        env,
        name: container.name,
        command: commandOf(pod(), container, env, labBinary()),
        cwd: container.workingDir,
        logPath: join(directory, container.name, `${this.restartCount}.log`),
      });
    } catch (error) {
      this.state = { waiting: { reason: 'CreateContainerConfigError', message: error instanceof Error ? error.message : String(error) } };
      return undefined;
    }
    return this.#watch(this.#process);
  }

  async #watch(process: ContainerProcess): Promise<number> {
    const startedAt = new Date(this.#options.clock.now()).toISOString().replace(/\.\d+/, '');
    this.previousLog = this.log;
    this.log = process.log;
    this.state = { running: { startedAt } };
    this.started = this.spec.startupProbe === undefined;
    this.ready = this.started && this.spec.readinessProbe === undefined;
    this.#options.changed();
    const over = new AbortController();
    this.#probe(process, over.signal);
    const ended = await process.ended;
    over.abort();
    this.started = false;
    this.ready = false;
    this.state = { terminated: this.#terminated(process, startedAt, ended) };
    this.#options.changed();
    return ended.exitCode;
  }

  #terminated(process: ContainerProcess, startedAt: string, { exitCode }: Ended): Terminated {
    const finishedAt = new Date(this.#options.clock.now()).toISOString().replace(/\.\d+/, '');
    return { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', startedAt, finishedAt, containerID: `canal-lab://${process.id}` };
  }

  #restarts(code: number | undefined): boolean {
    const { restartPolicy } = this.#options;
    // What could not be started is tried again under every policy, as the kubelet does.
    return code === undefined || restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && code !== 0);
  }

  #probe(process: ContainerProcess, signal: AbortSignal): void {
    const { startupProbe, readinessProbe, livenessProbe } = this.spec;
    const target = { container: this.spec, podIP: this.#options.sources.podIPs[0] ?? '127.0.0.1', node: this.#options.node, inside: process.place, env: process.env };
    const start = (probe: typeof startupProbe, report: (healthy: boolean) => void): void => {
      if (probe !== undefined) void probeForever(probe, target, this.#options.clock, signal, report);
    };
    const others = (): void => {
      start(readinessProbe, (healthy) => {
        this.ready = healthy;
        this.#options.changed();
      });
      start(livenessProbe, (healthy) => void (healthy ? undefined : this.kill()));
    };
    if (startupProbe === undefined) return others();
    start(startupProbe, (healthy) => {
      if (!healthy) return void this.kill();
      this.started = true;
      this.ready = readinessProbe === undefined;
      this.#options.changed();
      others();
    });
  }

  async #beforeStop(process: ContainerProcess, graceMs: number): Promise<void> {
    const hook = this.spec.lifecycle?.preStop;
    if (hook?.sleep !== undefined) await this.#options.clock.sleep(Math.min(hook.sleep.seconds * 1000, graceMs));
    if (hook?.exec === undefined) return;
    const { file, args } = inside(process.place, hook.exec.command);
    await run(file, args, { env: process.env, timeoutMs: graceMs });
  }
}
