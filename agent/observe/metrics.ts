import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Handler } from './http-server.js';

/** Labels to value. */
export type Series = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

/** What is read when Prometheus asks. All counters are since the kernel objects or the agent were made. */
export interface MetricsSource {
  drops(): Series; // reason
  mapRows(): Series; // map
  mapCapacity(): Series; // map
  mapFull(): Series; // map
  writes(): Series; // table
  mended(): Series; // table
  rowFailures(): Series; // table
  conditions(): Series; // condition; 1 well, 0 not
  reflectorSynced(): Series; // resource
  reflectorFailures(): Series; // resource
  endpoints(): number;
  policies(): number;
  services(): number;
  servicesEmpty(): number;
  epoch(): number;
  problems(): number;
  applies(): number;
  eventsLost(): number;
}

const LABELED: readonly [keyof MetricsSource & ('drops' | 'mapRows' | 'mapCapacity' | 'mapFull' | 'writes' | 'mended' | 'rowFailures' | 'conditions' | 'reflectorSynced' | 'reflectorFailures'), 'counter' | 'gauge', string, string, string][] = [
  ['drops', 'counter', 'canal_drops_total', 'reason', 'Packets dropped, by reason'],
  ['mapRows', 'gauge', 'canal_map_rows', 'map', 'Rows in a BPF map'],
  ['mapCapacity', 'gauge', 'canal_map_capacity', 'map', 'Rows that a BPF map has room for'],
  ['mapFull', 'counter', 'canal_map_full_total', 'map', 'Writes of the programs that found a BPF map full'],
  ['writes', 'counter', 'canal_kernel_writes_total', 'table', 'Rows that the agent wrote or removed'],
  ['mended', 'counter', 'canal_mended_total', 'table', 'Rows that somebody else had changed and the agent put right'],
  ['rowFailures', 'gauge', 'canal_row_failures', 'table', 'Rows that could not be written and are tried again'],
  ['conditions', 'gauge', 'canal_condition', 'condition', '1 while the condition is well'],
  ['reflectorSynced', 'gauge', 'canal_reflector_synced', 'resource', '1 once the resource has been listed'],
  ['reflectorFailures', 'gauge', 'canal_reflector_failures', 'resource', 'Failures in a row of listing or watching the resource'],
];

const PLAIN: readonly [keyof MetricsSource & ('endpoints' | 'policies' | 'services' | 'servicesEmpty' | 'epoch' | 'problems' | 'applies' | 'eventsLost'), 'counter' | 'gauge', string, string][] = [
  ['endpoints', 'gauge', 'canal_endpoints', 'Pods attached on this node'],
  ['policies', 'gauge', 'canal_policies', 'Policies in the cluster'],
  ['services', 'gauge', 'canal_services', 'Services that are translated'],
  ['servicesEmpty', 'gauge', 'canal_service_frontends_empty', 'Addresses of services that refuse or drop, having no backend'],
  ['epoch', 'gauge', 'canal_policy_epoch', 'Policy epoch in the kernel'],
  ['problems', 'gauge', 'canal_problems', 'Objects or fields that cannot be used'],
  ['applies', 'counter', 'canal_applies_total', 'Times that kernel and desired state were compared'],
  ['eventsLost', 'counter', 'canal_events_lost_total', 'Flow events that found the ring or the agent full'],
];

export interface Metrics {
  readonly handler: Handler;
  /** Seconds that one apply took. */
  observeApply(seconds: number): void;
}

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const [what, kind, name, label, help] of LABELED) gaugeOf(registry, kind, name, help, [label], () => source[what]());
  for (const [what, kind, name, help] of PLAIN) gaugeOf(registry, kind, name, help, [], () => [[{}, source[what]()]]);
  const apply = new Histogram({
    name: 'canal_apply_seconds',
    help: 'Time to compare and apply kernel state',
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  });
  return {
    observeApply: (seconds) => apply.observe(seconds),
    handler: async (path) => (path === '/metrics' ? { status: 200, type: registry.contentType, body: await registry.metrics() } : undefined),
  };
}

/** Values live elsewhere, so each scrape sets them anew. */
function gaugeOf(registry: Registry, kind: 'counter' | 'gauge', name: string, help: string, labelNames: string[], read: () => Series): void {
  if (kind === 'gauge') {
    new Gauge({
      name, help, labelNames, registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.set(labels, value);
      },
    });
    return;
  }
  new Counter({
    name, help, labelNames, registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}
