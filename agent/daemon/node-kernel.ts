import type { Cidr, Family, IpAddress } from '../base/address.js';
import type { DeviceAddress } from '../compile/overlay/uplink.js';
import type { ConfigRow } from '../compile/config.js';
import type { AddressRow, AttachmentRow, EndpointRow, FdbRow, NeighbourRow, NexthopRow, RouteRow, Verdict, VxlanLinkRow } from '../compile/desired.js';
import type { BackendAddress, BackKey, FrontKey, FrontRow, LiveKey, RangeKey } from '../compile/services/rows.js';
import type { AddressKey } from '../kernel/address-table.js';
import type { OutsideRow } from '../kernel/endpoint-tables.js';
import type { AttachmentKey } from '../kernel/attachment-table.js';
import type { FdbKey } from '../kernel/fdb-table.js';
import type { Notices } from '../kernel/monitor.js';
import type { RuleKey, TableKey } from '../kernel/policy-tables.js';
import type { RouteKey } from '../kernel/route-table.js';
import type { SocketKey, SocketRow } from '../kernel/socket-table.js';
import type { TranslatedSocket } from '../kernel/udp-sockets.js';
import type { EpochGate } from '../reconcile/epoch.js';
import type { Table } from '../reconcile/table.js';
import type { RowNews } from './told-rows.js';

/** Every kind of kernel object that the agent keeps. */
export interface KernelTables {
  readonly config: Table<'config', ConfigRow>;
  readonly sysctls: Table<string, string>;
  readonly attachments: Table<AttachmentKey, AttachmentRow>;
  readonly links: Table<string, VxlanLinkRow>;
  readonly addresses: Table<AddressKey, AddressRow>;
  readonly fdb: Table<FdbKey, FdbRow>;
  readonly neighbours: Table<AddressKey, NeighbourRow>;
  readonly routes: Table<RouteKey, RouteRow>;
  readonly nexthops: Table<Cidr, NexthopRow>;
  readonly outside: Table<number, OutsideRow>;
  readonly nomasq: Table<Cidr, 0>;
  readonly rules: Table<RuleKey, Verdict>;
  readonly tables: Table<TableKey, bigint>;
  readonly peers: Table<IpAddress, bigint>;
  readonly cidrs: Table<Cidr, bigint>;
  readonly local: Table<IpAddress, number>;
  readonly endpoints: Table<number, EndpointRow>;
  readonly fronts: Table<FrontKey, FrontRow>;
  readonly backs: Table<BackKey, BackendAddress>;
  readonly live: Table<LiveKey, 0>;
  readonly ranges: Table<RangeKey, 0>;
  readonly sockets: Table<SocketKey, SocketRow>;
}

export interface Device {
  readonly ifindex: number;
  readonly name: string;
  readonly mtu: number;
  /** IFF_UP. */
  readonly up: boolean;
  /** `vxlan`, `veth`, …; empty: physical. */
  readonly kind: string;
  readonly mac: string;
}

export interface KernelNotices extends RowNews {
  /** Of these not even the kernel says which rows they concern. */
  readonly changes: Notices;
}

/** The kernel as the agent's loop sees it. Tests have one in memory. */
export interface NodeKernel {
  /**
   * To be called before anything is written: has programs loaded, with maps for so many rows by table, where they are not yet.
   * @throws CanalError('KERNEL'), after which this kernel is of no use
   */
  load(wanted: ReadonlyMap<string, number>): void;
  readonly tables: KernelTables;
  readonly epoch: EpochGate;
  /** Whose programs are loaded. */
  readonly families: ReadonlySet<Family>;
  /** Programs at sockets, as they should be while services are translated. */
  socketHooks(): readonly { readonly key: SocketKey; readonly row: SocketRow }[];
  /** The node's own connected UDP sockets that talk to a backend. */
  translatedSockets(): readonly TranslatedSocket[];
  /** By ifindex. What did not change is the same object as in the call before, here and in `addresses`. */
  devices(): readonly Device[];
  addresses(): readonly DeviceAddress[];
  /** `ip route get`; undefined: unreachable. */
  routeTo(target: IpAddress): { readonly ifindex: number; readonly source: IpAddress | undefined; readonly gateway: IpAddress | undefined } | undefined;
  /** Policies of IPsec on the node. */
  ipsecPolicies(): number;
  /** Whether the kernel lets programs write a tunnel's header. */
  encapsulates(): boolean;
  /** Device of the IPv4 default route. */
  defaultRoute(): number | undefined;
  /** What changed, by anybody's hand, since the last call. Does not wait. */
  notices(): KernelNotices;
  /** The same of what the kernel gives no notice of; looks four times a second at most. */
  unnoticed(): Notices;
  /** A device has just been made, by us: there is nothing of ours on it. Holds for this turn of the event loop. */
  made(ifindex: number): void;
  /**
   * Moves the program of one pod's device to the hook where packets pay less, which takes too long for an ADD.
   * @param quietMs only if no device has been attached to for so long @returns whether there may be another; @throws CanalError('KERNEL'), and it stays where it is
   */
  upgradeHook(quietMs?: number): Promise<boolean>;
  /** Resolves when there may be some that the kernel tells of by itself, or when the signal aborts. */
  noticed(signal: AbortSignal): Promise<void>;
  /** Has everything of devices asked for anew. */
  relist(): void;
}
