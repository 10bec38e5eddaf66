import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../../agent/lab/lab.js';
import { packageRoot } from '../../agent/lab/machine/layout.js';
import { inside, placeOf } from '../../agent/lab/machine/place.js';
import { split } from './cluster.js';
import { eventually } from './eventually.js';

/** What a port of a server has received. Times are CLOCK_MONOTONIC in ms, as {@link nowMs}. */
export interface PortTally {
  readonly connections: number;
  readonly segments: number;
  readonly datagrams: number;
  readonly lastMs: number;
}

/** A long-lived flow since the last mark (`sent` and `echoed`: since its start). */
export interface FlowTally {
  readonly sent: number;
  readonly echoed: number;
  readonly gapMs: number;
  readonly lastMs: number;
  readonly retransmits: number;
  readonly errno: number;
}

export interface Stream {
  mark(): Promise<void>;
  /** Sends no more, so that all that was not lost comes back. */
  pause(): Promise<void>;
  tally(): Promise<FlowTally[]>;
}

/** New flows to one target. */
export interface DoorTally {
  readonly tried: number;
  readonly answered: number;
  readonly silent: number;
  readonly refused: number;
}

export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Ends the sending; what a flow has lost, failed at or sent again. Empty: nothing. */
export async function losses(stream: Stream): Promise<FlowTally[]> {
  await stream.pause();
  const lost = async (): Promise<FlowTally[]> => (await stream.tally()).filter(({ errno, retransmits, sent, echoed }) => errno !== 0 || retransmits !== 0 || sent !== echoed);
  await eventually('everything has come back', async () => ((await lost()).length === 0 ? '' : 'not yet'), { withinMs: 1_000 }).catch(() => undefined);
  return lost();
}

/** Servers and clients in a lab's pods; see traffic/*.c. */
export class Traffic {
  readonly #children = new Set<ChildProcessWithoutNullStreams>();
  readonly #binary = build();

  constructor(private readonly lab: Lab) {}

  /** Echoes on TCP and UDP until closed. */
  async serve(who: string, ports: readonly number[]): Promise<{ tally(): Promise<ReadonlyMap<number, PortTally>> }> {
    const program = await this.#start(who, ['serve', ...ports.map(String)]);
    return {
      tally: async () => new Map((await program.ask('r')).map(([port, connections, segments, datagrams, lastMs]) => [port!, { connections: connections!, segments: segments!, datagrams: datagrams!, lastMs: lastMs! }])),
    };
  }

  /** A flow to each target (`tcp:10.0.0.1:80`), kept busy until closed. */
  async stream(who: string, everyMs: number, targets: readonly string[]): Promise<Stream> {
    const program = await this.#start(who, ['stream', String(everyMs), ...targets]);
    return {
      mark: async () => void (await program.ask('m')),
      pause: async () => void (await program.ask('p')),
      tally: async () => (await program.ask('r')).map(([sent, echoed, gapMs, lastMs, retransmits, errno]) => ({ sent: sent!, echoed: echoed!, gapMs: gapMs!, lastMs: lastMs!, retransmits: retransmits!, errno: errno! })),
    };
  }

  /** A new flow to each target again and again. `stop` gives the tally once all have been answered or given up. */
  async knock(who: string, everyMs: number, targets: readonly string[]): Promise<{ tally(): Promise<DoorTally[]>; stop(): Promise<DoorTally[]> }> {
    const program = await this.#start(who, ['knock', String(everyMs), ...targets]);
    const tallies = async (command: string): Promise<DoorTally[]> =>
      (await program.ask(command)).map(([tried, answered, silent, refused]) => ({ tried: tried!, answered: answered!, silent: silent!, refused: refused! }));
    return { tally: () => tallies('r'), stop: () => tallies('s') };
  }

  /** Counts the frames that a pod receives, the link's own talk left out; and shows the last one. */
  async sniff(who: string): Promise<{ tally(): Promise<{ frames: number; last: string }> }> {
    const program = await this.#start(who, ['sniff']);
    return {
      tally: async () => {
        const [frames = '0', last = ''] = (await program.askText('r'))[0]!.split(' ');
        return { frames: Number(frames), last };
      },
    };
  }

  /** Sends hostile frames; @returns how many the pod's device has taken. */
  async fuzz(who: string, options: { seed: number; count: number; from: string; node: string; to: readonly string[] }): Promise<number> {
    const { seed, count, from, node, to } = options;
    const [namespace, pod] = split(who);
    const { code, stdout, stderr } = await this.lab.podExec(namespace, pod, [this.#binary, 'fuzz', String(seed), String(count), from, node, to.join(',')]);
    if (code !== 0) throw new Error(`fuzz: ${stderr}`);
    return Number(stdout);
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#children.clear();
  }

  async #start(who: string, args: readonly string[]): Promise<Program> {
    const [namespace, name] = split(who);
    const pod = this.lab.status().pods.find((one) => one.namespace === namespace && one.name === name);
    if (typeof pod?.pid !== 'number') throw new Error(`pod ${who} does not run`);
    const command = inside(placeOf(pod.pid, pod.cgroup ?? undefined), [this.#binary, ...args]);
    const child = spawn(command.file, command.args, { stdio: 'pipe' });
    this.#children.add(child);
    const program = new Program(child, `${who} ${args[0]}`);
    await program.ready;
    return program;
  }
}

/** A program that answers a letter with lines, the last of which is `.`; its first line says that it is ready. */
class Program {
  readonly ready: Promise<unknown>;
  #text = '';
  #said = '';
  #wake: () => void = () => undefined;

  constructor(
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly what: string,
  ) {
    child.stdout.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
      this.#wake();
    });
    child.stderr.on('data', (chunk: Buffer) => (this.#said += chunk.toString()));
    child.stdin.on('error', () => undefined);
    void once(child, 'close').then(() => this.#wake());
    this.ready = this.#until('ready\n');
  }

  async ask(command: string): Promise<number[][]> {
    return (await this.askText(command)).map((line) => line.split(' ').map(Number));
  }

  async askText(command: string): Promise<string[]> {
    this.child.stdin.write(command);
    return (await this.#until('.\n')).split('\n').slice(0, -2);
  }

  async #until(end: string): Promise<string> {
    while (!(this.#text === end || this.#text.endsWith(`\n${end}`))) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`${this.what} has ended: ${this.#said}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const text = this.#text;
    this.#text = '';
    return text;
  }
}

/** Compiles traffic/*.c: a fraction of a second. */
function build(): string {
  const sources = join(dirname(fileURLToPath(import.meta.url)), 'traffic');
  const binary = join(packageRoot(), 'build', 'test', 'traffic');
  const files = readdirSync(sources).filter((name) => name.endsWith('.c')).map((name) => join(sources, name));
  mkdirSync(dirname(binary), { recursive: true });
  const fresh = `${binary}.${process.pid}`;
  execFileSync('clang', ['-O2', '-std=gnu17', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', '-o', fresh, ...files]);
  // Other test files may be running it.
  renameSync(fresh, binary);
  return binary;
}
