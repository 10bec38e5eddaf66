import type { IpAddress} from '../base/address.js';
import { type Family } from '../base/address.js';
import {
  canalLinkCodec, canalNeighCodec, canalNetAddrCodec, canalRouteCodec,
  type CanalLink, type CanalNeigh, type CanalNetAddr, type CanalRoute,
} from './abi.generated.js';
import { from16, to16 } from './address-bytes.js';
import { decode, decodeAll, encodeAll, type Codec } from './codec.js';
import { grow, kernelError, native, nativeResult, type NativeFunction } from './library.js';
import type { WriteCounter } from './write-counter.js';

// Kernel constants used by more than one table (linux/rtnetlink.h, if_link.h, neighbour.h).
export const IFF_UP = 1;
export const RT_TABLE_MAIN = 254;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const NUD_PERMANENT = 0x80;
export const NTF_SELF = 2;
export const FAMILY_BRIDGE = 7;
const ENODEV = 19;

/** All devices of this network namespace. */
export function listLinks(): CanalLink[] {
  return list(canalLinkCodec, (buffer, capacity, needed) => nativeResult('canal_link_list', buffer, capacity, needed), 'canal_link_list');
}

/** A device by name; undefined where there is none. */
export function findLink(name: string): CanalLink | undefined {
  const buffer = Buffer.allocUnsafe(canalLinkCodec.size).fill(0);
  return found(nativeResult('canal_link_get', name, buffer), buffer, name);
}

/** The device of this index; undefined where there is none. */
export function linkAt(ifindex: number): CanalLink | undefined {
  const buffer = Buffer.allocUnsafe(canalLinkCodec.size).fill(0);
  return found(nativeResult('canal_link_at', ifindex, buffer), buffer, `ifindex ${ifindex}`);
}

function found(result: number, buffer: Buffer, subject: string): CanalLink | undefined {
  if (result === -ENODEV) return undefined;
  if (result < 0) throw kernelError('link get', subject, -result);
  return decode(canalLinkCodec, buffer);
}

/** Changes what is given of a device; MAC as bytes. */
export function setLink(ifindex: number, subject: string, change: { mac?: Uint8Array; mtu?: number; up?: boolean }): void {
  native('canal_link_set', subject, ifindex, change.mac ?? null, change.mtu ?? 0, change.up === undefined ? -1 : Number(change.up));
}

/** Deletes a device; one that is gone is success. */
export function deleteLink(ifindex: number, subject: string): void {
  native('canal_link_delete', subject, ifindex);
}

/** @param ifindex of this device only; 0: of all */
export function listAddresses(ifindex = 0): CanalNetAddr[] {
  return list(canalNetAddrCodec, (buffer, capacity, needed) => nativeResult('canal_addr_list', ifindex, buffer, capacity, needed), 'canal_addr_list');
}

/** Routes of all tables. @param ifindex through this device only; 0: through any */
export function listRoutes(family: Family, ifindex = 0): CanalRoute[] {
  return list(canalRouteCodec, (buffer, capacity, needed) => nativeResult('canal_route_list', family, ifindex, buffer, capacity, needed), 'canal_route_list');
}

/** Neighbours (4, 6) or FDB entries ({@link FAMILY_BRIDGE}). @param ifindex of this device only; 0: of all */
export function listNeighbours(family: Family | typeof FAMILY_BRIDGE, ifindex = 0): CanalNeigh[] {
  return list(canalNeighCodec, (buffer, capacity, needed) => nativeResult('canal_neigh_list', family, ifindex, buffer, capacity, needed), 'canal_neigh_list');
}

/** `ip route get`: how the node would reach an address; undefined where it has no route. */
export function routeTo(target: IpAddress): { readonly ifindex: number; readonly gateway: IpAddress | undefined; readonly source: IpAddress | undefined } | undefined {
  const buffer = Buffer.allocUnsafe(canalRouteCodec.size).fill(0);
  if (nativeResult('canal_route_get', target.family, to16(target), buffer) < 0) return undefined;
  const route = decode(canalRouteCodec, buffer);
  return { ifindex: route.ifindex, gateway: from16(route.gateway, target.family), source: from16(route.source, target.family) };
}

/**
 * Sends rows in one call; each is acknowledged by the kernel on its own.
 * @param table counted under this name, and the first word of each error's subject
 */
export function sendRows<T>(
  name: NativeFunction,
  table: string,
  codec: Codec<T>,
  rows: readonly T[],
  subjectOf: (row: number) => string,
  writes: WriteCounter,
): (Error | undefined)[] {
  if (rows.length === 0) return [];
  const errors = Buffer.allocUnsafe(rows.length * 4);
  const result = nativeResult(name, encodeAll(codec, rows), rows.length, errors);
  if (result < 0) return rows.map((_, i) => kernelError(name, `${table} ${subjectOf(i)}`, -result));
  writes.add(table, rows.length - result);
  return rows.map((_, i) => {
    const error = errors.readInt32LE(i * 4);
    return error === 0 ? undefined : kernelError(name, `${table} ${subjectOf(i)}`, -error);
  });
}

const mostRows = new Map<string, number>();

/** Starts with room for as many rows as there ever were. */
function list<T>(codec: Codec<T>, call: (buffer: Buffer, capacity: number, needed: Buffer) => number, what: string): T[] {
  const most = mostRows.get(what) ?? 64;
  const { buffer, count } = grow(what, codec.size, most + 64, call);
  mostRows.set(what, Math.max(most, count));
  return decodeAll(codec, buffer, count);
}
