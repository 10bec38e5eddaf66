import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { file } from './repository.js';

/** Where the Makefile lays the image's files out, and what it packs them into. */
export const ROOT = 'build/image/root';
const TAR = 'build/canal-image.tar';

/**
 * Runs the lines that `make TARGET` runs once all is built, into another
 * folder than build/, which other tests use: `into`/image/root and
 * `into`/canal-image.tar.
 */
export function makeImage(target: string, into: string): void {
  // Of the make that runs the tests: its flags are not for this one.
  const { MAKEFLAGS: _flags, MFLAGS: _mflags, MAKELEVEL: _level, ...rest } = process.env;
  const options = { cwd: file(''), encoding: 'utf8', env: { ...rest, PATH: `${dirname(process.execPath)}${delimiter}${rest['PATH']}` } } as const;
  const all = execFileSync('make', ['--dry-run', '--no-print-directory', target], options).split('\n');
  const ours = all.filter((line) => line.includes(ROOT) || line.includes(TAR));
  if (ours.length === 0) throw new Error(`make ${target} makes nothing of ${ROOT}`);
  mkdirSync(into, { recursive: true });
  for (const line of ours) execFileSync('sh', ['-c', line.replaceAll(ROOT, `${into}/image/root`).replaceAll(TAR, `${into}/canal-image.tar`)], options);
}
