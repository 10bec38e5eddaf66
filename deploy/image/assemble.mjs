// Lays out the image's files: `node deploy/image/assemble.mjs build/image/root`.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** @returns {{ kind: string, path: string, source: string }[]} the lines of deploy/image/contents, wildcards expanded */
export function contents() {
  const lines = readFileSync(join(repository, 'deploy/image/contents'), 'utf8').split('\n');
  return lines
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => line.split(/\s+/))
    .flatMap(([kind, path = '', source = '']) => sources(kind, source).map((one) => ({ kind, path: path.endsWith('/') ? path + basename(one) : path, source: one })));
}

function sources(kind, source) {
  if (!source.includes('*') || kind === 'link') return [source];
  const [before, after] = basename(source).split('*');
  const dir = dirname(source);
  const found = readdirSync(join(repository, dir)).filter((name) => name.startsWith(before) && name.endsWith(after)).sort();
  if (found.length === 0) throw new Error(`deploy/image/contents: nothing is called ${source}`);
  return found.map((name) => join(dir, name));
}

async function assemble(root) {
  rmSync(root, { recursive: true, force: true });
  const entries = contents();
  const elves = [];
  for (const { kind, path, source } of entries) {
    const target = root + path;
    if (kind === 'dir') directory(target);
    else if (kind === 'link') link(target, source);
    else if (kind === 'node') elves.push(copy(process.execPath, target, 0o755, true));
    else if (kind === 'file') copy(resolve(repository, source), target, 0o644, false);
    else if (kind === 'exec') copy(resolve(repository, source), target, 0o755, false);
    else if (kind === 'elf') elves.push(copy(resolve(repository, source), target, 0o644, true));
    else if (kind === 'name') write(target, packageName(), 0o644);
    else if (kind === 'js') for (const { name: file, text } of await bundle(repository)) write(join(target, file), text, file === 'main.js' ? 0o755 : 0o644);
    else if (kind !== 'libs') throw new Error(`deploy/image/contents: what is ${kind}?`);
  }
  // Links such as /lib must be there first: ldd's paths lead through them.
  if (entries.some(({ kind }) => kind === 'libs')) for (const library of libraries(elves)) copy(realpathSync(library), root + library.replace(/^\/lib/, '/usr/lib'), 0o755, false);
}

/** What `canal version` reads, and what makes the bundle's files ES modules. */
function packageName() {
  const { name, version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  return `${JSON.stringify({ name, version, type: 'module' })}\n`;
}

/** Shared libraries of these files and of each other, by the path under which the loader finds them. */
function libraries(files) {
  const found = new Set();
  for (const file of files) {
    const text = execFileSync('ldd', [file], { encoding: 'utf8' });
    if (text.includes('not found')) throw new Error(`${file}: a library is missing:\n${text}`);
    for (const [path] of text.matchAll(/\/\S+(?= \()/g)) found.add(path);
  }
  return [...found].sort();
}

function directory(path) {
  mkdirSync(path, { recursive: true, mode: 0o755 });
}

function link(path, target) {
  directory(dirname(path));
  symlinkSync(target, path);
}

function write(path, text, mode) {
  directory(dirname(path));
  writeFileSync(path, text);
  chmodSync(path, mode);
}

function copy(source, path, mode, strip) {
  directory(dirname(path));
  copyFileSync(source, path);
  if (strip) execFileSync('strip', ['--strip-all', path]);
  chmodSync(path, mode);
  return path;
}

if (process.argv[2] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.umask(0o022);
  await assemble(resolve(process.argv[2]));
}
