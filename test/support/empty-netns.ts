import { spawn, type ChildProcess } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** A network namespace that lives as long as its process; nothing of it is on disk. */
export class EmptyNetns {
  private constructor(
    private readonly holder: ChildProcess,
    /** What CNI would call CNI_NETNS. */
    readonly path: string,
  ) {}

  static async create(): Promise<EmptyNetns> {
    const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
    const path = `/proc/${holder.pid}/ns/net`;
    const own = readlinkSync('/proc/self/ns/net');
    while (readlinkSync(path) === own) await pause(1);
    return new EmptyNetns(holder, path);
  }

  /** What to put before the words of a command that runs inside. */
  get enter(): readonly [command: string, ...args: string[]] {
    return ['nsenter', `--net=${this.path}`];
  }

  /** Command line that runs inside. */
  inside(command: string): string {
    return `nsenter --net=${this.path} ${command}`;
  }

  async close(): Promise<void> {
    if (this.holder.exitCode !== null || this.holder.signalCode !== null) return;
    const gone = new Promise((resolve) => this.holder.once('exit', resolve));
    this.holder.kill('SIGKILL');
    await gone;
  }
}
