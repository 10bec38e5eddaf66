import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { DesiredState } from '../compile/compile.js';
import type { LocalEndpoint, NodeFacts, PolicyState, RouteRow } from '../compile/desired.js';
import { podRoutes, podSysctls } from '../compile/endpoints/endpoints.js';
import type { AgentSettings } from '../model/settings.js';
import type { Snapshot } from '../model/snapshot.js';
import type { TableName } from '../reconcile/order.js';
import { mergeOutcomes, type Outcome } from '../reconcile/outcome.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { Scheduler } from '../reconcile/scheduler.js';
import { ApplyRecord } from './apply-record.js';
import { createLedgers, wantedRows, type Ledgers } from './ledgers.js';
import { upgradeHooks } from './hook-upgrade.js';
import type { LocalEndpoints } from './local-endpoints.js';
import { KernelWatch } from './kernel-watch.js';
import { NodeCompiler } from './node-compiler.js';
import type { Device, NodeKernel } from './node-kernel.js';
import type { OverlayPlanner, PlannedOverlay } from './overlay-planner.js';
import { POLICY_TABLES, policyWay } from './policy-way.js';
import { ServiceRows } from './service-rows.js';
import { Wishes } from './wishes.js';

export interface ApplyLoopOptions {
  readonly kernel: NodeKernel;
  readonly planner: OverlayPlanner;
  readonly endpoints: LocalEndpoints;
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** After every apply of a compiled state. */
  readonly onApplied: (view: AppliedView) => void;
}

/** What the last apply started from and what came of it. */
export interface AppliedView {
  readonly snapshot: Snapshot;
  readonly facts: NodeFacts;
  readonly devices: readonly Device[];
  readonly planned: PlannedOverlay;
  readonly desired: DesiredState;
  readonly outcome: Outcome;
}

/** A device that was made has an ifindex that the next round compiles with; more rounds than this would be a quarrel with somebody. */
const MAX_ROUNDS = 4;

/**
 * snapshot + facts -> compile -> reconcile, whenever one of them changes. Nothing
 * is written before the first snapshot, which is the first full sync.
 */
export class ApplyLoop {
  readonly ledgers: Ledgers;
  readonly record: ApplyRecord;
  readonly services: ServiceRows;
  readonly #reconciler: Reconciler;
  readonly #scheduler: Scheduler;
  readonly #compiler: NodeCompiler;
  readonly #watch: KernelWatch;
  readonly #wishes: Wishes;
  readonly #stop = new AbortController();
  #watching: Promise<unknown> | undefined;
  #snapshot: Snapshot | undefined;
  /** The policy that the maps hold, while nothing of it failed. */
  #standing: PolicyState | undefined;
  #view: AppliedView | undefined;
  #stale = true;
  #loaded = false;
  readonly #waiting = new Set<() => void>();

