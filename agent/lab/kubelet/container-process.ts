import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { destroyCgroup, makeCgroup } from '../machine/cgroup.js';
import { inside, type Place } from '../machine/place.js';
import { exitCode } from '../machine/process.js';
import { LogFile } from './log-file.js';
import type { Sandbox } from './sandbox.js';

export interface ProcessOptions {
  readonly sandbox: Sandbox;
  /** The container's name: also that of its cgroup. */
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly logPath: string;
}

export interface Ended {
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | null;
}

/** One run of a container: a process of the machine in the pod's namespaces. */
export class ContainerProcess {
  readonly id = randomBytes(32).toString('hex');
  readonly log: LogFile;
  readonly place: Place;
  readonly env: Readonly<Record<string, string>>;
  /** Resolves when the process and all that it started have ended. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;

  constructor(options: ProcessOptions) {
    const cgroup = join(options.sandbox.cgroup, `container-${options.name}`);
    makeCgroup(cgroup);
    this.env = options.env;
    this.place = { ...options.sandbox.place, cgroup };
    this.log = new LogFile(options.logPath);
    const { file, args } = inside(this.place, options.command, options.cwd === undefined ? [] : ['--cwd', options.cwd]);
    this.#child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: options.env });
    this.#capture('stdout');
    this.#capture('stderr');
    this.ended = this.#wait(cgroup);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
  }

  #capture(name: 'stdout' | 'stderr'): void {
    const write = this.log.stream(name);
    this.#child[name]!.on('data', write);
    this.#child[name]!.on('end', () => write(undefined));
  }

  async #wait(cgroup: string): Promise<Ended> {
    const closed = once(this.#child, 'close');
    const [code, signal] = (await Promise.race([once(this.#child, 'exit'), once(this.#child, 'error').then(() => [127, null])])) as [number | null, NodeJS.Signals | null];
    // What it has started ends with it, as in a container.
    await destroyCgroup(cgroup);
    await closed;
    this.log.close();
    return { exitCode: exitCode(code, signal), signal };
  }
}
