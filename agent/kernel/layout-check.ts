import { CanalError } from '../base/errors.js';
import { codecs } from './abi.generated.js';
import type { Codec } from './codec.js';
import { grow, nativeResult } from './library.js';

/**
 * Compares the generated codecs with the BTF of an object file: an object that
 * was built from another abi.h must not be loaded.
 * @throws CanalError('INTERNAL') naming the struct and member that differ
 */
export function checkObjectLayouts(path: string): void {
  compare(path, text((buffer, size, needed) => nativeResult('canal_btf_of_file', path, buffer, size, needed)));
}

/** The same for a loaded map's key and value. */
export function checkMapLayouts(name: string, fd: number): void {
  compare(`map ${name}`, text((buffer, size, needed) => nativeResult('canal_btf_of_map', fd, buffer, size, needed)));
}

function text(call: (buffer: Buffer, size: number, needed: Buffer) => number): string {
  const { buffer, count } = grow('read BTF', 1, 1 << 16, call);
  return buffer.toString('utf8', 0, count);
}

interface Layout {
  readonly size: number;
  readonly members: Map<string, readonly [offset: number, size: number]>;
}

/** `struct: NAME SIZE`, then `MEMBER OFFSET SIZE` lines (native/canal.h). */
function parse(layouts: string): Map<string, Layout> {
  const structs = new Map<string, Layout>();
  let current: Layout | undefined;
  for (const line of layouts.split('\n')) {
    const [first = '', second = '', third] = line.split(' ');
    if (first === 'struct:') structs.set(second, (current = { size: Number(third), members: new Map() }));
    else if (first !== 'key:' && first !== 'value:' && third !== undefined) current?.members.set(first, [Number(second), Number(third)]);
  }
  return structs;
}

function compare(where: string, layouts: string): void {
  for (const [name, actual] of parse(layouts)) {
    const codec = codecs.get(name);
    if (codec !== undefined) compareStruct(where, codec, actual);
  }
}

function compareStruct(where: string, codec: Codec<unknown>, actual: Layout): void {
  const fail = (what: string): never => {
    throw new CanalError('INTERNAL', `struct layout differs: ${what}`, { subject: where });
  };
  for (const [member, offset, size] of codec.members) {
    const found = actual.members.get(member);
    if (found === undefined) fail(`${codec.name}.${member} is missing`);
    else if (found[0] !== offset || found[1] !== size) fail(`${codec.name}.${member} is at ${found[0]} with ${found[1]} bytes, not at ${offset} with ${size}`);
  }
  const known = new Set(codec.members.map(([member]) => member));
  for (const member of actual.members.keys()) if (!known.has(member)) fail(`${codec.name}.${member} is unknown here`);
  if (actual.size !== codec.size) fail(`${codec.name} has ${actual.size} bytes, not ${codec.size}`);
}
