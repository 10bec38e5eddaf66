import { grow, nativeResult } from './library.js';

/** Offset and size of each member, in bytes. */
export type Members = ReadonlyMap<string, readonly [offset: number, size: number]>;

export interface Layout {
  readonly size: number;
  readonly members: Members;
}

/** What BTF says of structs, and of a map's key and value: their structs' names, '' for what has none. */
export interface Layouts {
  readonly structs: ReadonlyMap<string, Layout>;
  readonly key: string;
  readonly value: string;
}

/** Of an object file. */
export function layoutsOfFile(path: string): Layouts {
  return parse(text((buffer, size, needed) => nativeResult('canal_btf_of_file', path, buffer, size, needed)));
}

/** Of a loaded map; the program that made it may have been another version's. */
export function layoutsOfMap(fd: number): Layouts {
  return parse(text((buffer, size, needed) => nativeResult('canal_btf_of_map', fd, buffer, size, needed)));
}

function text(call: (buffer: Buffer, size: number, needed: Buffer) => number): string {
  const { buffer, count } = grow('read BTF', 1, 1 << 16, call);
  return buffer.toString('utf8', 0, count);
}

/** `key: NAME SIZE`, `value: NAME SIZE`, `struct: NAME SIZE`, then `MEMBER OFFSET SIZE` lines (native/canal.h). */
function parse(lines: string): Layouts {
  const structs = new Map<string, { size: number; members: Map<string, readonly [number, number]> }>();
  const sides = { 'key:': '', 'value:': '' };
  let current: Map<string, readonly [number, number]> | undefined;
  for (const line of lines.split('\n')) {
    const [first = '', second = '', third] = line.split(' ');
    if (first === 'struct:') structs.set(second, { size: Number(third), members: (current = new Map<string, readonly [number, number]>()) });
    else if (first === 'key:' || first === 'value:') sides[first] = second;
    else if (third !== undefined) current?.set(first, [Number(second), Number(third)]);
  }
  return { structs, key: sides['key:'], value: sides['value:'] };
}
