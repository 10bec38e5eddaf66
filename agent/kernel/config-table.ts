import { IpAddress } from '../base/address.js';
import type { ConfigRow } from '../compile/config.js';
import type { EpochGate } from '../reconcile/epoch.js';
import type { Table } from '../reconcile/table.js';
import { canalConfigCodec, CanalConfigFlags, type CanalConfig } from './abi.generated.js';
import { isZero, someAddress } from './address-bytes.js';
import type { BpfMap } from './bpf-map.js';
import { netnsCookie } from './cgroup-attachment.js';
import { u32Codec } from './codec.js';
import { macBytes, macText } from './mac.js';
import { sharedMap, type MapSource } from './map-source.js';

const KEY = 'config';

const FLAGS = [
  ['fastLocal', CanalConfigFlags.CONFIG_FAST_LOCAL],
  ['fastOverlay', CanalConfigFlags.CONFIG_FAST_OVERLAY],
  ['directVxlan', CanalConfigFlags.CONFIG_DIRECT_VXLAN],
  ['events', CanalConfigFlags.CONFIG_EVENTS],
  ['hostDeny', CanalConfigFlags.CONFIG_HOST_DENY],
  ['allowVxlan', CanalConfigFlags.CONFIG_ALLOW_VXLAN],
  ['allowIpip', CanalConfigFlags.CONFIG_ALLOW_IPIP],
  ['allowSpoof', CanalConfigFlags.CONFIG_ALLOW_SPOOF],
  ['services', CanalConfigFlags.CONFIG_SERVICES],
  ['masquerade', CanalConfigFlags.CONFIG_MASQUERADE],
] as const satisfies readonly (readonly [keyof ConfigRow, number])[];

/**
 * canal_config: one row, in two hands. The table writes all of it but the
 * epoch, the gate writes the epoch and nothing else; both read first. There is
 * one agent a node, and it does this in one thread.
 */
export class ConfigTable implements Table<typeof KEY, ConfigRow>, EpochGate {
  readonly name = 'canal_config';
  private readonly map: BpfMap<number, CanalConfig>;
  private readonly otherFamily: number;

  constructor(source: MapSource) {
    this.map = sharedMap(source, this.name, u32Codec, canalConfigCodec);
    this.otherFamily = source.objects.size > 1 ? CanalConfigFlags.CONFIG_OTHER_FAMILY : 0;
  }

  /** Empty while nothing but an epoch was ever written: an array always has its row. */
  list(): Map<string, { readonly key: typeof KEY; readonly row: ConfigRow }> {
    const config = this.current();
    const rows = new Map<string, { readonly key: typeof KEY; readonly row: ConfigRow }>();
    if (!isBlank(config)) rows.set(KEY, { key: KEY, row: decodeRow(config, this.otherFamily) });
    return rows;
  }

  keyText(): string {
    return KEY;
  }

  equal(actual: ConfigRow, desired: ConfigRow): boolean {
    return (Object.keys(desired) as (keyof ConfigRow)[]).every((name) => plain(actual[name]) === plain(desired[name]));
  }

  upsert(rows: readonly { readonly key: typeof KEY; readonly row: ConfigRow }[]): (Error | undefined)[] {
    return rows.map(({ row }) => this.put({ ...encodeRow(row, this.otherFamily), epoch: this.current().epoch }));
  }

  /** Blanks the row; the epoch stays, so that it never goes back. */
  remove(keys: readonly (typeof KEY)[]): (Error | undefined)[] {
    return keys.map(() => this.put({ ...BLANK, epoch: this.current().epoch }));
  }

  read(): number {
    return this.current().epoch;
  }

  write(epoch: number): void {
    const error = this.put({ ...this.current(), epoch });
    if (error !== undefined) throw error;
  }

  private current(): CanalConfig {
    return this.map.get(0) ?? BLANK;
  }

  private put(value: CanalConfig): Error | undefined {
    return this.map.upsert([{ key: 0, value }], () => KEY)[0];
  }
}

const BLANK: CanalConfig = {
  epoch: 0, flags: 0, overlayIfindex: 0, uplinkIfindex: 0, vni: 0, vxlanPort: 0, podMtu: 0,
  vtepAddr: new Uint8Array(4), vtepMac: new Uint8Array(6), uplinkMac: new Uint8Array(6), logRate: 0, hostNetns: 0n,
  edgePortMin: 0, edgePortMax: 0, nodeAddr4: new Uint8Array(4), nodeAddr6: new Uint8Array(16), overlayAddr4: new Uint8Array(4), overlayAddr6: new Uint8Array(16),
};

const plain = (value: ConfigRow[keyof ConfigRow]): unknown => (value instanceof IpAddress ? value.text : value);

function isBlank(config: CanalConfig): boolean {
  return Object.entries(config).every(([name, value]) => name === 'epoch' || (value instanceof Uint8Array ? isZero(value) : !value));
}

function encodeRow(row: ConfigRow, extraFlags: number): CanalConfig {
  return {
    epoch: 0,
    flags: FLAGS.reduce((flags, [name, bit]) => flags | (row[name] ? bit : 0), extraFlags),
    overlayIfindex: row.overlayIfindex,
    uplinkIfindex: row.uplinkIfindex,
    vni: row.vni,
    vxlanPort: row.vxlanPort,
    podMtu: row.podMtu,
    vtepAddr: row.vtepAddress?.bytes ?? new Uint8Array(4),
    vtepMac: macBytes(row.vtepMac ?? ''),
    uplinkMac: new Uint8Array(6),
    logRate: row.logRate,
    hostNetns: netnsCookie() ?? 0n, // the agent runs in the node's own
    edgePortMin: row.edgePortMin,
    edgePortMax: row.edgePortMax,
    nodeAddr4: row.nodeAddress4?.bytes ?? new Uint8Array(4),
    nodeAddr6: row.nodeAddress6?.bytes ?? new Uint8Array(16),
    overlayAddr4: row.overlayAddress4?.bytes ?? new Uint8Array(4),
    overlayAddr6: row.overlayAddress6?.bytes ?? new Uint8Array(16),
  };
}

function decodeRow(config: CanalConfig, extraFlags: number): ConfigRow {
  const flags = Object.fromEntries(FLAGS.map(([name, bit]) => [name, (config.flags & bit) !== 0])) as Pick<ConfigRow, (typeof FLAGS)[number][0]>;
  return {
    ...flags,
    overlayIfindex: config.overlayIfindex,
    uplinkIfindex: config.uplinkIfindex,
    // A row written with other families loaded differs from whatever is wanted.
    vni: (config.flags & CanalConfigFlags.CONFIG_OTHER_FAMILY) === extraFlags ? config.vni : -1,
    vxlanPort: config.vxlanPort,
    podMtu: config.podMtu,
    vtepAddress: someAddress(config.vtepAddr),
    vtepMac: isZero(config.vtepMac) ? undefined : macText(config.vtepMac),
    logRate: config.logRate,
    edgePortMin: config.edgePortMin,
    edgePortMax: config.edgePortMax,
    nodeAddress4: someAddress(config.nodeAddr4),
    nodeAddress6: someAddress(config.nodeAddr6),
    overlayAddress4: someAddress(config.overlayAddr4),
    overlayAddress6: someAddress(config.overlayAddr6),
  };
}
