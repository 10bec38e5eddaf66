import type { Family } from '../base/address.js';
import type { NeighbourRow } from '../compile/desired.js';
import type { Table, ToldRow } from '../reconcile/table.js';
import type { AddressKey } from './address-table.js';
import { canalNeighCodec, type CanalNeigh } from './abi.generated.js';
import { from16, to16 } from './address-bytes.js';
import { kernelDevices, type DeviceSource } from './device-book.js';
import { macBytes, macText } from './mac.js';
import { listNeighbours, NUD_PERMANENT, sendRows } from './netlink.js';
import { OVERLAY_DEVICE, ourDevices } from './our-devices.js';
import type { WriteCounter } from './write-counter.js';

/** Permanent neighbours on overlay devices: all are ours, nothing else makes any there. */
export class NeighbourTable implements Table<AddressKey, NeighbourRow> {
  readonly name = 'neighbour';

  constructor(
    private readonly families: readonly Family[],
    private readonly writes: WriteCounter,
    private readonly devices: DeviceSource = kernelDevices,
  ) {}

  list(): Map<string, { readonly key: AddressKey; readonly row: NeighbourRow }> {
    return this.listOn(new Set(ourDevices(OVERLAY_DEVICE, this.devices).keys()));
  }

  listOn(devices: ReadonlySet<number>): Map<string, { readonly key: AddressKey; readonly row: NeighbourRow }> {
    const ours = [...ourDevices(OVERLAY_DEVICE, this.devices).keys()].filter((ifindex) => devices.has(ifindex));
    const raws = ours.flatMap((ifindex) => this.families.flatMap((family) => listNeighbours(family, ifindex)));
    const rows = raws.filter((raw) => (raw.state & NUD_PERMANENT) !== 0).flatMap(rowOf);
    return new Map(rows.map((row) => [this.keyText(row), { key: { ifindex: row.ifindex, address: row.address }, row }]));
  }

  /** What a notice says; undefined: it is about somebody else's device. */
  told(raw: CanalNeigh, gone: boolean): ToldRow<AddressKey, NeighbourRow> | undefined {
    if (!this.families.some((family) => family === raw.family) || !ourDevices(OVERLAY_DEVICE, this.devices).has(raw.ifindex)) return undefined;
    const [row] = rowOf(raw);
    return row && { key: { ifindex: row.ifindex, address: row.address }, text: this.keyText(row), row: gone || (raw.state & NUD_PERMANENT) === 0 ? undefined : row, device: raw.ifindex };
  }

  deviceOf(row: NeighbourRow): number {
    return row.ifindex;
  }

  keyText(key: AddressKey): string {
    return `${key.ifindex} ${key.address.text}`;
  }

  equal(actual: NeighbourRow, desired: NeighbourRow): boolean {
    return actual.mac === desired.mac;
  }

  upsert(rows: readonly { readonly key: AddressKey; readonly row: NeighbourRow }[]): (Error | undefined)[] {
    return sendRows('canal_neigh_replace', this.name, canalNeighCodec, rows.map(({ row }) => rawOf(row, row.mac)), (i) => this.keyText(rows[i]!.key), this.writes);
  }

  remove(keys: readonly AddressKey[]): (Error | undefined)[] {
    return sendRows('canal_neigh_delete', this.name, canalNeighCodec, keys.map((key) => rawOf(key, '')), (i) => this.keyText(keys[i]!), this.writes);
  }
}

function rowOf(raw: CanalNeigh): NeighbourRow[] {
  const address = from16(raw.dst, raw.family === 4 ? 4 : 6);
  return address === undefined ? [] : [{ ifindex: raw.ifindex, address, mac: macText(raw.mac) }];
}

function rawOf(key: AddressKey, mac: string): CanalNeigh {
  return {
    ifindex: key.ifindex, state: NUD_PERMANENT, family: key.address.family, flags: 0,
    dst: to16(key.address), dstFamily: key.address.family, mac: macBytes(mac),
  };
}
