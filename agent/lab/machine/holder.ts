import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { CanalError } from '../../base/errors.js';
import { inside, type Place } from './place.js';

/**
 * A process that holds namespaces: they live as long as it does, so nothing of
 * them is left on the machine once it is killed.
 */
export interface Holder {
  readonly pid: number;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;
}

/**
 * Starts a command that prints `ready` once it holds what it shall hold, and
 * then sleeps. Throws CanalError KERNEL with its words when it ends before.
 */
export async function hold(place: Place, command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Holder> {
  const { file, args } = inside(place, command);
  return holdDirectly(file, args, env);
}

/** As {@link hold}, for a program that finds its place itself. */
export async function holdDirectly(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Holder> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, ...env } });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const ended = once(child, 'close').then(() => undefined);
  await Promise.race([ready(child), ended.then(() => fail(args, said)), failed(child)]);
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
  return { pid: child.pid!, ended };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('ready\n')) resolve();
    });
  });
}

async function failed(child: ChildProcess): Promise<never> {
  const [error] = (await once(child, 'error')) as [Error];
  throw new CanalError('KERNEL', `cannot start ${child.spawnfile}`, { cause: error });
}

function fail(args: readonly string[], said: readonly Buffer[]): never {
  throw new CanalError('KERNEL', `${args.join(' ')}: ${Buffer.concat(said).toString().trim() || 'ended at once'}`);
}
