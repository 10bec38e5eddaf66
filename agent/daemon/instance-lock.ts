import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { CanalError } from '../base/errors.js';
import { FlockFileLock } from '../kernel/file-lock.js';

/** How long a predecessor may take to end. */
const WAIT_MS = 15_000;

export interface InstanceLock {
  release(): void;
}

/**
 * One agent a node: two would undo each other's work for ever. The kernel lets go of the lock when its holder dies.
 * @throws CanalError('CONFIG') while another agent runs
 */
export async function takeInstanceLock(path: string): Promise<InstanceLock> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  let release!: () => void;
  const held = new Promise<void>((resolve) => (release = resolve));
  await new Promise<void>((resolve, reject) => {
    new FlockFileLock(WAIT_MS)
      .hold(path, () => {
        resolve();
        return held;
      })
      .catch((cause: unknown) => reject(new CanalError('CONFIG', `another agent runs here: it holds ${path}`, { subject: path, cause })));
  });
  return { release };
}
