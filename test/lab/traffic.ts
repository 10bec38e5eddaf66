import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../../agent/lab/lab.js';
import type { ProbeSource } from '../../agent/lab/probe.js';
import { packageRoot } from '../../agent/lab/machine/layout.js';
import { inside } from '../../agent/lab/machine/place.js';
import { split } from './cluster.js';
import { eventually } from './eventually.js';

/** What a port of a server has received. Times are CLOCK_MONOTONIC in ms, as {@link nowMs}. */
export interface PortTally {
  readonly connections: number;
  readonly segments: number;
  readonly datagrams: number;
  readonly lastMs: number;
  /** Of the last connection or datagram: segments of old connections do not count. */
  readonly newMs: number;
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

/** Pairs of questions from one socket each. */
export interface PairTally {
  readonly pairs: number;
  /** Both answers have come. */
  readonly answered: number;
  /** Of all that were answered. */
  readonly slowestMs: number;
  readonly errno: number;
}

/** A pod by `namespace/name`, or a place of the lab. */
export type Where = string | Exclude<ProbeSource, { readonly pod: string }>;

export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Ends the sending; what a flow has lost, failed at or sent again. Empty: nothing. */
export async function losses(stream: Stream): Promise<FlowTally[]> {
  await stream.pause();
  const lost = async (): Promise<FlowTally[]> => (await stream.tally()).filter(({ errno, retransmits, sent, echoed }) => errno !== 0 || retransmits !== 0 || sent !== echoed);
  await eventually('everything has come back', async () => ((await lost()).length === 0 ? '' : 'not yet'), { withinMs: 1_000 }).catch(() => undefined);
  return lost();
}

/** Servers and clients in a lab's pods, on its nodes and outside; see traffic/*.c. */
export class Traffic {
  readonly #children = new Set<ChildProcessWithoutNullStreams>();
  readonly #binary = build();

  constructor(private readonly lab: Lab) {}

  /** Echoes on TCP and UDP until closed. */
  async serve(who: Where, ports: readonly number[]): Promise<{ tally(): Promise<ReadonlyMap<number, PortTally>> }> {
    const program = await this.#start(who, ['serve', ...ports.map(String)]);
    return {
      tally: async () => new Map((await program.ask('r')).map(([port, connections, segments, datagrams, lastMs, newMs]) => [port!, { connections: connections!, segments: segments!, datagrams: datagrams!, lastMs: lastMs!, newMs: newMs! }])),
    };
  }

  /** A flow to each target (`tcp:10.0.0.1:80`), kept busy until closed. */
  async stream(who: Where, everyMs: number, targets: readonly string[]): Promise<Stream> {
    const program = await this.#start(who, ['stream', String(everyMs), ...targets]);
    return {
      mark: async () => void (await program.ask('m')),
      pause: async () => void (await program.ask('p')),
      tally: async () => (await program.ask('r')).map(([sent, echoed, gapMs, lastMs, retransmits, errno]) => ({ sent: sent!, echoed: echoed!, gapMs: gapMs!, lastMs: lastMs!, retransmits: retransmits!, errno: errno! })),
    };
  }

  /** A new flow to each target again and again. `stop` gives the tally once all have been answered or given up. */
  async knock(who: Where, everyMs: number, targets: readonly string[]): Promise<{ tally(): Promise<DoorTally[]>; stop(): Promise<DoorTally[]> }> {
    const program = await this.#start(who, ['knock', String(everyMs), ...targets]);
    const tallies = async (command: string): Promise<DoorTally[]> =>
      (await program.ask(command)).map(([tried, answered, silent, refused]) => ({ tried: tried!, answered: answered!, silent: silent!, refused: refused! }));
    return { tally: () => tallies('r'), stop: () => tallies('s') };
  }

  /** Two questions at once from a new socket (as a resolver asks for A and AAAA), `count` times, `parallel` sockets at a time. Resolves when all are over. */
  async pairs(who: Where, target: string, options: { count: number; parallel: number }): Promise<PairTally> {
    const program = await this.#start(who, ['pairs', String(options.count), String(options.parallel), target]);
    const [[pairs, answered, slowestMs, errno] = []] = await program.ask('r');
    return { pairs: pairs!, answered: answered!, slowestMs: slowestMs!, errno: errno! };
  }

  /** The program, for containers' commands. */
  get binary(): string {
    return this.#binary;
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

  async #start(who: Where, args: readonly string[]): Promise<Program> {
    const [namespace, pod] = typeof who === 'string' ? split(who) : ['', ''];
    const place = await this.lab.placeOf(typeof who === 'string' ? { namespace, pod } : who);
    const command = inside(place, [this.#binary, ...args]);
    const child = spawn(command.file, command.args, { stdio: 'pipe' });
    this.#children.add(child);
    const program = new Program(child, `${JSON.stringify(who)} ${args[0]}`);
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
