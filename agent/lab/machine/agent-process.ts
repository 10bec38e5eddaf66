import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { cli } from './layout.js';
import { inside, type Place } from './place.js';

export interface AgentOptions {
  readonly node: string;
  readonly place: Place;
  /** File that its log is appended to. */
  readonly log: string;
}

/** The agent of one node: the same command that a DaemonSet runs. */
export class AgentProcess {
  readonly #options: AgentOptions;
  #child: ChildProcess | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  get log(): string {
    return this.#options.log;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  /** The end of its log, for an error message: the file goes with the lab. */
  lastWords(): string {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
  }

  /** Starts it; nothing happens where it runs already. `args` and `env` come on top of the lab's own. */
  start(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): void {
    if (this.pid !== undefined) return;
    mkdirSync(dirname(this.log), { recursive: true });
    const log = openSync(this.log, 'a');
    const { file, args: command } = inside(this.#options.place, [process.execPath, cli(), 'agent', '--kubeconfig', '/etc/canal/kubeconfig', '--ip-masq', ...args]);
    // Not the lab's environment: its KUBECONFIG and FELIX_ variables are not meant for nodes.
    this.#child = spawn(file, command, {
      stdio: ['ignore', log, log],
      detached: true,
      env: { PATH: process.env['PATH'], HOME: '/root', NODE_NAME: this.#options.node, ...env },
    });
    this.#child.on('error', () => undefined);
    this.#child.unref();
    closeSync(log);
  }

  /** Resolves when it has ended. Without an agent nothing happens. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.pid === undefined) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
