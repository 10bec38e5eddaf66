import { Cidr, IpAddress, type Family } from '../base/address.js';
import { backText, frontText, liveText, rangeText, sameFront, type BackendAddress, type BackKey, type FrontKey, type FrontRow, type FrontScope, type LiveKey, type RangeKey } from '../compile/services/rows.js';
import {
  canalBackend4Codec, canalBackend6Codec, canalBackKeyCodec, canalFrontCodec, CanalFrontFlags, canalFrontKey4Codec, canalFrontKey6Codec, CanalFrontScope, canalLiveKey4Codec, canalLiveKey6Codec, canalRangeKey4Codec, canalRangeKey6Codec,
  type CanalBackend4, type CanalBackKey, type CanalFront, type CanalFrontKey4, type CanalLiveKey4, type CanalRangeKey4,
} from './abi.generated.js';
import { u32Codec, type Codec } from './codec.js';
import { familyMaps, type MapSource } from './map-source.js';
import { MapTable } from './map-table.js';

const frontKeyCodec = (family: Family): Codec<CanalFrontKey4> => (family === 4 ? canalFrontKey4Codec : canalFrontKey6Codec);
const backendCodec = (family: Family): Codec<CanalBackend4> => (family === 4 ? canalBackend4Codec : canalBackend6Codec);
const liveKeyCodec = (family: Family): Codec<CanalLiveKey4> => (family === 4 ? canalLiveKey4Codec : canalLiveKey6Codec);

/** canal_front4/6: where clients send to -> set of backends. */
export type FrontTable = MapTable<FrontKey, FrontRow, CanalFrontKey4, CanalFront>;

export function frontTable(source: MapSource): FrontTable {
  return new MapTable(
    {
      name: 'canal_front',
      keyText: frontText,
      equal: sameFront,
      familyOf: (key) => key.address.family,
      encodeKey: ({ address, port, protocol, scope }) => ({ addr: { word: address.bytes }, port, protocol, scope: SCOPES[scope] }),
      encodeRow: (row) => ({ service: row.service, backends: row.backends, affinityS: row.affinityS, flags: FLAGS.reduce((flags, [name, bit]) => (row[name] ? flags | bit : flags), 0) }),
      decodeKey: ({ addr, port, protocol, scope }) => ({ address: IpAddress.fromBytes(addr.word), port, protocol, scope: scopeOf(scope) }),
      decodeRow: ({ service, backends, affinityS, flags }) => {
        const has = (bit: number): boolean => (flags & bit) !== 0;
        return { service, backends, affinityS, dropEmpty: has(CanalFrontFlags.FRONT_DROP_EMPTY), sourceRanges: has(CanalFrontFlags.FRONT_SOURCE_RANGES), hashed: has(CanalFrontFlags.FRONT_HASH), nodeApart: has(CanalFrontFlags.FRONT_NODE_APART) };
      },
    },
    familyMaps(source, 'canal_front', frontKeyCodec, () => canalFrontCodec),
  );
}

const FLAGS = [
  ['dropEmpty', CanalFrontFlags.FRONT_DROP_EMPTY],
  ['sourceRanges', CanalFrontFlags.FRONT_SOURCE_RANGES],
  ['hashed', CanalFrontFlags.FRONT_HASH],
  ['nodeApart', CanalFrontFlags.FRONT_NODE_APART],
] as const;

const SCOPES: Readonly<Record<FrontScope, number>> = { inside: CanalFrontScope.FRONT_INSIDE, outside: CanalFrontScope.FRONT_OUTSIDE, node: CanalFrontScope.FRONT_NODE };
const scopeOf = (number: number): FrontScope => (Object.keys(SCOPES) as FrontScope[]).find((scope) => SCOPES[scope] === number) ?? 'outside';

/** canal_range4/6: (set, prefix) of clients that may use fronts which ask; the row says nothing. */
export type RangeTable = MapTable<RangeKey, 0, CanalRangeKey4, number>;

export function rangeTable(source: MapSource): RangeTable {
  return new MapTable<RangeKey, 0, CanalRangeKey4, number>(
    {
      name: 'canal_range',
      keyText: rangeText,
      equal: () => true,
      familyOf: (key) => key.cidr.family,
      encodeKey: ({ service, cidr }) => ({ prefixlen: SERVICE_BITS + cidr.length, service: bytesOf(service), addr: { word: cidr.address.bytes } }),
      encodeRow: (row) => row,
      decodeKey: ({ prefixlen, service, addr }) => ({ service: Buffer.from(service).readBigUInt64LE(), cidr: Cidr.of(IpAddress.fromBytes(addr.word), prefixlen - SERVICE_BITS) }),
      decodeRow: () => 0,
    },
    familyMaps(source, 'canal_range', (family) => (family === 4 ? canalRangeKey4Codec : canalRangeKey6Codec), () => u32Codec),
  );
}

const SERVICE_BITS = 64;

function bytesOf(service: bigint): Uint8Array {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(service);
  return bytes;
}

/** canal_back4/6: (set, slot) -> backend. */
export type BackTable = MapTable<BackKey, BackendAddress, CanalBackKey, CanalBackend4>;

export function backTable(source: MapSource): BackTable {
  return new MapTable(
    {
      name: 'canal_back',
      keyText: backText,
      equal: sameBackend,
      familyOf: (key) => key.family,
      encodeKey: ({ service, slot }) => ({ service, slot }),
      encodeRow: encodeBackend,
      decodeKey: ({ service, slot }, family) => ({ family, service, slot }),
      decodeRow: decodeBackend,
    },
    familyMaps(source, 'canal_back', () => canalBackKeyCodec, backendCodec),
  );
}

/** canal_live4/6: the same backends by address; the row says nothing. */
export type LiveTable = MapTable<LiveKey, 0, CanalLiveKey4, number>;

export function liveTable(source: MapSource): LiveTable {
  return new MapTable<LiveKey, 0, CanalLiveKey4, number>(
    {
      name: 'canal_live',
      keyText: liveText,
      equal: () => true,
      familyOf: (key) => key.backend.address.family,
      encodeKey: ({ service, backend }) => ({ service, backend: encodeBackend(backend) }),
      encodeRow: (row) => row,
      decodeKey: ({ service, backend }) => ({ service, backend: decodeBackend(backend) }),
      decodeRow: () => 0,
    },
    familyMaps(source, 'canal_live', liveKeyCodec, () => u32Codec),
  );
}

const sameBackend = (a: BackendAddress, b: BackendAddress): boolean => a.port === b.port && a.address.text === b.address.text;
const encodeBackend = ({ address, port }: BackendAddress): CanalBackend4 => ({ addr: { word: address.bytes }, port });
const decodeBackend = ({ addr, port }: CanalBackend4): BackendAddress => ({ address: IpAddress.fromBytes(addr.word), port });
