import { Cidr, IpAddress, type Family } from '../base/address.js';
import type { RouteRow } from '../compile/desired.js';
import type { Table, ToldRow } from '../reconcile/table.js';
import { canalRouteCodec, type CanalRoute } from './abi.generated.js';
import { from16, to16 } from './address-bytes.js';
import { kernelDevices, type DeviceSource } from './device-book.js';
import { listRoutes, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, sendRows } from './netlink.js';
import { ourDevices } from './our-devices.js';
import type { WriteCounter } from './write-counter.js';

export interface RouteKey {
  readonly destination: Cidr;
  readonly metric: number;
}

export interface RouteOptions {
  /** The cluster's pod networks, as known now: DirectRouting and blackhole routes are ours inside them. */
  readonly networks: () => readonly Cidr[];
  readonly families: readonly Family[];
  /** Devices whose routes are ours: pods' and the overlay's. */
  readonly devices: RegExp;
}

const RTPROT_KERNEL = 2;
const RTPROT_BOOT = 3;
const RTPROT_RA = 9;
const RTN_UNICAST = 1;
const RTN_BLACKHOLE = 6;
/** What the kernel gives an IPv6 route without metric. */
const IPV6_METRIC = 1024;

/**
 * Routes of the main table. Ours are those through our devices (but for what
 * the kernel makes itself) and, as flannel marks its own with no protocol number
 * of its own, gateway and blackhole routes of protocol boot into the pod networks.
 */
export class RouteTable implements Table<RouteKey, RouteRow> {
  readonly name = 'route';
  /** Rows were written without a device: on which one the kernel put them, only a list of all can tell. */
  #deviceless = false;

  constructor(
    private readonly options: RouteOptions,
    private readonly writes: WriteCounter,
    private readonly devices: DeviceSource = kernelDevices,
  ) {}

  list(): Map<string, { readonly key: RouteKey; readonly row: RouteRow }> {
    return this.rows(this.ours());
  }

