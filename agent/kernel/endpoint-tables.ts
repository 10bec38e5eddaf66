import { IpAddress, type Cidr } from '../base/address.js';
import type { EndpointRow, NexthopRow } from '../compile/desired.js';
import { canalEndpointCodec, canalLocalCodec, CanalNexthopKind, canalOutsideCodec, type Addr4, type CanalCidrKey4, type CanalEndpoint, type CanalLocal, type CanalNexthop4, type CanalOutside } from './abi.generated.js';
import { someAddress } from './address-bytes.js';
import { u32Codec } from './codec.js';
import { macBytes, macText } from './mac.js';
import { addrCodec, cidrKeyCodec, familyMaps, nexthopCodec, shared, sharedMap, type MapSource } from './map-source.js';
import { MapTable } from './map-table.js';
import { cidrKeys } from './policy-tables.js';

/** canal_endpoint: ifindex of a pod's host device -> endpoint. */
export type EndpointTable = MapTable<number, EndpointRow, number, CanalEndpoint>;

export function endpointTable(source: MapSource): EndpointTable {
  return new MapTable<number, EndpointRow, number, CanalEndpoint>(
    {
      name: 'canal_endpoint',
      keyText: String,
      equal: (a, b) =>
        a.ingressTable === b.ingressTable && a.egressTable === b.egressTable && a.flags === b.flags && a.podMac === b.podMac &&
        a.hostMac === b.hostMac && a.addr4?.text === b.addr4?.text && a.addr6?.text === b.addr6?.text,
      familyOf: () => 4,
      encodeKey: (key) => key,
      encodeRow: (row) => ({
        ingressTable: row.ingressTable,
        egressTable: row.egressTable,
        flags: row.flags,
        addr4: row.addr4?.bytes ?? new Uint8Array(4),
        addr6: row.addr6?.bytes ?? new Uint8Array(16),
        podMac: macBytes(row.podMac),
        hostMac: macBytes(row.hostMac),
      }),
      decodeKey: (key) => key,
      decodeRow: (value) => ({
        ingressTable: value.ingressTable,
        egressTable: value.egressTable,
        flags: value.flags,
        addr4: someAddress(value.addr4),
        addr6: someAddress(value.addr6),
        podMac: macText(value.podMac),
        hostMac: macText(value.hostMac),
      }),
    },
    shared(sharedMap(source, 'canal_endpoint', u32Codec, canalEndpointCodec)),
  );
}

/** canal_local4/6: address of this node -> ifindex of the pod's host device; 0: the node's own. */
export type LocalTable = MapTable<IpAddress, number, Addr4, CanalLocal>;

export function localTable(source: MapSource): LocalTable {
  return new MapTable(
    {
      name: 'canal_local',
      keyText: (key) => key.text,
      equal: (a, b) => a === b,
      familyOf: (key) => key.family,
      encodeKey: (key) => ({ word: key.bytes }),
      encodeRow: (row) => ({ ifindex: row }),
      decodeKey: (key) => IpAddress.fromBytes(key.word),
      decodeRow: (value) => value.ifindex,
    },
    familyMaps(source, 'canal_local', addrCodec, () => canalLocalCodec),
  );
}

/** canal_route4/6: another node's pod CIDR -> next hop. */
export type NexthopTable = MapTable<Cidr, NexthopRow, CanalCidrKey4, CanalNexthop4>;

export function nexthopTable(source: MapSource): NexthopTable {
  return new MapTable(
    {
      name: 'canal_route',
      ...cidrKeys,
      equal: (a, b) =>
        a.kind === b.kind && a.ifindex === b.ifindex && a.gateway.text === b.gateway.text && a.vtepAddress?.text === b.vtepAddress?.text &&
        a.vtepMac === b.vtepMac,
      encodeRow: (row, key) => ({
        kind: row.kind === 'overlay' ? CanalNexthopKind.NEXTHOP_OVERLAY : CanalNexthopKind.NEXTHOP_DIRECT,
        ifindex: row.ifindex,
        gateway: { word: row.gateway.bytes },
        vtepAddr: row.vtepAddress?.bytes ?? new Uint8Array(4),
        vtepMac: macBytes(row.vtepMac),
        prefixlen: key.length,
      }),
      decodeRow: (value) => ({
        kind: value.kind === CanalNexthopKind.NEXTHOP_OVERLAY ? 'overlay' : 'direct',
        ifindex: value.ifindex,
        gateway: IpAddress.fromBytes(value.gateway.word),
        vtepAddress: someAddress(value.vtepAddr),
        vtepMac: macText(value.vtepMac),
      }),
    },
    familyMaps(source, 'canal_route', cidrKeyCodec, nexthopCodec),
  );
}

/** The node's addresses on a device that leads outside. */
export interface OutsideRow {
  readonly address4: IpAddress | undefined;
  readonly address6: IpAddress | undefined;
}

/** canal_outside: ifindex of such a device -> its addresses. */
export type OutsideTable = MapTable<number, OutsideRow, number, CanalOutside>;

export function outsideTable(source: MapSource): OutsideTable {
  return new MapTable<number, OutsideRow, number, CanalOutside>(
    {
      name: 'canal_outside',
      keyText: String,
      equal: (a, b) => a.address4?.text === b.address4?.text && a.address6?.text === b.address6?.text,
      familyOf: () => 4,
      encodeKey: (key) => key,
      encodeRow: ({ address4, address6 }) => ({ addr4: address4?.bytes ?? new Uint8Array(4), addr6: address6?.bytes ?? new Uint8Array(16) }),
      decodeKey: (key) => key,
      decodeRow: ({ addr4, addr6 }) => ({ address4: someAddress(addr4), address6: someAddress(addr6) }),
    },
    shared(sharedMap(source, 'canal_outside', u32Codec, canalOutsideCodec)),
  );
}

/** canal_nomasq4/6: prefixes towards which pods keep their address; the row says nothing. */
export type NomasqTable = MapTable<Cidr, 0, CanalCidrKey4, number>;

export function nomasqTable(source: MapSource): NomasqTable {
  return new MapTable<Cidr, 0, CanalCidrKey4, number>(
    { name: 'canal_nomasq', ...cidrKeys, equal: () => true, encodeRow: (row) => row, decodeRow: () => 0 },
    familyMaps(source, 'canal_nomasq', cidrKeyCodec, () => u32Codec),
  );
}
