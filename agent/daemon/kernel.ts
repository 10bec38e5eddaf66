import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Cidr, Family } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { FROM_OVERLAY, FROM_UPLINK, TO_UPLINK } from '../compile/compile.js';
import { FROM_POD, TO_POD } from '../compile/endpoints/endpoints.js';
import type { DeviceAddress } from '../compile/overlay/uplink.js';
import { from16 } from '../kernel/address-bytes.js';
import { AddressTable } from '../kernel/address-table.js';
import { AttachmentTable, hasTcx } from '../kernel/attachment-table.js';
import { BpfObject, mountBpffs, type MapSizes } from '../kernel/bpf-object.js';
import { ConfigTable } from '../kernel/config-table.js';
import { endpointTable, localTable, nexthopTable, nomasqTable, outsideTable } from '../kernel/endpoint-tables.js';
import type { CanalLink, CanalNetAddr } from '../kernel/abi.generated.js';
import { canEncapsulate } from '../kernel/encapsulation.js';
import { FdbTable } from '../kernel/fdb-table.js';
import { DeviceBook } from '../kernel/device-book.js';
import { checkObjectLayouts } from '../kernel/layout-check.js';
import { ipsecPolicies, IpsecWatch } from '../kernel/ipsec.js';
import { LinkTable } from '../kernel/link-table.js';
import { macText } from '../kernel/mac.js';
import { ANY_DEVICE, ChangeMonitor, type Change, type Notices } from '../kernel/monitor.js';
import { NeighbourTable } from '../kernel/neighbour-table.js';
import { IFF_UP, listRoutes, routeTo, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN } from '../kernel/netlink.js';
import { OVERLAY_DEVICE } from '../kernel/our-devices.js';
import { cidrTable, decisionTable, peerTable, ruleTable } from '../kernel/policy-tables.js';
import { Ring } from '../kernel/ring.js';
import type { EventRing } from '../flows/event-pump.js';
import { RouteTable } from '../kernel/route-table.js';
import { backTable, frontTable, liveTable, rangeTable } from '../kernel/service-tables.js';
import { findCgroup, isCgroup2, SocketTable } from '../kernel/socket-table.js';
import { translatedSockets } from '../kernel/udp-sockets.js';
import { SysctlTable } from '../kernel/sysctl-table.js';
import { Waker } from '../kernel/waker.js';
import { WriteCounter } from '../kernel/write-counter.js';
import type { AgentSettings } from '../model/settings.js';
import { objectFile } from './build-files.js';
import { planMaps, scaleFor, type MapPlan } from './map-plan.js';
import type { Device, KernelTables, NodeKernel } from './node-kernel.js';
import { ProgramMaps } from './program-maps.js';
import { rowNews } from './told-rows.js';

/** Families whose programs are loaded and whose maps are written. */
const FAMILIES: readonly Family[] = [4];

/** Notices come in bursts: a pod's device alone makes ten. */
const NOTICE_PAUSE_MS = 50;

export interface LinuxKernel extends NodeKernel {
  readonly maps: ProgramMaps;
  readonly ring: EventRing;
  readonly pinDir: string;
  /** Everything stands on this version's programs: lets go of the maps of the version before. */
  settled(): void;
  /** Lets go of descriptors; the kernel's state stays. */
  close(): void;
}

export interface OpenOptions {
  readonly settings: AgentSettings;
  readonly networks: readonly Cidr[];
  /** sysctls that are kept, as wanted now. */
  readonly sysctls: () => readonly string[];
  readonly log: Logger;
  /** Rows that maps of the agent's own must have room for, by map: more than they are made with. */
  readonly grown?: MapSizes;
  /** Of the node, bytes. */
  readonly memory?: number;
}

/**
 * Opens the BPF objects and every table. Where maps are pinned, objects are loaded at once and take them over; on a node without any
 * there is nothing to take over, and `load` is told first how many rows the maps are for. Until then they have no rows.
 * @throws CanalError('KERNEL' | 'CONFIG')
 */
