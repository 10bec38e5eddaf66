import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CanalError } from '../base/errors.js';
import { cgroupRoot, destroyCgroup } from './machine/cgroup.js';
import { cgroupName, labFiles, LAB_NAME, LABS } from './machine/layout.js';
import { isAlive, type ProcessIdentity } from './machine/process.js';

/** What a lab leaves on disk about itself, so that a later command finds it, also after a crash. */
export interface LabState {
  readonly name: string;
  readonly dir: string;
  /** The directory was not there before: it goes away whole. */
  readonly ownsDir: boolean;
  readonly cgroup: string;
  /** The process that runs kubelets, controllers and API server. */
  readonly process: ProcessIdentity;
}

/** Everything that `lab up` may have put into a directory that was there before. */
const OWN_ENTRIES = ['lab.json', 'lab.sock', 'lab.log', 'kubeconfig', 'node.kubeconfig', 'api', 'pods', 'agents', 'captures'];

export function checkName(name: string): void {
  if (!LAB_NAME.test(name)) throw new CanalError('CONFIG', `${name}: a lab's name has up to 32 lower-case letters, digits and dashes`, { subject: name });
}

/** Where a lab of this name keeps its files; undefined when there is none. */
export function labDirectory(name: string): string | undefined {
  const entry = join(LABS, name);
  return exists(entry) ? (existsSync(entry) ? realpathSync(entry) : entry) : undefined;
}

/** Names of all labs that have left a trace here: a directory or a cgroup. */
export function labNames(): string[] {
  const named = existsSync(LABS) ? readdirSync(LABS).filter((entry) => LAB_NAME.test(entry)) : [];
  const prefix = cgroupName('');
  const cgroups = readdirSync(cgroupRoot()).filter((entry) => entry.startsWith(prefix)).map((entry) => entry.slice(prefix.length));
  return [...new Set([...named, ...cgroups])].sort();
}

/** Names of the labs whose process is gone: a crash has left them. */
export function leftoverNames(): string[] {
  return labNames().filter((name) => {
    const state = readState(name);
    return state === undefined || !isAlive(state.process);
  });
}

/** Takes the name: makes the directory and remembers the lab in it. */
export function claim(name: string, given: string | undefined, process: ProcessIdentity): LabState {
  checkName(name);
  if (labNames().includes(name)) throw new CanalError('CONFIG', `lab ${name} is there already: canal lab down --name ${name}`, { subject: name });
  mkdirSync(LABS, { recursive: true });
  const dir = given ?? join(LABS, name);
  const ownsDir = mkdirSync(dir, { recursive: true }) !== undefined;
  if (given !== undefined) symlinkSync(realpathSync(dir), join(LABS, name));
  const state = { name, dir: realpathSync(dir), ownsDir, cgroup: join(cgroupRoot(), cgroupName(name)), process };
  writeFileSync(labFiles(state.dir).state, JSON.stringify(state));
  return state;
}

export function readState(name: string): LabState | undefined {
  const dir = labDirectory(name);
  try {
    return dir === undefined ? undefined : (JSON.parse(readFileSync(labFiles(dir).state, 'utf8')) as LabState);
  } catch {
    return undefined;
  }
}

/**
 * Ends a lab and removes every trace of it, whatever state it is in: the
 * process that runs it (unless that is ourselves), everything in its cgroup,
 * with which its namespaces and mounts go, and its files. False: there was nothing.
 */
export async function destroy(name: string): Promise<boolean> {
  checkName(name);
  const known = labNames().includes(name);
  const state = readState(name);
  if (state !== undefined && state.process.pid !== process.pid && isAlive(state.process)) process.kill(state.process.pid, 'SIGKILL');
  await destroyCgroup(join(cgroupRoot(), cgroupName(name)));
  const dir = labDirectory(name);
  if (state !== undefined && existsSync(state.dir)) removeFiles(state);
  else if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  forget(name);
  return known;
}

function removeFiles(state: LabState): void {
  if (state.ownsDir) return rmSync(state.dir, { recursive: true, force: true });
  for (const entry of OWN_ENTRIES) rmSync(join(state.dir, entry), { recursive: true, force: true });
}

function forget(name: string): void {
  const entry = join(LABS, name);
  if (exists(entry) && lstatSync(entry).isSymbolicLink()) unlinkSync(entry);
  forgetIfLast();
}

/** Removes the directory of all labs when there is none. */
export function forgetIfLast(): void {
  try {
    rmdirSync(LABS);
  } catch {
    // Other labs are there.
  }
}

/** Also for a link that leads nowhere. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
