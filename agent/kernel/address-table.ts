import type { IpAddress} from '../base/address.js';
import { type Cidr } from '../base/address.js';
import type { AddressRow } from '../compile/desired.js';
import type { Table } from '../reconcile/table.js';
import { canalNetAddrCodec, type CanalNetAddr } from './abi.generated.js';
import { from16, to16 } from './address-bytes.js';
import { kernelDevices, type DeviceSource } from './device-book.js';
import { RT_SCOPE_LINK, sendRows } from './netlink.js';
import { OVERLAY_DEVICE, ourDevices } from './our-devices.js';
import type { WriteCounter } from './write-counter.js';

export interface AddressKey {
  readonly ifindex: number;
  readonly address: IpAddress;
}

/**
 * Addresses of overlay devices. Ours (compat.md 3.1) are the IPv4 ones inside
 * the cluster's networks and every IPv6 one but link-local.
 */
export class AddressTable implements Table<AddressKey, AddressRow> {
  readonly name = 'address';

  /** @param networks the cluster's pod networks, as known now */
  constructor(
    private readonly networks: () => readonly Cidr[],
    private readonly writes: WriteCounter,
    private readonly devices: DeviceSource = kernelDevices,
  ) {}

  list(): Map<string, { readonly key: AddressKey; readonly row: AddressRow }> {
    const rows = new Map<string, { readonly key: AddressKey; readonly row: AddressRow }>();
    for (const row of this.ours()) {
      const text = this.keyText(row);
      // One address with two prefix lengths equals no desired row.
      rows.set(text, { key: row, row: rows.has(text) ? { ...row, prefixLength: -1 } : row });
    }
    return rows;
  }

  keyText(key: AddressKey): string {
    return `${key.ifindex} ${key.address.text}`;
  }

  equal(actual: AddressRow, desired: AddressRow): boolean {
    return actual.prefixLength === desired.prefixLength;
  }

  upsert(rows: readonly { readonly key: AddressKey; readonly row: AddressRow }[]): (Error | undefined)[] {
    const wanted = new Map(rows.map(({ key, row }) => [this.keyText(key), row.prefixLength]));
    const wrong = this.ours().filter((row) => (wanted.get(this.keyText(row)) ?? row.prefixLength) !== row.prefixLength);
    this.send('canal_addr_delete', wrong);
    return this.send('canal_addr_replace', rows.map(({ row }) => row));
  }

  remove(keys: readonly AddressKey[]): (Error | undefined)[] {
    const there = this.ours();
    return keys.map((key) => this.send('canal_addr_delete', there.filter((row) => this.keyText(row) === this.keyText(key))).find((e) => e !== undefined));
  }

  private ours(): AddressRow[] {
    const devices = ourDevices(OVERLAY_DEVICE, this.devices);
    return this.devices.addresses().filter((address) => devices.has(address.ifindex)).flatMap((raw) => this.ourRow(raw));
  }

  private ourRow(raw: CanalNetAddr): AddressRow[] {
    const address = from16(raw.addr, raw.family === 4 ? 4 : 6);
    if (address === undefined || raw.scope === RT_SCOPE_LINK) return [];
    if (address.family === 4 && !this.networks().some((network) => network.contains(address))) return [];
    return [{ ifindex: raw.ifindex, address, prefixLength: raw.prefixlen }];
  }

  private send(name: 'canal_addr_replace' | 'canal_addr_delete', rows: readonly AddressRow[]): (Error | undefined)[] {
    return sendRows(name, this.name, canalNetAddrCodec, rows.map(rawOf), (i) => this.keyText(rows[i]!), this.writes);
  }
}

function rawOf(row: AddressRow): CanalNetAddr {
  return { ifindex: row.ifindex, family: row.address.family, prefixlen: row.prefixLength, scope: 0, flags: 0, addr: to16(row.address) };
}
