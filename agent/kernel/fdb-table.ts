import type { IpAddress } from '../base/address.js';
import type { FdbRow } from '../compile/desired.js';
import type { Table, ToldRow } from '../reconcile/table.js';
import { canalNeighCodec, type CanalNeigh } from './abi.generated.js';
import { from16, isZero, to16 } from './address-bytes.js';
import { kernelDevices, type DeviceSource } from './device-book.js';
import { macBytes, macText } from './mac.js';
import { FAMILY_BRIDGE, listNeighbours, NTF_SELF, NUD_PERMANENT, sendRows } from './netlink.js';
import { OVERLAY_DEVICE, ourDevices } from './our-devices.js';
import type { WriteCounter } from './write-counter.js';

export interface FdbKey {
  readonly ifindex: number;
  readonly mac: string;
}

/**
 * Permanent FDB entries of overlay devices. The all-zero MAC (default remote)
 * is not ours. The kernel gives a unicast MAC one remote only, so writing replaces.
 */
export class FdbTable implements Table<FdbKey, FdbRow> {
  readonly name = 'fdb';

  constructor(
    private readonly writes: WriteCounter,
    private readonly devices: DeviceSource = kernelDevices,
  ) {}

  list(): Map<string, { readonly key: FdbKey; readonly row: FdbRow }> {
    return this.listOn(new Set(ourDevices(OVERLAY_DEVICE, this.devices).keys()));
  }

  listOn(devices: ReadonlySet<number>): Map<string, { readonly key: FdbKey; readonly row: FdbRow }> {
    const ours = [...ourDevices(OVERLAY_DEVICE, this.devices).keys()].filter((ifindex) => devices.has(ifindex));
    const rows = new Map<string, { readonly key: FdbKey; readonly row: FdbRow }>();
    for (const raw of ours.flatMap((ifindex) => listNeighbours(FAMILY_BRIDGE, ifindex))) {
      const row = rowOf(raw);
      if (row !== undefined) rows.set(this.keyText(row), { key: { ifindex: row.ifindex, mac: row.mac }, row });
    }
    return rows;
  }

  /** What a notice says; undefined: it is about somebody else's device, or the default remote. */
  told(raw: CanalNeigh, gone: boolean): ToldRow<FdbKey, FdbRow> | undefined {
    if (isZero(raw.mac) || !ourDevices(OVERLAY_DEVICE, this.devices).has(raw.ifindex)) return undefined;
    const key = { ifindex: raw.ifindex, mac: macText(raw.mac) };
    return { key, text: this.keyText(key), row: gone ? undefined : rowOf(raw), device: raw.ifindex };
  }

  deviceOf(row: FdbRow): number {
    return row.ifindex;
  }

  keyText(key: FdbKey): string {
    return `${key.ifindex} ${key.mac}`;
  }

  equal(actual: FdbRow, desired: FdbRow): boolean {
    return actual.destination.text === desired.destination.text;
  }

  upsert(rows: readonly { readonly key: FdbKey; readonly row: FdbRow }[]): (Error | undefined)[] {
    return sendRows('canal_neigh_replace', this.name, canalNeighCodec, rows.map(({ row }) => rawOf(row, row.destination)), (i) => this.keyText(rows[i]!.key), this.writes);
  }

  remove(keys: readonly FdbKey[]): (Error | undefined)[] {
    return sendRows('canal_neigh_delete', this.name, canalNeighCodec, keys.map((key) => rawOf(key, undefined)), (i) => this.keyText(keys[i]!), this.writes);
  }
}

function rowOf(raw: CanalNeigh): FdbRow | undefined {
  const destination = from16(raw.dst, raw.dstFamily === 6 ? 6 : 4);
  if ((raw.state & NUD_PERMANENT) === 0 || isZero(raw.mac) || destination === undefined) return undefined;
  return { ifindex: raw.ifindex, mac: macText(raw.mac), destination };
}

function rawOf(key: FdbKey, destination: IpAddress | undefined): CanalNeigh {
  return {
    ifindex: key.ifindex, state: NUD_PERMANENT, family: FAMILY_BRIDGE, flags: NTF_SELF,
    dst: to16(destination), dstFamily: destination?.family ?? 4, mac: macBytes(key.mac),
  };
}