export function openKernel({ settings, networks, sysctls, log, grown = {}, memory = totalmem() }: OpenOptions): LinuxKernel {
  const writes = new WriteCounter();
  const pinDir = join(settings.bpffs, 'canal');
  mountBpffs(settings.bpffs);
  const objects = new Map(FAMILIES.map((family) => [family, openObject(family, settings, pinDir)]));
  const object = objects.get(4)!;
  const load = (wanted?: ReadonlyMap<string, number>): void => {
    const plan = { asked: settings.mapSizes, grown, scale: settings.mapScale ?? scaleFor(memory), ...(wanted === undefined ? {} : { wanted }) };
    for (const loading of objects.values()) if (!loading.loaded) loadObject(loading, { pinDir, log, plan });
  };
  if ([...objects.values()].some((found) => found.found().some(({ pinnedEntries }) => pinnedEntries !== undefined))) load();
  const source = { objects, writes };
  const monitor = new ChangeMonitor();
  const book: DeviceBook = new DeviceBook(() => monitor.drain(), () => waker.later());
  const waker = new Waker(monitor.fd, NOTICE_PAUSE_MS, () => book.hasNews());
  const config = new ConfigTable(source);
  const carryOver = (): void => carryOverOf([...objects.values()], log);
  const attachments = new AttachmentTable(
    { carryOver, programs: [FROM_POD, TO_POD, FROM_OVERLAY, FROM_UPLINK, TO_UPLINK], program: (name) => programOf(object, name), linkDir: join(pinDir, 'links'), ...hooksOf(settings) },
    writes,
    book,
  );
  const sockets = new SocketTable(
    { carryOver, families: FAMILIES, cgroup: cgroupOf(settings, log), program: (family, name) => programOf(objects.get(family)!, name), linkDir: join(pinDir, 'sockets') },
    writes,
  );
  const fdb = new FdbTable(writes, book);
  const neighbours = new NeighbourTable(FAMILIES, writes, book);
  const routes = new RouteTable({ networks: () => networks, families: FAMILIES, devices: ourDevicePattern(settings.interfacePrefix) }, writes, book);
  const tables: KernelTables = {
    config,
    attachments,
    sysctls: new SysctlTable(sysctls, writes),
    links: new LinkTable(writes, book),
    addresses: new AddressTable(() => networks, writes, book),
    fdb,
    neighbours,
    routes,
    nexthops: nexthopTable(source),
    outside: outsideTable(source),
    nomasq: nomasqTable(source),
    rules: ruleTable(source),
    tables: decisionTable(source),
    peers: peerTable(source),
    cidrs: cidrTable(source),
    local: localTable(source),
    endpoints: endpointTable(source),
    fronts: frontTable(source),
    backs: backTable(source),
    live: liveTable(source),
    ranges: rangeTable(source),
    sockets,
  };
  const ipsec = new IpsecWatch();
  const encapsulates = canEncapsulate(object.path);
  let opened: Ring | undefined;
  const ring = { drain: () => (opened ??= object.loaded ? new Ring(object.map('canal_events')) : undefined)?.drain() ?? [] };
  return {
    load, tables, ring, pinDir,
    epoch: config,
    families: new Set(FAMILIES),
    maps: new ProgramMaps(object, writes),
    socketHooks: () => sockets.wanted(),
    translatedSockets: translatedSockets(source),
    devices: follow(() => book.links(), deviceOf),
    addresses: follow(() => book.addresses(), addressOf),
    routeTo: (target) => routeTo(target),
    defaultRoute: () => defaultRoute(),
    ipsecPolicies,
    encapsulates: () => encapsulates,
    notices: () => {
      const { changes, told } = book.notices();
      const news = book.still(() => rowNews({ routes, neighbours, fdb, attachments }, told));
      return { changes, ...news };
    },
    unnoticed: () => anywhere({ route: ipsec.changed(), tc: attachments.linksChanged() }),
    made: (ifindex) => attachments.made(ifindex),
    upgradeHook: (quietMs) => attachments.upgradeNext(quietMs),
    noticed: (signal) => waker.wait(signal),
    relist: () => book.forget(),
    settled: () => objects.forEach((loaded) => loaded.loaded && loaded.carryOver.close()),
    close: () => {
      waker.close();
      monitor.close();
      opened?.close();
      for (const loaded of objects.values()) loaded.close();
    },
  };
}

function openObject(family: Family, settings: AgentSettings, pinDir: string): BpfObject {
  const path = objectFile(`canal${family}.o`, settings.buildDir);
  checkObjectLayouts(path);
  return BpfObject.open({ path, pinDir });
}

interface LoadOptions {
  readonly pinDir: string;
  readonly log: Logger;
  readonly plan: MapPlan;
}

