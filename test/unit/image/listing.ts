import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One file, link or directory of an image. */
export interface Entry {
  readonly path: string;
  /** Type and permissions as ls writes them: drwxr-xr-x. */
  readonly mode: string;
  /** User and group as numbers: 0/0. */
  readonly owner: string;
  /** A file's SHA-256, what a link points to, nothing of a directory. */
  readonly content: string;
}

export const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** What is in a folder, the folder itself as path ''; owners are left to who copies it. */
export function tree(folder: string): Omit<Entry, 'owner'>[] {
  return lines('find', [folder, '-printf', '%P\\t%M\\t%l\\n']).map((line) => {
    const [path = '', mode = '', target = ''] = line.split('\t');
    return { path, mode, content: mode.startsWith('-') ? sha256(join(folder, path)) : target };
  });
}

/** The entries of a layer in the order of their paths, one that is there twice twice; `extracted` is where it was unpacked. */
export function layer(tar: string, extracted: string): Entry[] {
  const entries = lines('tar', ['--list', '--verbose', '--numeric-owner', '--quoting-style=literal', '--file', tar]).map((line) => {
    const [, mode = '', owner = '', rest = ''] = /^(\S+) (\S+) +\S+ \S+ \S+ (.+)$/.exec(line) ?? [];
    const [name = '', target = ''] = rest.split(/ -> | link to /);
    const path = `/${name.replace(/^\.\//, '').replace(/\/$/, '')}`;
    return { path, mode, owner, content: mode.startsWith('-') ? sha256(join(extracted, path)) : target };
  });
  return byPath(entries);
}

export const byPath = (entries: readonly Entry[]): Entry[] => [...entries].sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));

function lines(program: string, args: readonly string[]): string[] {
  return execFileSync(program, args, { encoding: 'utf8' }).trimEnd().split('\n');
}
