import { accessSync, chmodSync, constants, copyFileSync, linkSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CanalError } from '../base/errors.js';

/** Text that only our plugin's binary holds. */
const MARK = 'canal CNI plugin';
/** Ours is under 1 MB; Calico's is 50 and more, and need not be read. */
const LARGEST_OURS = 4 << 20;

export type BinaryOutcome =
  | 'installed'
  | 'same' // there already
  | 'kept' // another version of ours, and UPDATE_CNI_BINARIES=false
  | 'skipped' // SKIP_CNI_BINARIES
  | 'foreign'; // somebody else's `calico`, not replaced

export interface BinaryRequest {
  readonly source: string;
  readonly directories: readonly string[];
  /** Overwrite other versions of ours. */
  readonly update: boolean;
  readonly skip: readonly string[];
  /** Replace somebody else's `calico`; it is kept as `calico.before-canal`. */
  readonly replaceCalico: boolean;
}

/**
 * Copies the plugin under both its names into every directory that can be written to.
 * Outcomes by path. Throws CanalError('CONFIG') where there is no such directory and the
 * plugin is not there already.
 */
export function installBinaries(request: BinaryRequest): ReadonlyMap<string, BinaryOutcome> {
  const source = readFileSync(request.source);
  if (!source.includes(MARK)) throw new CanalError('CONFIG', `${request.source} is not canal's CNI plugin`, { subject: request.source });
  const writable = request.directories.filter(isWritable);
  if (writable.length === 0 && (request.update || !request.directories.some((directory) => isOurs(join(directory, 'canal'))))) {
    throw new CanalError('CONFIG', `no directory for CNI plugins can be written to: ${request.directories.join(', ')}`);
  }
  const outcomes = new Map<string, BinaryOutcome>();
  for (const directory of writable) {
    for (const name of ['canal', 'calico']) outcomes.set(join(directory, name), installOne(request, source, directory, name));
  }
  return outcomes;
}

function installOne(request: BinaryRequest, source: Buffer, directory: string, name: string): BinaryOutcome {
  if (request.skip.includes(name)) return 'skipped';
  const path = join(directory, name);
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined) {
    if (there.size === source.length && readFileSync(path).equals(source)) return 'same';
    if (isOurs(path)) {
      if (!request.update) return 'kept';
    } else {
      if (name === 'calico' && !request.replaceCalico) return 'foreign';
      keep(path);
    }
  }
  copyFileSync(request.source, `${path}.tmp`);
  chmodSync(`${path}.tmp`, 0o755);
  renameSync(`${path}.tmp`, path);
  return 'installed';
}

/** A second name for what is about to be replaced, so that there is a plugin under the first at every moment. */
function keep(path: string): void {
  rmSync(`${path}.before-canal`, { force: true });
  linkSync(path, `${path}.before-canal`);
}

/** Whether this file is our plugin, of whatever version. */
export function isOurs(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.size <= LARGEST_OURS && readFileSync(path).includes(MARK);
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return statSync(directory).isDirectory();
  } catch {
    return false;
  }
}
