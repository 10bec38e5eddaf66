import { Cidr, IpAddress } from '../../../agent/base/address.js';
import type { ConfigRow } from '../../../agent/compile/config.js';
import type { AddressRow, AttachmentRow, EndpointRow, FdbRow, NeighbourRow, NexthopRow, RouteRow, Verdict, VxlanLinkRow } from '../../../agent/compile/desired.js';
import type { DeviceAddress } from '../../../agent/compile/overlay/uplink.js';
import type { Device, KernelNotices, KernelTables, NodeKernel } from '../../../agent/daemon/node-kernel.js';
import { ANY_DEVICE, type Change } from '../../../agent/kernel/monitor.js';
import type { TableNews } from '../../../agent/daemon/told-rows.js';
import type { AddressKey } from '../../../agent/kernel/address-table.js';
import type { OutsideRow } from '../../../agent/kernel/endpoint-tables.js';
import type { AttachmentKey } from '../../../agent/kernel/attachment-table.js';
import type { FdbKey } from '../../../agent/kernel/fdb-table.js';
import type { RuleKey, TableKey } from '../../../agent/kernel/policy-tables.js';
import type { SocketKey, SocketRow } from '../../../agent/kernel/socket-table.js';
import { backText, frontText, liveText, rangeText, type BackendAddress, type BackKey, type FrontKey, type FrontRow, type LiveKey, type RangeKey } from '../../../agent/compile/services/rows.js';
import type { TranslatedSocket } from '../../../agent/kernel/udp-sockets.js';
import type { RouteKey } from '../../../agent/kernel/route-table.js';
import { FakeTable } from '../../support/fake-table.js';

const text = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v instanceof IpAddress || v instanceof Cidr ? v.text : v));

function fake<Key, Row>(name: string, keyText: (key: Key) => string): FakeTable<Key, Row> {
  return new FakeTable<Key, Row>({ name, keyText, equal: (a, b) => text(a) === text(b) });
}

/** A node's kernel in memory: tables that hold state, devices that come to be when their rows are written. */
export class MemoryKernel implements NodeKernel {
  readonly tables = {
    config: fake<'config', ConfigRow>('canal_config', String),
    sysctls: fake<string, string>('sysctl', String),
    attachments: fake<AttachmentKey, AttachmentRow>('attachment', (k) => `${k.ifindex} ${k.egress ? 'egress' : 'ingress'}`),
    links: fake<string, VxlanLinkRow>('link', String),
    addresses: fake<AddressKey, AddressRow>('address', (k) => `${k.ifindex} ${k.address.text}`),
    fdb: fake<FdbKey, FdbRow>('fdb', (k) => `${k.ifindex} ${k.mac}`),
    neighbours: fake<AddressKey, NeighbourRow>('neighbour', (k) => `${k.ifindex} ${k.address.text}`),
    routes: fake<RouteKey, RouteRow>('route', (k) => `${k.destination.text} metric ${k.metric}`),
    outside: fake<number, OutsideRow>('canal_outside', String),
    nomasq: fake<Cidr, 0>('canal_nomasq', (k) => k.text),
    nexthops: fake<Cidr, NexthopRow>('canal_route', (k) => k.text),
    rules: fake<RuleKey, Verdict>('canal_rule', (k) => text(k)),
    tables: fake<TableKey, bigint>('canal_table', (k) => `${k.table}/${k.classId}`),
    peers: fake<IpAddress, bigint>('canal_peer', (k) => k.text),
    cidrs: fake<Cidr, bigint>('canal_cidr', (k) => k.text),
    local: fake<IpAddress, number>('canal_local', (k) => k.text),
    endpoints: fake<number, EndpointRow>('canal_endpoint', String),
    fronts: fake<FrontKey, FrontRow>('canal_front', frontText),
    backs: fake<BackKey, BackendAddress>('canal_back', backText),
    live: fake<LiveKey, 0>('canal_live', liveText),
    ranges: fake<RangeKey, 0>('canal_range', rangeText),
    sockets: fake<SocketKey, SocketRow>('socket', (k) => `${k.program} ${k.family}`),
  } satisfies KernelTables;
  readonly families = new Set([4] as const);
  /** What was wanted at each call of `load`. */
  readonly loads: ReadonlyMap<string, number>[] = [];
  readonly pods: Device[] = [];
  uplink: Device = { ifindex: 2, name: 'eth0', mtu: 1500, up: true, kind: '', mac: '02:00:00:00:00:02' };
  readonly changes = new Set<Change>();
  /** What notices say of single rows. */
  readonly rowsTold: TableNews[] = [];
  uplinkUp = true;
  epochValue = 0;
  readonly epoch = { read: (): number => this.epochValue, write: (value: number): void => void (this.epochValue = value) };
  /** Grows when the overlay device is made anew. */
  overlayIfindex = 10;

