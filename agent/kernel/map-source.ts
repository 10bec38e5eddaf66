import type { Family } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import { addr4Codec, addr6Codec, canalCidrKey4Codec, canalCidrKey6Codec, canalNexthop4Codec, canalNexthop6Codec, type Addr4, type CanalCidrKey4, type CanalNexthop4 } from './abi.generated.js';
import { BpfMap } from './bpf-map.js';
import type { BpfObject } from './bpf-object.js';
import type { Codec } from './codec.js';
import type { WriteCounter } from './write-counter.js';

/** Where the maps are: the loaded object of each family (both share the maps without addresses, by their pins). */
export interface MapSource {
  readonly objects: ReadonlyMap<Family, BpfObject>;
  readonly writes: WriteCounter;
}

/** A map that both families' programs share. */
export function sharedMap<K, V>(source: MapSource, name: string, key: Codec<K>, value: Codec<V>): BpfMap<K, V> {
  const object = source.objects.get(4) ?? source.objects.get(6);
  if (object === undefined) throw new CanalError('INTERNAL', 'no BPF object is loaded', { subject: name });
  return new BpfMap(name, descriptorOf(object, name), key, value, source.writes);
}

/** A map's descriptor, from when its object is loaded. */
export const descriptorOf = (object: BpfObject, name: string) => (): number | undefined => (object.loaded ? object.map(name) : undefined);

/** The same as the map of a table: every key is in it. */
export function shared<K, V>(map: BpfMap<K, V>): ReadonlyMap<Family, BpfMap<K, V>> {
  return new Map([[4, map]]);
}

/** Maps `<name>4` and `<name>6`, of the families that are loaded. The structs of both have the same members. */
export function familyMaps<K, V>(
  source: MapSource,
  name: string,
  key: (family: Family) => Codec<K>,
  value: (family: Family) => Codec<V>,
): ReadonlyMap<Family, BpfMap<K, V>> {
  const open = (family: Family, object: BpfObject): [Family, BpfMap<K, V>] => [
    family,
    new BpfMap(`${name}${family}`, descriptorOf(object, `${name}${family}`), key(family), value(family), source.writes),
  ];
  return new Map([...source.objects].map(([family, object]) => open(family, object)));
}

export const addrCodec = (family: Family): Codec<Addr4> => (family === 4 ? addr4Codec : addr6Codec);
export const cidrKeyCodec = (family: Family): Codec<CanalCidrKey4> => (family === 4 ? canalCidrKey4Codec : canalCidrKey6Codec);
export const nexthopCodec = (family: Family): Codec<CanalNexthop4> => (family === 4 ? canalNexthop4Codec : canalNexthop6Codec);
