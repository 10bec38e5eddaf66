import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from './days.js';

/** Another kubectl, as a path: CANAL_KUBECTL. */
export const KUBECTL = process.env['CANAL_KUBECTL'] ?? 'kubectl';
/** A command that has not ended by then is ended, and what it said is compared. */
const PATIENCE_MS = 120_000;
const AGAIN_MS = 300;

export interface Outcome {
  /** 0 where it was ended because it had said enough. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Of what ran meanwhile. */
  readonly others: readonly Outcome[];
}

/** Where commands run: as whom, and what stands for NS, NODE and IMAGE in them. */
export interface Place {
  readonly kubeconfig: string;
  /** A folder of the run's own: kubectl's caches. */
  readonly home: string;
  readonly namespace: string;
  readonly words?: Readonly<Record<string, string>>;
}

/** Runs a command, and those that belong to it while it runs. */
export async function kubectl(command: Command, place: Place): Promise<Outcome> {
  const { until } = command;
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const outcome = await once(command, place);
    if (until === undefined || until.test(outcome.out + outcome.err)) return outcome;
    if (Date.now() > end) throw new Error(`kubectl ${command.line} does not say ${until.source} but: ${outcome.out}${outcome.err}`);
    await pause(AGAIN_MS);
  }
}

async function once(command: Command, place: Place): Promise<Outcome> {
  const child = start(command, place);
  const heard = hear(child);
  child.stdin?.end(filled(command.input ?? '', place));
  const others: Outcome[] = [];
  if (command.meanwhile !== undefined) {
    await heard.until(/\n/);
    for (const other of command.meanwhile) others.push(await kubectl(other, place));
    await heard.until(command.enough ?? /\n/);
    child.kill();
  }
  const code = await heard.ended;
  return { code: command.meanwhile === undefined ? code : 0, out: heard.out(), err: heard.err(), others };
}

function start({ line, editor }: Command, place: Place): ChildProcess {
  const words = [...filled(line, place).matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
  const env = { ...process.env, KUBECONFIG: place.kubeconfig, HOME: place.home, TMPDIR: place.home, ...(editor === undefined ? {} : { KUBE_EDITOR: `sed -i -e ${editor}` }) };
  const at = words.indexOf('--');
  const where = line.includes(' -n ') || line.startsWith('version') ? [] : ['-n', place.namespace];
  const all = at < 0 ? [...words, ...where] : [...words.slice(0, at), ...where, ...words.slice(at)];
  return spawn(KUBECTL, all, { env, stdio: ['pipe', 'pipe', 'pipe'] });
}

function filled(text: string, { namespace, words = {} }: Place): string {
  return Object.entries({ NS: namespace, ...words }).reduce((filledIn, [word, value]) => filledIn.replaceAll(word, value), text);
}

interface Heard {
  /** Its exit code; that of its end by force is 137. */
  readonly ended: Promise<number>;
  out(): string;
  err(): string;
  /** Resolves once it has said this, or has ended. */
  until(what: RegExp): Promise<void>;
}

function hear(child: ChildProcess): Heard {
  let out = '';
  let err = '';
  const tooLong = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(tooLong);
      resolve(code ?? 137);
    });
  });
  const listeners = new Set<() => void>();
  const told = (): void => listeners.forEach((listener) => listener());
  child.stdout?.on('data', (data: Buffer) => ((out += data.toString()), told()));
  child.stderr?.on('data', (data: Buffer) => ((err += data.toString()), told()));
  child.stdin?.on('error', () => undefined); // its exit code tells
  const until = (what: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (what.test(out) && resolve());
      listeners.add(look);
      look();
      void ended.then(() => resolve(), () => resolve());
    });
  return { ended, out: () => out, err: () => err, until };
}