function loadObject(object: BpfObject, { pinDir, log, plan }: LoadOptions): void {
  const { path } = object;
  object.load((maps) => planMaps(maps, plan));
  if (object.stood) log.info({ path, pinDir }, 'BPF programs stand as they were loaded');
  else log.info({ path, pinDir, replacedMaps: object.replacedMaps, replacedPrograms: object.replacedPrograms }, 'BPF programs loaded');
}

/** Before its object is loaded a program is like no other, and nobody attaches it. */
const programOf = (object: BpfObject, name: string): { readonly fd: number; readonly id: number } => (object.loaded ? object.program(name) : NOT_LOADED);
const NOT_LOADED = { fd: -1, id: 0 };

/** Flows that cannot be carried over are judged anew by their next packet: worse, but no reason to stop an upgrade half way. */
function carryOverOf(objects: readonly BpfObject[], log: Logger): void {
  for (const object of objects) {
    try {
      const rows = object.carryOver.copy();
      if (rows.size > 0) log.info({ rows: Object.fromEntries(rows) }, 'flows of the version before carried over');
    } catch (error) {
      log.warn({ err: error }, 'flows of the version before cannot be carried over');
    }
  }
}

/** Without one, services are translated packet by packet, and only for pods. */
function cgroupOf(settings: AgentSettings, log: Logger): string | undefined {
  if (!settings.services) return undefined;
  const cgroup = settings.cgroup === '' ? findCgroup() : settings.cgroup;
  if (cgroup !== undefined && !isCgroup2(cgroup)) throw new CanalError('CONFIG', `--cgroup-v2: ${cgroup} is no directory of a cgroup v2`, { subject: cgroup });
  if (cgroup === undefined) log.warn('no cgroup v2 is mounted: sockets of the node itself are not translated');
  return cgroup;
}

/** Links where the kernel has them; on pods' devices later, if they are asked for. */
function hooksOf({ attachType, interfacePrefix }: AgentSettings): { readonly tcx: (device: string) => boolean; readonly tcxLater: (device: string) => boolean } {
  const has = hasTcx();
  const isPods = (device: string): boolean => device.startsWith(interfacePrefix);
  return { tcx: (device) => has && !isPods(device), tcxLater: (device) => has && attachType === 'tcx' && isPods(device) };
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Pods' devices and the overlay's: foreign routes through them go (removeExternalRoutes). */
const ourDevicePattern = (prefix: string): RegExp => new RegExp(`^${escaped(prefix)}|${OVERLAY_DEVICE.source}`);

/** What each item means, worked out once for as long as it is there. */
function follow<Raw extends object, T>(raws: () => readonly Raw[], meaning: (raw: Raw) => T | undefined): () => readonly T[] {
  const known = new WeakMap<Raw, T>();
  let last: { readonly from: readonly Raw[]; readonly items: readonly T[] } = { from: [], items: [] };
  const itemOf = (raw: Raw): T | undefined => {
    const item = known.get(raw) ?? meaning(raw);
    if (item !== undefined) known.set(raw, item);
    return item;
  };
  return () => {
    const from = raws();
    if (from !== last.from) last = { from, items: from.map(itemOf).filter((item) => item !== undefined) };
    return last.items;
  };
}

/** What has happened, on whichever device. */
function anywhere(happened: Partial<Record<Change, boolean>>): Notices {
  const changes = Object.entries(happened) as [Change, boolean][];
  return new Map(changes.filter(([, so]) => so).map(([change]) => [change, new Set([ANY_DEVICE])]));
}

const deviceOf = (link: CanalLink): Device => ({
  ifindex: link.ifindex,
  name: link.name,
  mtu: link.mtu,
  up: (link.flags & IFF_UP) !== 0,
  kind: link.kind,
  mac: macText(link.mac),
});

function addressOf(raw: CanalNetAddr): DeviceAddress | undefined {
  const address = from16(raw.addr, raw.family === 6 ? 6 : 4);
  if (address === undefined) return undefined;
  const scope = raw.scope === RT_SCOPE_UNIVERSE ? 'global' : raw.scope === RT_SCOPE_LINK ? 'link' : 'host';
  return { ifindex: raw.ifindex, address, scope, temporary: (raw.flags & 1) !== 0 && (raw.family === 6), deprecated: (raw.flags & 2) !== 0 };
}

/** Device of the IPv4 default route with the lowest metric. */
function defaultRoute(): number | undefined {
  const routes = listRoutes(4).filter((route) => route.prefixlen === 0 && route.table === RT_TABLE_MAIN && route.ifindex !== 0);
  return routes.sort((a, b) => a.metric - b.metric)[0]?.ifindex;
}
