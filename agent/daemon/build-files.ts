import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CanalError } from '../base/errors.js';

/**
 * A built BPF object: in `buildDir` where one is given, else `bpf/` beside this
 * build's `agent/`, else `build/bpf/` of the source tree.
 * @throws CanalError('CONFIG') where there is none
 */
export function objectFile(name: string, buildDir: string): string {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const candidates = buildDir === '' ? [join(root, 'bpf', name), join(root, 'build', 'bpf', name)] : [join(buildDir, name), join(buildDir, 'bpf', name)];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new CanalError('CONFIG', `${name} is not built: looked for ${candidates.join(' and ')}`, { subject: name });
  return found;
}
