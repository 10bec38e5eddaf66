import type { NumberedEvent } from '../../flows/recent-events.js';
import type { DropsView, EventView } from '../../observe/views.js';
import { CanalError } from '../../base/errors.js';
import { addressOwners, type Owner } from './owners.js';
import { protocolName } from './protocols.js';
import { hex, type AdminSources } from './sources.js';

/** Events that one answer holds unless it resumes. */
const LATEST = 20;

/** Drops by reason, and events: the latest, or all after `?after=` (allowed flows are left out). */
export function dropsView(sources: AdminSources, query: URLSearchParams): DropsView {
  const { kernel, events, loop } = sources;
  const after = query.get('after');
  if (after !== null && !/^\d+$/.test(after)) throw new CanalError('CONFIG', 'after must be a number');
  sources.drainEvents();
  const owners = loop.view === undefined ? new Map<string, Owner>() : addressOwners(loop.view);
  const found = events.after(Number(after ?? 0)).filter((event) => event.kind !== 'flow_allowed');
  return {
    reasons: [...kernel.maps.drops()].filter(([, c]) => c.packets > 0).map(([reason, c]) => ({ reason, ...c })),
    full: [...kernel.maps.full()].map(([what, count]) => ({ what, count })),
    events: (after === null ? found.slice(-LATEST) : found).map((event) => eventView(event, sources, owners)),
    lost: kernel.maps.full().get('events') ?? 0,
  };
}

function eventView(event: NumberedEvent, { loop, clock }: AdminSources, owners: ReadonlyMap<string, Owner>): EventView {
  const agoMs = Number((process.hrtime.bigint() - event.timeNs) / 1_000_000n);
  return {
    sequence: event.sequence,
    time: new Date(clock.now() - agoMs).toISOString(),
    kind: event.kind,
    reason: event.reason,
    direction: event.direction,
    protocol: protocolName(event.protocol),
    source: event.source.text,
    sourcePort: event.sourcePort,
    sourcePod: owners.get(event.source.text)?.name ?? '',
    destination: event.destination.text,
    destinationPort: event.destinationPort,
    destinationPod: owners.get(event.destination.text)?.name ?? '',
    device: loop.view?.devices.find((d) => d.ifindex === event.ifindex)?.name ?? String(event.ifindex),
    bytes: event.bytes,
    rule: event.rule === 0n ? '' : (loop.view?.desired.policy.rules.get(event.rule) ?? hex(event.rule)),
  };
}
