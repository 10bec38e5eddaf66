import { VERSION } from '../../base/version.js';
import { KERNEL_VXLAN_PORT } from '../../model/net-conf.js';
import type { Problem } from '../../base/errors.js';
import type { ApplyView, OverlayView, StatusView } from '../../observe/views.js';
import { listChains } from '../../kernel/netfilter.js';
import type { AppliedView } from '../apply-loop.js';
import { predecessorProblems } from '../predecessor.js';
import { overlayPath } from './overlay-path.js';
import type { AdminSources } from './sources.js';

export function statusView(sources: AdminSources): StatusView {
  const { settings, loop, startedMs } = sources;
  const { view } = loop;
  const problems = view === undefined ? [] : [...view.snapshot.problems, ...loop.services.compiler.problems(), ...peerProblems(view), ...(view.planned.problem === undefined ? [] : [view.planned.problem]), ...sources.strangers(), ...predecessorProblems(settings.nodeName, listChains())];
  return {
    version: VERSION,
    node: settings.nodeName,
    pid: process.pid,
    state: sources.state(),
    startedAt: new Date(startedMs).toISOString(),
    conditions: sources.conditions(),
    overlay: overlayView(sources),
    counts: counts(sources),
    apply: applyView(sources),
    problems,
  };
}

/** In the order of nodes' names. */
function peerProblems({ planned }: AppliedView): Problem[] {
  return [...(planned.overlay?.problems.entries() ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, problem]) => problem);
}

function overlayView({ loop, settings }: AdminSources): OverlayView | null {
  const planned = loop.view?.planned;
  if (planned?.overlay === undefined) return null;
  const { overlay, uplink } = planned;
  return {
    device: overlay.link.name,
    ifindex: planned.overlayIfindex ?? 0,
    vni: overlay.link.vni,
    port: overlay.link.port === 0 ? KERNEL_VXLAN_PORT : overlay.link.port,
    mac: overlay.link.mac,
    mtu: overlay.mtu,
    subnet: overlay.subnet.text,
    network: overlay.network.text,
    uplink: uplink === undefined ? '' : `${uplink.name} ${uplink.address.text}`,
    outside: planned.outside.filter(({ ifindex }) => ifindex !== uplink?.ifindex).map(({ name, address4, address6 }) => `${name} ${(address4 ?? address6)!.text}`),
    publicIp: overlay.annotations['public-ip'] ?? '',
    path: overlayPath(settings.fastPath, planned),
  };
}

function counts({ loop }: AdminSources): StatusView['counts'] {
  const view = loop.view;
  const rows = [...(view?.desired.pods.rows.values() ?? [])];
  return {
    endpoints: view?.facts.endpoints.length ?? 0,
    isolatedIngress: rows.filter((row) => row.ingressTable !== 0n).length,
    isolatedEgress: rows.filter((row) => row.egressTable !== 0n).length,
    policies: view?.snapshot.policies.size ?? 0,
    pods: view?.snapshot.pods.size ?? 0,
    namespaces: view?.snapshot.namespaces.size ?? 0,
    nodes: view?.snapshot.nodes.size ?? 0,
    classes: view?.desired.policy.classes.size ?? 0,
    tables: view?.desired.policy.tables.size ?? 0,
  };
}

function applyView({ loop, kernel }: AdminSources): ApplyView | null {
  const { record } = loop;
  if (record.applies === 0) return null;
  return {
    applies: record.applies,
    lastAt: new Date(record.lastAtMs).toISOString(),
    lastMs: record.lastMs,
    firstWrites: record.firstWrites,
    writes: Object.fromEntries(record.writes),
    epoch: kernel.epoch.read(),
    blocked: record.blocked,
    troubles: record.troubles,
  };
}
