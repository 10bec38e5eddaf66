import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isOurs } from './install-binaries.js';
import { usesCanal } from './install-config.js';

export interface UninstallReport {
  readonly removed: readonly string[];
  /** Files that the installation had put aside, under their old names again. */
  readonly restored: readonly string[];
}

const ASIDE = '.before-canal';
const CONFIG_FILE = /\.(conf|conflist|json)$/;

/**
 * Undoes `installCni`: the configuration first, so that no runtime asks for a
 * plugin that is gone. What is not ours stays. Directories that are not there
 * have nothing to remove. @throws what the file system says
 */
export function uninstallCni(binDirs: readonly string[], netDir: string): UninstallReport {
  const configs = files(netDir).filter((path) => CONFIG_FILE.test(path) && usesCanal(readFileSync(path, 'utf8')));
  const binaries = binDirs.flatMap((directory) => ['canal', 'calico'].map((name) => join(directory, name)).filter(isOurs));
  const removed = [...configs, ...binaries];
  for (const path of removed) rmSync(path);
  const restored = [netDir, ...binDirs].flatMap(files).filter((path) => path.endsWith(ASIDE)).map((path) => path.slice(0, -ASIDE.length));
  for (const path of restored) {
    if (!existsSync(path)) renameSync(path + ASIDE, path);
  }
  return { removed, restored };
}

function files(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => join(directory, name)) : [];
}
