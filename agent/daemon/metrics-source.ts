import type { Datastore } from '../datastore/datastore.js';
import type { EventPump } from '../flows/event-pump.js';
import type { MetricsSource } from '../observe/metrics.js';
import type { ConditionView } from '../observe/views.js';
import type { ApplyLoop } from './apply-loop.js';
import type { LinuxKernel } from './kernel.js';
import { series } from './program-maps.js';
import { mapRows } from './admin/maps.js';

export interface MetricsSources {
  readonly kernel: LinuxKernel;
  readonly loop: ApplyLoop;
  readonly datastore: Datastore;
  readonly conditions: () => readonly ConditionView[];
  readonly pump: EventPump;
}

/** Reads the agent for Prometheus. */
export function metricsSource({ kernel, loop, datastore, conditions, pump }: MetricsSources): MetricsSource {
  const packets = (): ReadonlyMap<string, number> => new Map([...kernel.maps.drops()].map(([reason, { packets: n }]) => [reason, n]));
  const failures = (): ReadonlyMap<string, number> => {
    const counts = new Map<string, number>();
    for (const { table } of loop.record.troubles) counts.set(table, (counts.get(table) ?? 0) + 1);
    return counts;
  };
  const resources = () => datastore.health().resources;
  return {
    drops: () => series('reason', packets()),
    mapRows: () => series('map', mapRows(kernel, loop)),
    mapCapacity: () => series('map', kernel.maps.capacities),
    mapFull: () => series('map', kernel.maps.full()),
    writes: () => series('table', loop.record.writes),
    mended: () => series('table', loop.record.mended),
    rowFailures: () => series('table', failures()),
    conditions: () => conditions().map(({ name, ok }) => [{ condition: name }, ok ? 1 : 0]),
    reflectorSynced: () => resources().map((r) => [{ resource: r.resource }, r.synced ? 1 : 0]),
    reflectorFailures: () => resources().map((r) => [{ resource: r.resource }, r.failures]),
    endpoints: () => loop.view?.facts.endpoints.length ?? 0,
    policies: () => loop.view?.snapshot.policies.size ?? 0,
    epoch: () => kernel.epoch.read(),
    services: () => loop.services.compiler.compiled.size,
    servicesEmpty: () => loop.services.empty(),
    problems: () => (loop.view === undefined ? 0 : loop.view.snapshot.problems.length + loop.services.compiler.problems().length + (loop.view.planned.overlay?.problems.size ?? 0)),
    applies: () => loop.record.applies,
    eventsLost: () => (kernel.maps.full().get('events') ?? 0) + pump.unreadable,
  };
}
