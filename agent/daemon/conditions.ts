import type { Clock } from '../base/clock.js';
import type { Problem } from '../base/errors.js';
import type { DatastoreHealth } from '../datastore/health.js';
import type { ConditionView } from '../observe/views.js';
import type { ApplyLoop } from './apply-loop.js';
import type { NodePublisher } from './node-publisher.js';

/** Felix's dataplaneWatchdogTimeout: an apply loop that has not come round in this time is dead. */
const WATCHDOG_MS = 90_000;

const POLICY = new Set(['canal_config', 'canal_rule', 'canal_table', 'canal_peer', 'canal_cidr', 'canal_endpoint', 'canal_local', 'attachment']);

const SERVICES = new Set(['canal_front', 'canal_back', 'canal_live', 'canal_range', 'socket']);

/** Conditions without which the process is to be restarted, and without which the node is not ready. */
export const VITAL = new Set(['loop']);
export const SERVING = new Set(['datastore', 'policy', 'overlay']);

export interface ConditionSources {
  readonly loop: ApplyLoop;
  readonly datastore: () => DatastoreHealth;
  readonly publisher: NodePublisher;
  readonly clock: Clock;
  readonly startedMs: number;
  /** Times that programs found a map full, by map. */
  readonly mapFull: () => ReadonlyMap<string, number>;
  /** Servers that could not be started, and why. */
  readonly servers: () => readonly string[];
  /** Whether services are translated here. */
  readonly services: boolean;
  /** Mode of a kube-proxy on this node. */
  readonly kubeProxy: () => string | undefined;
  /** Pod devices that are nobody's, and why. */
  readonly strangers: () => readonly Problem[];
}

/** How the agent is, in the words of `canal status`, health pages and metrics. */
export function conditions(sources: ConditionSources): readonly ConditionView[] {
  return [loopAlive(sources), datastore(sources), api(sources), policy(sources), pods(sources), overlay(sources), services(sources), published(sources), maps(sources), servers(sources)];
}

const well = (name: string, message = ''): ConditionView => ({ name, ok: true, message });
const ill = (name: string, message: string): ConditionView => ({ name, ok: false, message });

function loopAlive({ loop, clock, startedMs, datastore: health }: ConditionSources): ConditionView {
  if (!health().synced) return well('loop', 'waits for the datastore');
  const lastMs = loop.record.lastAtMs === 0 ? startedMs : loop.record.lastAtMs;
  const idleMs = clock.now() - lastMs;
  return idleMs < WATCHDOG_MS ? well('loop') : ill('loop', `no apply for ${Math.round(idleMs / 1000)} s`);
}

function datastore({ datastore: health }: ConditionSources): ConditionView {
  const { synced, resources } = health();
  if (synced) return well('datastore', 'in sync');
  return ill('datastore', `not listed yet: ${resources.filter((r) => !r.synced).map((r) => (r.lastError === '' ? r.resource : `${r.resource} (${r.lastError})`)).join(', ')}`);
}

function api({ datastore: health }: ConditionSources): ConditionView {
  const { connected, resources } = health();
  if (connected) return well('api', 'connected');
  const failing = resources.filter((r) => r.lastError !== '');
  return ill('api', failing.map((r) => `${r.resource}: ${r.lastError}`).join('; ') || 'not connected yet');
}

function policy({ loop }: ConditionSources): ConditionView {
  if (loop.view === undefined) return ill('policy', 'nothing applied yet');
  if (loop.record.error !== undefined) return ill('policy', loop.record.error);
  const troubles = loop.record.troubles.filter((t) => POLICY.has(t.table));
  if (troubles.length > 0) return ill('policy', `${troubles.length} rows are not in the kernel: ${troubles[0]!.table} ${troubles[0]!.message}`);
  return well('policy', 'in force');
}

function pods({ strangers }: ConditionSources): ConditionView {
  const [first, ...more] = strangers();
  if (first === undefined) return well('pods', 'all devices are known');
  return ill('pods', `traffic of ${more.length + 1} devices is dropped: ${first.object}: ${first.message}${more.length === 0 ? '' : '; …'}`);
}

function overlay({ loop }: ConditionSources): ConditionView {
  if (loop.view === undefined) return ill('overlay', 'nothing applied yet');
  const { problem } = loop.view.planned;
  if (problem !== undefined) return ill('overlay', `${problem.object}: ${problem.field}: ${problem.message}`);
  if (loop.view.planned.overlayIfindex === undefined) return ill('overlay', 'the device is not there');
  const troubles = loop.record.troubles.filter((t) => !POLICY.has(t.table) && !SERVICES.has(t.table));
  if (troubles.length > 0) return ill('overlay', `${troubles.length} rows are not in the kernel: ${troubles[0]!.table} ${troubles[0]!.message}`);
  return well('overlay', 'routes stand');
}

function services({ loop, services: here, kubeProxy }: ConditionSources): ConditionView {
  const proxy = kubeProxy();
  if (!here) return proxy === undefined ? well('services', 'off') : well('services', `left to kube-proxy (${proxy})`);
  const troubles = loop.record.troubles.filter((t) => SERVICES.has(t.table));
  if (troubles.length > 0) return ill('services', `${troubles.length} rows are not in the kernel: ${troubles[0]!.table} ${troubles[0]!.message}`);
  const count = loop.services.compiler.compiled.size;
  return well('services', `${count} translated${proxy === undefined ? '' : `, though kube-proxy (${proxy}) runs on this node too`}`);
}

function published({ publisher }: ConditionSources): ConditionView {
  if (publisher.error !== undefined) return ill('node', publisher.error);
  return publisher.published ? well('node', 'lease published') : ill('node', 'lease not published yet');
}

function maps({ loop, mapFull }: ConditionSources): ConditionView {
  const rows = loop.record.troubles.filter((t) => t.full).map((t) => t.table);
  const counted = [...mapFull()].filter(([, count]) => count > 0).map(([map, count]) => `${map} (${count} times)`);
  const full = [...new Set(rows), ...counted];
  return full.length === 0 ? well('maps', 'none is full') : ill('maps', `full: ${full.join(', ')}`);
}

function servers({ servers: failed }: ConditionSources): ConditionView {
  const problems = failed();
  return problems.length === 0 ? well('servers') : ill('servers', problems.join('; '));
}
