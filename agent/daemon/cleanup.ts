import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Cidr } from '../base/address.js';
import { canalAttachmentCodec } from '../kernel/abi.generated.js';
import { decodeAll } from '../kernel/codec.js';
import { grow, native, nativeResult } from '../kernel/library.js';
import { deleteLink, listLinks } from '../kernel/netlink.js';
import { OVERLAY_DEVICE } from '../kernel/our-devices.js';
import { RouteTable } from '../kernel/route-table.js';
import { WriteCounter } from '../kernel/write-counter.js';
import type { AgentSettings } from '../model/settings.js';
import { takeInstanceLock } from './instance-lock.js';

export interface CleanupReport {
  readonly links: readonly string[];
  readonly routes: readonly string[];
  /** Hooks of devices that stay. */
  readonly attachments: readonly string[];
  readonly paths: readonly string[];
}

/** Where host-local keeps the addresses of networks that our configurations name. */
const ADDRESSES = ['k8s-pod-network', 'canal'];

/**
 * Takes everything of canal's from a node whose agent is gone: pods' devices and
 * the overlay's with their routes, programs at other devices and at the cgroup,
 * maps and pins, files. Pods that still run lose their network. Repeating it
 * finds nothing. sysctls stay as they are: what they were is not known.
 * @param networks pod networks, whose blackhole and gateway routes are ours
 * @param cniLibDir /var/lib/cni as this process sees it
 * @throws CanalError('CONFIG') while an agent runs here
 */
export async function cleanUpNode(settings: Pick<AgentSettings, 'bpffs' | 'runDir' | 'stateDir' | 'calicoDir' | 'subnetFile' | 'interfacePrefix'>, networks: readonly Cidr[], cniLibDir: string): Promise<CleanupReport> {
  const lock = existsSync(settings.runDir) ? await takeInstanceLock(join(settings.runDir, 'agent.lock')) : undefined;
  const pins = join(settings.bpffs, 'canal');
  const attachments = detachAll(pins);
  const routes = removeRoutes(networks, settings.interfacePrefix);
  const links = removeLinks(settings.interfacePrefix);
  const calico = settings.calicoDir === '' ? [] : [join(settings.calicoDir, 'nodename'), join(settings.calicoDir, 'mtu')];
  // Pins last of the kernel's: links at the cgroup and maps live as long as these.
  const paths = [pins, settings.subnetFile, ...calico, ...ADDRESSES.map((name) => join(cniLibDir, 'networks', name))].filter((path) => path !== '' && existsSync(path));
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  lock?.release();
  const own = [settings.runDir, settings.stateDir].flatMap(contents);
  for (const path of own) rmSync(path, { recursive: true, force: true });
  return { links, routes, attachments, paths: [...paths, ...own] };
}

/** The folder itself may be a mount. */
const contents = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : []);

/** Programs of ours are those whose names are pinned; tcx links go with their pins, filters by name. */
function detachAll(pins: string): string[] {
  const programDir = join(pins, 'programs');
  const programs = existsSync(programDir) ? readdirSync(programDir).flatMap((object) => readdirSync(join(programDir, object))) : [];
  if (programs.length === 0) return [];
  const links = new Map(listLinks().map((link) => [link.ifindex, link.name]));
  const devices = Buffer.from(Uint32Array.from(links.keys()).buffer);
  const names = [...new Set(programs)].join(',');
  const { buffer, count } = grow('canal_attachments', canalAttachmentCodec.size, links.size * 2 + 16, (out, capacity, needed) =>
    nativeResult('canal_attachments', devices, links.size, Number(false), names, out, capacity, needed));
  return decodeAll(canalAttachmentCodec, buffer, count).map(({ ifindex, egress, tcx }) => {
    const device = links.get(ifindex) ?? '';
    const side = egress === 0 ? 'ingress' : 'egress';
    native('canal_detach', `${device} ${side}`, ifindex, egress, tcx, join(pins, 'links', `${device.replaceAll('.', '%2E')}-${side}`));
    return `${device} ${side}`;
  });
}

function removeRoutes(networks: readonly Cidr[], prefix: string): string[] {
  const table = new RouteTable({ networks: () => networks, families: [4, 6], devices: ourDevices(prefix) }, new WriteCounter());
  const rows = [...table.list()];
  const failed = table.remove(rows.map(([, { key }]) => key)).find((outcome) => outcome !== undefined);
  if (failed !== undefined) throw failed;
  return rows.map(([text]) => text);
}

function removeLinks(prefix: string): string[] {
  const links = listLinks().filter(({ name }) => ourDevices(prefix).test(name));
  for (const { ifindex, name } of links) deleteLink(ifindex, name);
  return links.map(({ name }) => name);
}

const ourDevices = (prefix: string): RegExp => new RegExp(`^${prefix.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}|${OVERLAY_DEVICE.source}`);