  constructor(private readonly options: ApplyLoopOptions) {
    const { kernel, clock } = options;
    this.#compiler = new NodeCompiler(options);
    this.ledgers = createLedgers(kernel.tables);
    this.#wishes = new Wishes(this.ledgers, kernel.families);
    this.#reconciler = new Reconciler(Object.values(this.ledgers), kernel.epoch, () => clock.monotonic());
    this.#watch = new KernelWatch({
      kernel, clock, podPrefix: options.settings.interfacePrefix,
      invalidate: (tables, devices) => this.#reconciler.invalidate(tables, devices),
      tell: (table, told) => this.#reconciler.tell(table, told),
      compare: (table, signal) => this.#reconciler.compare(table, breather(clock, signal)),
    });
    this.#scheduler = new Scheduler(() => Promise.resolve(this.applyNow()), clock);
    this.record = new ApplyRecord(options.log, clock);
    const { nodeName, services: enabled, lbAlgorithm: algorithm, maglevTableSize: tableSize } = options.settings;
    this.services = new ServiceRows({ ledgers: this.ledgers, families: kernel.families, nodeName, enabled, balancing: { algorithm, tableSize }, sockets: () => kernel.translatedSockets(), log: options.log });
  }

  start(): void {
    this.#scheduler.start();
    const { kernel, clock, log } = this.options;
    const { signal } = this.#stop;
    this.#watching ??= Promise.all([this.#watch.run(signal, () => this.#scheduler.trigger()), upgradeHooks(kernel, clock, log, signal)]);
  }

  /** The last completed apply; undefined before the first. */
  get view(): AppliedView | undefined {
    return this.#view;
  }

  sizes(): ReadonlyMap<string, number> {
    return this.#reconciler.sizes();
  }

  /** A new snapshot: what the datastore says now. */
  update(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#stale = true;
    this.#scheduler.trigger();
  }

  /** Pods came or went: applies at once what that changes, for CNI waits for it. */
  podsChanged(): void {
    this.#watch.doubt();
    this.#stale = true;
    if (this.applyNow() !== undefined) this.#scheduler.trigger(); // who has to know when something is due again
  }

  /** The same of a pod whose device we have just made, with all its settings, which so need not be read. */
  podMade(endpoint: LocalEndpoint): void {
    this.#watch.made(endpoint.ifindex);
    for (const [key, row] of podSysctls(endpoint)) this.#reconciler.tell('sysctl', { key, text: key, row, device: endpoint.ifindex });
    this.podsChanged();
  }

  /** We brought a pod's device up, with its routes: where the kernel says no more than that, there is nothing to do, and the next apply takes note of it. */
  podUp(endpoint: LocalEndpoint): void {
    const { table } = this.ledgers.routes;
    const wanted = new Map(podRoutes(endpoint, this.options.settings).map((row) => [table.keyText(row), row]));
    this.#watch.raised(endpoint.ifindex, ({ text, row }) => {
      const want = wanted.get(text);
      return row !== undefined && want !== undefined && table.equal(row as RouteRow, want);
    });
    if (this.#watch.hears()) this.#scheduler.trigger();
  }

  /** Resolves as soon as `holds` after an apply, or now; rejects with the signal's reason when it aborts. */
  async until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (holds()) return;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** Stops; an apply is never cut in half. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#scheduler.close();
    await this.#watching;
  }

  /**
   * Applies at once what is known. @returns when the next apply is due, if at all
   */
  applyNow(): number | undefined {
    if (this.#snapshot === undefined || this.#stop.signal.aborted) return undefined;
    const startMs = this.options.clock.monotonic();
    try {
      return this.#apply(this.#snapshot, this.#watch.look(), startMs);
    } catch (error) {
      this.record.failed(error);
      this.#watch.forget(); // compile may not have come to look at what has moved
      this.#stale = true;
      return startMs + 1000;
    }
  }

  /**
   * The first one takes note, before it is over, of what the kernel says of its many writes: otherwise the first change
   * after a start would wait for that.
   */
  #apply(snapshot: Snapshot, touched: readonly TableName[], startMs: number): number | undefined {
    const before = this.#view;
    const outcomes: Outcome[] = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const outcome = this.#round(snapshot, touched);
      outcomes.push(outcome);
      if (!outcome.writes.has('link') && !outcome.writes.has('address')) break;
      this.#watch.forget();
    }
    if (before === undefined) outcomes.push(this.#round(snapshot, this.#watch.look()));
    this.record.applied(outcomes, this.options.clock.monotonic() - startMs);
    this.options.onApplied(this.#view!);
    for (const wake of this.#waiting) wake();
    return outcomes.at(-1)!.retryAtMs;
  }

  #round(snapshot: Snapshot, touched: readonly TableName[]): Outcome {
    const before = this.#view;
    const healthy = before !== undefined && before.outcome.troubles.length === 0 && before.outcome.blocked === 0;
    if (!healthy || before.snapshot !== snapshot || touched.includes('socket')) this.#wantHooks();
    if (!this.#stale && !this.#watch.moved && before !== undefined) {
      const outcome = this.#reconciler.apply(healthy ? { only: touched } : {});
      this.#view = { ...before, outcome };
      return outcome;
    }
    const view = this.#compile(snapshot);
    this.services.want(snapshot, view.facts.endpoints);
    const outcome = this.#reconcile(view);
    this.#view = { ...view, outcome };
    this.#stale = outcome.troubles.length > 0 || outcome.blocked > 0;
    this.services.settle(!this.#stale);
    return outcome;
  }

  /** Neither pods nor devices decide about the cgroup that sockets are translated in. */
  #wantHooks(): void {
    this.ledgers.sockets.want(this.options.settings.services ? this.options.kernel.socketHooks() : []);
  }

  #compile(snapshot: Snapshot): Omit<AppliedView, 'outcome'> {
    const look = this.#watch.see();
    const compiled = this.#compiler.compile(snapshot, look);
    const { planned } = compiled;
    this.record.overlayProblem(planned.problem);
    if (this.options.settings.fastPath === 'on') this.record.directObstacle(planned.directObstacle);
    return { snapshot, devices: look.facts.devices, ...compiled };
  }

  /** Through the states on the way, policy tables only; then everything, with the removals. */
  #reconcile({ facts, desired }: Omit<AppliedView, 'outcome'>): Outcome {
    const passes: Outcome[] = [];
    const standing = this.#differs() ? undefined : this.#standing;
    this.#standing = undefined;
    this.#wishes.want(desired);
    this.#load();
    const way = this.#differs() ? policyWay(this.ledgers, facts.endpoints, desired.policy, standing) : [];
    for (const state of way) {
      this.#wishes.want(this.#compiler.under(state));
      const outcome = this.#reconciler.apply({ only: ['attachment', ...POLICY_TABLES], prune: false });
      passes.push(outcome);
      if (outcome.troubles.length === 0 && outcome.blocked === 0) continue;
      // Half of a step must not be followed by the next: policy stays here and is tried again, the rest goes on.
      this.#wishes.want(desired);
      return mergeOutcomes([...passes, this.#reconciler.apply({ only: OTHER_TABLES })]);
    }
    if (way.length > 0) this.#wishes.want(desired);
    const outcome = this.#reconciler.apply();
    if (outcome.troubles.length === 0 && outcome.blocked === 0) this.#standing = desired.policy;
    return mergeOutcomes([...passes, outcome]);
  }

  /** Before the first write. */
  #load(): void {
    if (!this.#loaded) this.options.kernel.load(wantedRows(this.ledgers));
    this.#loaded = true;
  }

  /** Whether policy in the kernel is other than was asked for. */
  #differs(): boolean {
    const { rules, tables, peers, cidrs, endpoints } = this.ledgers;
    return [rules, tables, peers, cidrs, endpoints].some((ledger) => ledger.differs());
  }
}

const OTHER_TABLES: readonly TableName[] = ['canal_config', 'sysctl', 'attachment', 'link', 'address', 'fdb', 'neighbour', 'route', 'canal_route', 'canal_local', 'canal_outside', 'canal_nomasq', 'canal_live', 'canal_back', 'canal_range', 'canal_front', 'socket'];

/** Longest that a comparison works without letting others, and then for how long. */
const WORK_MS = 1;
const REST_MS = 5;
/** Rows in between are not worth a look at the clock. */
const ROWS = 64;

/** For work that nobody waits for. The answer is false when the signal aborts. */
function breather(clock: Clock, signal: AbortSignal): () => Promise<boolean> | undefined {
  let [rows, sinceMs] = [0, clock.monotonic()];
  return () => {
    if (++rows % ROWS !== 0 || clock.monotonic() - sinceMs < WORK_MS) return undefined;
    return clock.sleep(REST_MS, signal).then(() => {
      sinceMs = clock.monotonic();
      return !signal.aborted;
    });
  };
}
