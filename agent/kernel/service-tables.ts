import { IpAddress, type Family } from '../base/address.js';
import { backText, frontText, liveText, type BackendAddress, type BackKey, type FrontKey, type FrontRow, type LiveKey } from '../compile/services/rows.js';
import {
  canalBackend4Codec, canalBackend6Codec, canalBackKeyCodec, canalFrontCodec, CanalFrontFlags, canalFrontKey4Codec, canalFrontKey6Codec, CanalFrontScope, canalLiveKey4Codec, canalLiveKey6Codec,
  type CanalBackend4, type CanalBackKey, type CanalFront, type CanalFrontKey4, type CanalLiveKey4,
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
      equal: (a, b) => a.service === b.service && a.backends === b.backends && a.affinityS === b.affinityS && a.dropEmpty === b.dropEmpty,
      familyOf: (key) => key.address.family,
      encodeKey: ({ address, port, protocol, scope }) => ({ addr: { word: address.bytes }, port, protocol, scope: scope === 'inside' ? CanalFrontScope.FRONT_INSIDE : CanalFrontScope.FRONT_OUTSIDE }),
      encodeRow: ({ service, backends, affinityS, dropEmpty }) => ({ service, backends, affinityS, flags: dropEmpty ? CanalFrontFlags.FRONT_DROP_EMPTY : 0 }),
      decodeKey: ({ addr, port, protocol, scope }) => ({ address: IpAddress.fromBytes(addr.word), port, protocol, scope: scope === CanalFrontScope.FRONT_INSIDE ? 'inside' : 'outside' }),
      decodeRow: ({ service, backends, affinityS, flags }) => ({ service, backends, affinityS, dropEmpty: (flags & CanalFrontFlags.FRONT_DROP_EMPTY) !== 0 }),
    },
    familyMaps(source, 'canal_front', frontKeyCodec, () => canalFrontCodec),
  );
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
