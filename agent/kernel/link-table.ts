import { writeFileSync } from 'node:fs';
import type { VxlanLinkRow } from '../compile/desired.js';
import type { Table } from '../reconcile/table.js';
import { canalLinkCodec, type CanalLink } from './abi.generated.js';
import { someAddress, to16 } from './address-bytes.js';
import { encode } from './codec.js';
import { kernelDevices, type DeviceSource } from './device-book.js';
import { eachRow } from './each-row.js';
import { native } from './library.js';
import { macBytes, macText } from './mac.js';
import { deleteLink, findLink, IFF_UP, setLink } from './netlink.js';
import { OVERLAY_DEVICE, ourDevices } from './our-devices.js';
import { procSys } from './proc-sys.js';
import { IpAddress } from '../base/address.js';
import type { WriteCounter } from './write-counter.js';

/** What the kernel's device has beside the row. */
interface VxlanLink extends VxlanLinkRow {
  readonly up: boolean;
  /** Has a group or asks user space for misses: never ours (compat.md 3.1). */
  readonly foreign: boolean;
}

/**
 * The overlay device. An existing one is kept where flannel would keep it
 * (compat.md 3.1); its MAC, MTU and state are then set in place. Otherwise it is
 * made anew, which takes its routes, neighbours and FDB with it.
 */
export class LinkTable implements Table<string, VxlanLinkRow> {
  readonly name = 'link';

  constructor(
    private readonly writes: WriteCounter,
    private readonly devices: DeviceSource = kernelDevices,
  ) {}

  list(): Map<string, { readonly key: string; readonly row: VxlanLinkRow }> {
    const links = [...ourDevices(OVERLAY_DEVICE, this.devices).values()].filter((link) => link.kind === 'vxlan');
    return new Map(links.map((link) => [link.name, { key: link.name, row: rowOf(link) }]));
  }

  keyText(key: string): string {
    return key;
  }

  equal(actual: VxlanLinkRow, desired: VxlanLinkRow): boolean {
    const { up = true } = actual as Partial<VxlanLink>;
    return up && keepable(actual, desired) && actual.mtu === desired.mtu && actual.mac === desired.mac;
  }

  upsert(rows: readonly { readonly key: string; readonly row: VxlanLinkRow }[]): (Error | undefined)[] {
    return eachRow(rows, ({ row }) => this.put(row));
  }

  remove(keys: readonly string[]): (Error | undefined)[] {
    return eachRow(keys, (key) => {
      const link = findLink(key);
      if (link?.kind !== 'vxlan') return;
      deleteLink(link.ifindex, `link ${key}`);
      this.writes.add(this.name, 1);
    });
  }

  private put(row: VxlanLinkRow): void {
    const found = findLink(row.name);
    const actual = found === undefined ? undefined : rowOf(found);
    if (found !== undefined && actual !== undefined && found.kind === 'vxlan' && keepable(actual, row)) {
      if (this.equal(actual, row)) return;
      change(found, actual, row);
    } else {
      if (found !== undefined) deleteLink(found.ifindex, `link ${row.name}`);
      create(row);
    }
    this.writes.add(this.name, 1);
  }
}

/** flannel's own test for an existing device, the MAC and MTU apart. */
function keepable(actual: VxlanLinkRow, desired: VxlanLinkRow): boolean {
  const samePort = actual.port === desired.port || actual.port === 0 || desired.port === 0;
  const { foreign = false } = actual as Partial<VxlanLink>;
  return (
    !foreign && actual.vni === desired.vni && samePort && actual.local.text === desired.local.text &&
    actual.lowerIfindex === desired.lowerIfindex && actual.gbp === desired.gbp
  );
}

function change(link: CanalLink, actual: VxlanLink, row: VxlanLinkRow): void {
  setLink(link.ifindex, `link ${row.name}`, {
    ...(actual.mac === row.mac ? {} : { mac: macBytes(row.mac) }),
    ...(actual.mtu === row.mtu ? {} : { mtu: row.mtu }),
    up: true,
  });
}

function create(row: VxlanLinkRow): void {
  const v4 = row.local.family === 4;
  const want: CanalLink = {
    ifindex: 0, flags: 0, mtu: row.mtu, lowerIfindex: row.lowerIfindex, peerNetns: -1, master: 0, name: row.name, kind: 'vxlan',
    mac: macBytes(row.mac), operstate: 0, vxlanLearning: Number(row.learning), vxlanVni: row.vni,
    vxlanLocal: v4 ? row.local.bytes : new Uint8Array(4), vxlanPort: row.port, vxlanGbp: Number(row.gbp), vxlanL2miss: 0,
    vxlanLocal6: v4 ? new Uint8Array(16) : to16(row.local), vxlanGroup: 0,
  };
  native('canal_link_add_vxlan', `link ${row.name}`, encode(canalLinkCodec, want));
  ignoreAdvertisements(row.name);
  setLink(findLink(row.name)?.ifindex ?? 0, `link ${row.name}`, { up: true });
}

/** As flannel does, before the device is up; a kernel without IPv6 has no such file. */
function ignoreAdvertisements(device: string): void {
  try {
    writeFileSync(procSys(`net/ipv6/conf/${device}/accept_ra`), '0');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function rowOf(link: CanalLink): VxlanLink {
  return {
    name: link.name,
    vni: link.vxlanVni,
    port: link.vxlanPort,
    local: someAddress(link.vxlanLocal) ?? someAddress(link.vxlanLocal6) ?? IpAddress.fromBytes(new Uint8Array(4)),
    lowerIfindex: link.lowerIfindex,
    learning: link.vxlanLearning !== 0,
    gbp: link.vxlanGbp !== 0,
    mtu: link.mtu,
    mac: macText(link.mac),
    up: (link.flags & IFF_UP) !== 0,
    foreign: link.vxlanGroup !== 0 || link.vxlanL2miss !== 0,
  };
}