  listOn(devices: ReadonlySet<number>): Map<string, { readonly key: RouteKey; readonly row: RouteRow }> | undefined {
    if (this.#deviceless) return undefined;
    const there = this.devices.links().filter(({ ifindex }) => devices.has(ifindex));
    return this.rows(there.flatMap(({ ifindex }) => this.ours(ifindex)));
  }

  deviceOf(row: RouteRow): number {
    return row.ifindex;
  }

  keyText(key: RouteKey): string {
    return `${key.destination.text} metric ${kernelMetric(key)}`;
  }

  equal(actual: RouteRow, desired: RouteRow): boolean {
    const v6 = desired.destination.family === 6;
    return (
      // Without a device in the wish the kernel chose one by the gateway.
      (desired.ifindex === 0 || actual.ifindex === desired.ifindex) && actual.gateway?.text === desired.gateway?.text &&
      actual.onlink === desired.onlink && actual.type === desired.type && actual.protocol === desired.protocol &&
      (v6 || actual.scope === desired.scope) // IPv6 has no scopes
    );
  }

  upsert(rows: readonly { readonly key: RouteKey; readonly row: RouteRow }[]): (Error | undefined)[] {
    this.#deviceless ||= rows.some(({ row }) => row.ifindex === 0 && row.type === 'unicast');
    return this.send('canal_route_replace', rows.map(({ row }) => rawOf(row)));
  }

  /** What a notice says of the main table. `ours` is told of a route of ours also when it goes. */
  told(raw: CanalRoute, gone: boolean): (ToldRow<RouteKey, RouteRow> & { readonly ours: boolean }) | undefined {
    if (raw.table !== RT_TABLE_MAIN) return undefined;
    const row = rowOf(raw);
    const ours = this.options.families.some((family) => family === raw.family) && isOurs(raw, ourDevices(this.options.devices, this.devices), this.options.networks());
    return { key: { destination: row.destination, metric: row.metric }, text: this.keyText(row), row: ours && !gone ? row : undefined, device: raw.ifindex, ours };
  }

  /** Removes these rows, or what `list` shows under these keys, and nothing like it. */
  remove(keys: readonly RouteKey[], rows?: readonly RouteRow[]): (Error | undefined)[] {
    if (rows !== undefined) return this.send('canal_route_delete', rows.map((row) => ({ ...rawOf(row), metric: kernelMetric(row) })));
    const there = new Map(this.ours().map((raw) => [this.keyText(rowOf(raw)), raw]));
    const texts = keys.map((key) => this.keyText(key));
    const present = texts.filter((text) => there.has(text));
    const outcomes = this.send('canal_route_delete', present.map((text) => there.get(text)!));
    const failed = new Map(present.map((text, i) => [text, outcomes[i]]));
    return texts.map((text) => failed.get(text));
  }

  private rows(raws: readonly CanalRoute[]): Map<string, { readonly key: RouteKey; readonly row: RouteRow }> {
    return new Map(raws.map((raw) => {
      const row = rowOf(raw);
      return [this.keyText(row), { key: { destination: row.destination, metric: row.metric }, row }];
    }));
  }

  private ours(ifindex = 0): CanalRoute[] {
    const devices = ourDevices(this.options.devices, this.devices);
    const networks = this.options.networks();
    return this.options.families.flatMap((family) => listRoutes(family, ifindex)).filter((raw) => isOurs(raw, devices, networks));
  }

  private send(name: 'canal_route_replace' | 'canal_route_delete', rows: readonly CanalRoute[]): (Error | undefined)[] {
    return sendRows(name, this.name, canalRouteCodec, rows, (i) => this.keyText(rowOf(rows[i]!)), this.writes);
  }
}

function isOurs(raw: CanalRoute, devices: ReadonlyMap<number, unknown>, networks: readonly Cidr[]): boolean {
  if (raw.table !== RT_TABLE_MAIN || raw.protocol === RTPROT_KERNEL || raw.protocol === RTPROT_RA) return false;
  if (raw.type !== RTN_UNICAST && raw.type !== RTN_BLACKHOLE) return false;
  if (devices.has(raw.ifindex)) return true;
  if (raw.protocol !== RTPROT_BOOT) return false;
  const { destination, gateway, type } = rowOf(raw);
  return (type === 'blackhole' || gateway !== undefined) && networks.some((network) => network.covers(destination));
}

const kernelMetric = ({ destination, metric }: RouteKey): number => (metric === 0 && destination.family === 6 ? IPV6_METRIC : metric);

function rowOf(raw: CanalRoute): RouteRow {
  const family = raw.family === 4 ? 4 : 6;
  const destination = Cidr.of(from16(raw.dst, family) ?? IpAddress.fromBytes(new Uint8Array(family === 4 ? 4 : 16)), raw.prefixlen);
  return {
    destination,
    // The kernel lists IPv6 blackholes on lo.
    ifindex: raw.type === RTN_BLACKHOLE ? 0 : raw.ifindex,
    gateway: from16(raw.gateway, family),
    onlink: raw.onlink !== 0,
    scope: raw.scope === RT_SCOPE_LINK ? 'link' : 'universe',
    type: raw.type === RTN_BLACKHOLE ? 'blackhole' : 'unicast',
    metric: raw.metric,
    protocol: raw.protocol,
  };
}

function rawOf(row: RouteRow): CanalRoute {
  return {
    family: row.destination.family,
    prefixlen: row.destination.length,
    scope: row.scope === 'link' ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    protocol: row.protocol,
    type: row.type === 'blackhole' ? RTN_BLACKHOLE : RTN_UNICAST,
    onlink: Number(row.onlink),
    table: RT_TABLE_MAIN,
    ifindex: row.ifindex,
    metric: row.metric,
    dst: to16(row.destination.address),
    gateway: to16(row.gateway),
    source: to16(undefined),
  };
}
