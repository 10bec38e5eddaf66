import { fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CanalError } from '../base/errors.js';
import { serveControl } from './control-server.js';
import type { LabOptions } from './lab-options.js';
import { startLab } from './lab.js';
import { cli, labFiles, LABS } from './machine/layout.js';
import { checkName, destroy, forgetIfLast, leftoverNames } from './state.js';
import type { LabStatus } from './status.js';

/** Options of a lab that can be handed to another process. */
export type LaunchOptions = Omit<LabOptions, 'progress' | 'nodeFiles'>;

type Message = { readonly progress: string } | { readonly ready: LabStatus } | { readonly failed: string; readonly code?: string };

/** Starts a lab in a process of its own, which lives until `lab down`; resolves when its nodes are ready. */
export async function launch(options: LaunchOptions, progress: (line: string) => void): Promise<LabStatus> {
  checkName(options.name);
  await removeLeftovers(options.name, progress);
  // The lab makes its directory itself; until then its log lies beside it.
  const dir = resolve(options.dir ?? join(LABS, options.name));
  const early = `${dir}.log`;
  mkdirSync(dirname(dir), { recursive: true });
  const log = openSync(early, 'a');
  const child = fork(cli(), ['lab', 'serve'], { stdio: ['ignore', log, log, 'ipc'], detached: true });
  closeSync(log);
  try {
    child.send({ ...options, ...(options.dir === undefined ? {} : { dir }) });
    const status = await new Promise<LabStatus>((resolve, reject) => {
      child.on('message', (message: Message) => {
        if ('progress' in message) progress(message.progress);
        else if ('ready' in message) resolve(message.ready);
        else reject(new CanalError(message.code === 'CONFIG' ? 'CONFIG' : 'INTERNAL', message.failed));
      });
      child.on('exit', (code) => reject(new CanalError('INTERNAL', `the lab ended with ${code}`)));
    });
    renameSync(early, labFiles(status.dir).log);
    return status;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
    rmSync(early, { force: true });
    forgetIfLast();
  }
}

/** A lab whose process is gone is in nobody's way. */
async function removeLeftovers(name: string, progress: (line: string) => void): Promise<void> {
  if (!leftoverNames().includes(name)) return;
  progress(`removing what is left of an earlier lab ${name}`);
  await destroy(name);
}

/** The other end of {@link launch}: runs the lab that the parent describes until it is told to stop. */
export async function serveLab(): Promise<void> {
  const tell = (message: Message): void => void (process.connected && process.send?.(message));
  const options = await new Promise<LaunchOptions>((resolve) => process.once('message', (message) => resolve(message as LaunchOptions)));
  try {
    const lab = await startLab({ ...options, progress: (line) => tell({ progress: line }) });
    const stop = (): void => void lab.close().then(() => process.exit(0), () => process.exit(1));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
    await serveControl(lab, labFiles(lab.dir).socket, stop);
    tell({ ready: lab.status() });
  } catch (error) {
    tell({ failed: error instanceof Error ? error.message : String(error), ...(error instanceof CanalError ? { code: error.code } : {}) });
    process.exit(1);
  }
}
