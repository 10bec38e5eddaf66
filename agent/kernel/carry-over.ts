import type { CanalMapInfo } from './abi.generated.js';
import { kernelError, nativeResult } from './library.js';
import { layoutsOfMap, type Layouts } from './map-layout.js';

/** A map of another version, or of another size, that a new one has taken the pin of. */
export interface ReplacedMap {
  readonly name: string;
  readonly info: CanalMapInfo;
  /** Kept open until {@link CarryOver.close}: programs that are still attached use it. */
  readonly fd: number;
}

const ARRAY = 2;
const LRU_HASH = 9;
const ENOSPC = 28;

/**
 * Carries what programs remember (flows, translations, affinity: the LRU maps)
 * from maps that were replaced into those that came instead, so that no
 * connection is lost to an upgrade. Members are matched by name; one that the
 * old version did not have is zero. Tables of the agent's are written anew
 * instead, but for the configuration, whose epoch must go on.
 */
export class CarryOver {
  /** @param target descriptor of the map that came instead */
  constructor(
    private readonly replaced: readonly ReplacedMap[],
    private readonly target: (name: string) => number,
  ) {}

  /** The configuration, before anyone looks at it. */
  copyConfig(): void {
    for (const map of this.replaced) if (map.info.type === ARRAY && map.info.maxEntries === 1) this.copyMap(map);
  }

  /** Rows that the new maps do not have yet: called before programs are swapped, and after it for what the old ones still wrote meanwhile. @returns rows written, by map */
  copy(): ReadonlyMap<string, number> {
    return new Map(this.replaced.filter(({ info }) => info.type === LRU_HASH).map((map) => [map.name, this.copyMap(map)]));
  }

  close(): void {
    for (const { fd } of this.replaced) nativeResult('canal_close', fd);
    (this.replaced as ReplacedMap[]).length = 0;
  }

  private copyMap({ name, info, fd }: ReplacedMap): number {
    const to = this.target(name);
    const before = layoutsOfMap(fd);
    const after = layoutsOfMap(to);
    const valueSize = after.structs.get(after.value)?.size ?? 0;
    // Keys of another shape are another thing.
    if (!sameStruct(before, before.key, after, after.key) || valueSize === 0) return 0;
    const moves = commonMembers(before, after);
    const old = dump(name, fd, info.keySize, info.valueSize);
    const known = new Set(info.type === ARRAY ? [] : dump(name, to, info.keySize, valueSize).map(({ key }) => key.toString('latin1')));
    const rows = old.filter(({ key }) => !known.has(key.toString('latin1')));
    const keys = Buffer.concat(rows.map(({ key }) => key));
    const values = Buffer.alloc(rows.length * valueSize);
    rows.forEach(({ value }, i) => moves.forEach(([from, at, size]) => value.copy(values, i * valueSize + at, from, from + size)));
    const done = Buffer.alloc(4);
    const result = rows.length === 0 ? 0 : nativeResult('canal_map_update', to, keys, values, rows.length, 0, done);
    if (result < 0) throw kernelError('carry over', name, -result);
    return rows.length;
  }
}

function sameStruct(a: Layouts, aName: string, b: Layouts, bName: string): boolean {
  const [left, right] = [a.structs.get(aName), b.structs.get(bName)];
  if (left === undefined || right === undefined) return aName === bName;
  return left.size === right.size && [...left.members].every(([name, [offset, size]]) => right.members.get(name)?.[0] === offset && right.members.get(name)?.[1] === size);
}

/** From where to where, and how many bytes, for members of a name and size that both have. */
function commonMembers(before: Layouts, after: Layouts): (readonly [from: number, at: number, size: number])[] {
  const old = before.structs.get(before.value)?.members;
  return [...(after.structs.get(after.value)?.members ?? [])].flatMap(([name, [at, size]]) => {
    const found = old?.get(name);
    return found?.[1] === size ? [[found[0], at, size] as const] : [];
  });
}

function dump(name: string, fd: number, keySize: number, valueSize: number): { readonly key: Buffer; readonly value: Buffer }[] {
  const needed = Buffer.alloc(4);
  for (let capacity = 4096; ; ) {
    const keys = Buffer.allocUnsafe(capacity * keySize);
    const values = Buffer.allocUnsafe(capacity * valueSize);
    const count = nativeResult('canal_map_dump', fd, keys, values, capacity, needed);
    if (count >= 0) {
      return Array.from({ length: count }, (_, i) => ({ key: keys.subarray(i * keySize, (i + 1) * keySize), value: values.subarray(i * valueSize, (i + 1) * valueSize) }));
    }
    if (count !== -ENOSPC) throw kernelError('map dump', name, -count);
    capacity = Math.max(needed.readUInt32LE(0), capacity * 2);
  }
}
