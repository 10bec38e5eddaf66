import { CanalError } from '../base/errors.js';
import { codecs } from './abi.generated.js';
import type { Codec } from './codec.js';
import { layoutsOfFile, layoutsOfMap, type Layout, type Layouts } from './map-layout.js';

/**
 * Compares the generated codecs with the BTF of an object file: an object that
 * was built from another abi.h must not be loaded.
 * @throws CanalError('INTERNAL') naming the struct and member that differ
 */
export function checkObjectLayouts(path: string): void {
  compare(path, layoutsOfFile(path));
}

/** The same for a loaded map's key and value. */
export function checkMapLayouts(name: string, fd: number): void {
  compare(`map ${name}`, layoutsOfMap(fd));
}

/** Whether key and value of a loaded map, perhaps another version's, lie in memory as this program has them. */
export function sameMapLayout(fd: number): boolean {
  const { structs, key, value } = layoutsOfMap(fd);
  return [key, value].every((name) => {
    const codec = codecs.get(name);
    const found = structs.get(name);
    return codec === undefined || found === undefined || difference(codec, found) === undefined;
  });
}

function compare(where: string, { structs }: Layouts): void {
  for (const [name, actual] of structs) {
    const codec = codecs.get(name);
    const what = codec === undefined ? undefined : difference(codec, actual);
    if (what !== undefined) throw new CanalError('INTERNAL', `struct layout differs: ${what}`, { subject: where });
  }
}

/** What differs, in words. */
function difference(codec: Codec<unknown>, actual: Layout): string | undefined {
  for (const [member, offset, size] of codec.members) {
    const found = actual.members.get(member);
    if (found === undefined) return `${codec.name}.${member} is missing`;
    if (found[0] !== offset || found[1] !== size) return `${codec.name}.${member} is at ${found[0]} with ${found[1]} bytes, not at ${offset} with ${size}`;
  }
  const known = new Set(codec.members.map(([member]) => member));
  for (const member of actual.members.keys()) if (!known.has(member)) return `${codec.name}.${member} is unknown here`;
  return actual.size === codec.size ? undefined : `${codec.name} has ${actual.size} bytes, not ${codec.size}`;
}