  load(wanted: ReadonlyMap<string, number>): void {
    this.loads.push(wanted);
  }

  devices(): readonly Device[] {
    const overlay = [...this.tables.links.rows.values()].map(({ row }) => ({ ifindex: this.overlayIfindex, name: row.name, mtu: row.mtu, up: true, kind: 'vxlan', mac: row.mac }));
    return [this.uplink, ...overlay, ...this.pods];
  }

  addresses(): readonly DeviceAddress[] {
    const own = (ifindex: number, address: string): DeviceAddress => ({ ifindex, address: IpAddress.parse(address)!, scope: 'global', temporary: false, deprecated: false });
    return [own(this.uplink.ifindex, '192.168.0.1'), ...[...this.tables.addresses.rows.values()].map(({ row }) => own(row.ifindex, row.address.text))];
  }

  socketHooks(): { key: SocketKey; row: SocketRow }[] {
    return [{ key: { family: 4, program: 'canal_connect' }, row: { cgroup: 1n, program: 'canal_connect' } }];
  }

  /** Sockets of the node; who aborts one takes it out. */
  readonly udp = new Set<{ readonly service: bigint; readonly backend: BackendAddress }>();

  translatedSockets(): readonly TranslatedSocket[] {
    return [...this.udp].map((socket) => ({ ...socket, abort: () => void this.udp.delete(socket) }));
  }

  routeTo(): undefined {
    return undefined;
  }

  ipsec = 0;

  ipsecPolicies(): number {
    return this.ipsec;
  }

  encapsulates(): boolean {
    return true;
  }

  defaultRoute(): number | undefined {
    return this.uplinkUp ? this.uplink.ifindex : undefined;
  }

  notices(): KernelNotices {
    const changes = new Map([...this.changes].map((change) => [change, new Set([ANY_DEVICE])]));
    this.changes.clear();
    return { changes, rows: this.rowsTold.splice(0), rerouted: new Set() };
  }

  unnoticed(): KernelNotices['changes'] {
    return new Map();
  }

  made(): void {}

  upgradeHook(): Promise<boolean> {
    return Promise.resolve(false);
  }

  relist(): void {}

  readonly #noticed = new Set<() => void>();

  noticed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#noticed.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** What the kernel does when something has changed. */
  tell(...changes: readonly Change[]): void {
    for (const change of changes) this.changes.add(change);
    for (const resolve of this.#noticed) resolve();
    this.#noticed.clear();
  }

  addPod(name: string, ifindex: number, up = true): void {
    this.pods.push({ ifindex, name, mtu: 1450, up, kind: 'veth', mac: 'ee:ee:ee:ee:ee:ee' });
    this.changes.add('link');
  }

  /** Somebody makes the uplink anew, and with it goes what was attached. */
  renewUplink(ifindex: number): void {
    for (const [key, { row }] of this.tables.attachments.rows) if (row.ifindex === this.uplink.ifindex) this.tables.attachments.rows.delete(key);
    this.uplink = { ...this.uplink, ifindex };
    for (const change of ['link', 'address', 'route'] as const) this.changes.add(change);
  }

  /** Somebody deletes the overlay device, and with it what stood on it. */
  deleteOverlay(): void {
    const { links, addresses, fdb, neighbours, routes, attachments } = this.tables;
    for (const table of [links, addresses, fdb, neighbours]) table.rows.clear();
    for (const [key, { row }] of routes.rows) if (row.ifindex === this.overlayIfindex) routes.rows.delete(key);
    for (const [key, { row }] of attachments.rows) if (row.ifindex === this.overlayIfindex) attachments.rows.delete(key);
    this.overlayIfindex++;
    for (const change of ['link', 'address'] as const) this.changes.add(change);
  }

  /** Rows by table, as text; to compare. */
  state(): Record<string, string[]> {
    return Object.fromEntries(Object.entries(this.tables).map(([name, table]) => [name, [...(table.rows as ReadonlyMap<string, { row: unknown }>)].map(([key, { row }]) => `${key} = ${text(row)}`).sort()]));
  }

  get writes(): number {
    return Object.values(this.tables).reduce((sum, table) => sum + table.writes, 0);
  }
}
