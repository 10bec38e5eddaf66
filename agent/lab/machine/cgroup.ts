import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CanalError } from '../../base/errors.js';

/** Where cgroup v2 is mounted on this machine: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` beside v1. */
export function cgroupRoot(mounts: string = readFileSync('/proc/self/mounts', 'utf8')): string {
  const line = mounts.split('\n').find((one) => one.split(' ')[2] === 'cgroup2');
  if (line === undefined) throw new CanalError('CONFIG', 'no cgroup v2 is mounted on this machine');
  return line.split(' ')[1]!;
}

/** Makes a cgroup below the machine's root, parents included. */
export function makeCgroup(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Ids of all processes in a cgroup and below it. Empty when there is none. */
export function processesOf(path: string): number[] {
  if (!existsSync(path)) return [];
  const own = read(join(path, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  return [...own, ...children(path).flatMap((child) => processesOf(join(path, child)))];
}

/**
 * Kills everything in a cgroup and below it, and removes it. Nothing is left
 * when it resolves; a cgroup that is not there is fine. Throws CanalError
 * KERNEL when processes outlive SIGKILL for 10 s.
 */
export async function destroyCgroup(path: string): Promise<void> {
  for (let waited = 0; existsSync(path); waited += 5) {
    killAll(path);
    if (processesOf(path).length === 0 && removeTree(path)) return;
    if (waited > 10_000) throw new CanalError('KERNEL', `processes in ${path} do not die: ${processesOf(path).join(' ')}`, { subject: path });
    await sleep(5);
  }
}

function killAll(path: string): void {
  try {
    writeFileSync(join(path, 'cgroup.kill'), '1');
  } catch {
    // Before Linux 5.14: one by one; the caller comes again for those that forked meanwhile.
    for (const pid of processesOf(path)) kill(pid);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function removeTree(path: string): boolean {
  try {
    for (const child of children(path)) if (!removeTree(join(path, child))) return false;
    rmdirSync(path);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return true;
    // A zombie still counts until its parent has reaped it.
    if (code === 'EBUSY') return false;
    throw error;
  }
}

function children(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
