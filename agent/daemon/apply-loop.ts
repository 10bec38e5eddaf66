import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { compile, withPolicy, type DesiredState } from '../compile/compile.js';
import type { NodeFacts, PolicyState } from '../compile/desired.js';
import { PolicyCompiler } from '../compile/policy/compiler.js';
import type { AgentSettings } from '../model/settings.js';
import type { Snapshot } from '../model/snapshot.js';
import type { TableName } from '../reconcile/order.js';
import { mergeOutcomes, type Outcome } from '../reconcile/outcome.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { Scheduler } from '../reconcile/scheduler.js';
import { ApplyRecord } from './apply-record.js';
import { createLedgers, type Ledgers } from './ledgers.js';
import type { LocalEndpoints } from './local-endpoints.js';
import { addNotice, ANY_DEVICE, type Change } from '../kernel/monitor.js';
import { kernelFacts, sameFacts, uplinkRoutes, type KernelFacts } from './kernel-facts.js';
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

/** What the kernel gives no notice of is looked at this often. */
const LOOK_MS = 500;
/** Everything is listed anew this often, whatever the notices say. */
const RELIST_MS = 60_000;
/** A device that was made has an ifindex that the next round compiles with; more rounds than this would be a quarrel with somebody. */
const MAX_ROUNDS = 4;

/** What may have changed when the kernel says so: setting a device down takes routes, neighbours and FDB with it, without a word. */
const TOUCHED: Readonly<Record<Change, readonly TableName[]>> = {
  link: ['link', 'address', 'route', 'neighbour', 'fdb', 'attachment'],
  address: ['address', 'route'],
  route: ['route'],
  neighbour: ['neighbour', 'fdb'],
  tc: ['attachment'],
};

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
  readonly #compiler = new PolicyCompiler();
  readonly #wishes: Wishes;
  readonly #stop = new AbortController();
  #watching: Promise<void> | undefined;
  #snapshot: Snapshot | undefined;
  #facts: KernelFacts | undefined;
  /** The kernel has said that they may be other ones. */
  #factsMoved = true;
  /** The uplink may be another, though devices and addresses are the same. */
  #routesMoved = true;
  /** The policy that the maps hold, while nothing of it failed. */
  #standing: PolicyState | undefined;
  /** What the last compile looked at, but for policy. */
  #compiled: Compiled | undefined;
  #view: AppliedView | undefined;
  #stale = true;
  #relistAtMs = 0;
  readonly #waiting = new Set<() => void>();
  /** Notices since the last look. */
  readonly #heard = new Map<Change, Set<number>>();

  constructor(private readonly options: ApplyLoopOptions) {
    const { kernel, clock } = options;
    this.ledgers = createLedgers(kernel.tables);
    this.#wishes = new Wishes(this.ledgers, kernel.families);
    this.#reconciler = new Reconciler(Object.values(this.ledgers), kernel.epoch, () => clock.monotonic());
    this.#scheduler = new Scheduler(() => Promise.resolve(this.applyNow()), clock);
    this.record = new ApplyRecord(options.log, clock);
    const { nodeName, services: enabled, lbAlgorithm: algorithm, maglevTableSize: tableSize } = options.settings;
    this.services = new ServiceRows({ ledgers: this.ledgers, families: kernel.families, nodeName, enabled, balancing: { algorithm, tableSize }, sockets: () => kernel.translatedSockets(), log: options.log });
  }

  start(): void {
    this.#scheduler.start();
    this.#watching ??= this.#watch();
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
    this.#factsMoved = true;
    this.#stale = true;
    this.applyNow();
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
      return this.#apply(this.#snapshot, this.#look(), startMs);
    } catch (error) {
      this.record.failed(error);
      this.#stale = true;
      return startMs + 1000;
    }
  }

  #apply(snapshot: Snapshot, touched: readonly TableName[], startMs: number): number | undefined {
    const outcomes: Outcome[] = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const outcome = this.#round(snapshot, touched);
      outcomes.push(outcome);
      if (!outcome.writes.has('link') && !outcome.writes.has('address')) break;
      this.#forgetFacts();
    }
    this.record.applied(outcomes, this.options.clock.monotonic() - startMs);
    this.options.onApplied(this.#view!);
    for (const wake of this.#waiting) wake();
    return outcomes.at(-1)!.retryAtMs;
  }

  #round(snapshot: Snapshot, touched: readonly TableName[]): Outcome {
    const before = this.#view;
    if (!this.#stale && before !== undefined) {
      const healthy = before.outcome.troubles.length === 0 && before.outcome.blocked === 0;
      const outcome = this.#reconciler.apply(healthy ? { only: touched } : {});
      this.#view = { ...before, outcome };
      return outcome;
    }
    const view = this.#compile(snapshot);
    this.services.want(snapshot, view.facts.endpoints);
    this.ledgers.sockets.want(this.options.settings.services ? this.options.kernel.socketHooks() : []);
    const outcome = this.#reconcile(view);
    this.#view = { ...view, outcome };
    this.#stale = outcome.troubles.length > 0 || outcome.blocked > 0;
    this.services.settle(!this.#stale);
    return outcome;
  }

  #compile(snapshot: Snapshot): Omit<AppliedView, 'outcome'> {
    const { planner, endpoints, settings } = this.options;
    this.#refreshFacts();
    const known = this.#facts!;
    const { devices } = known;
    const last = this.#compiled;
    const facts = sameFacts(last?.facts, { nodeName: settings.nodeName, ...endpoints.found(devices, settings.interfacePrefix), hostAddresses: known.hostAddresses });
    const replan = this.#routesMoved || last?.node !== known.node || last.nodes !== snapshot.nodes;
    const planned = replan ? planner.plan(snapshot, known.node.devices, known.node.addresses) : last.planned;
    this.#routesMoved = false;
    this.record.overlayProblem(planned.problem);
    if (settings.fastPath === 'on') this.record.directObstacle(planned.directObstacle);
    this.#compiled = { node: known.node, nodes: snapshot.nodes, facts, planned };
    const policy = this.#compiler.compile(snapshot, facts);
    return { snapshot, facts, devices, planned, desired: this.#desired(facts, planned, policy) };
  }

  /** The last state with another policy, where all else that goes into it is the same. */
  #desired(facts: NodeFacts, planned: PlannedOverlay, policy: PolicyState): DesiredState {
    const last = this.#view;
    if (last?.facts === facts && last.devices === this.#facts!.devices && last.planned === planned) return withPolicy(last.desired, facts, policy);
    return compile({ facts, up: this.#facts!.up, policy, ...planned, settings: this.options.settings });
  }

  /** Through the states on the way, policy tables only; then everything, with the removals. */
  #reconcile({ facts, desired }: Omit<AppliedView, 'outcome'>): Outcome {
    const passes: Outcome[] = [];
    const standing = this.#differs() ? undefined : this.#standing;
    this.#standing = undefined;
    this.#wishes.want(desired);
    for (const state of this.#differs() ? policyWay(this.ledgers, facts.endpoints, desired.policy, standing) : []) {
      this.#wishes.want(withPolicy(desired, facts, state));
      const outcome = this.#reconciler.apply({ only: ['attachment', ...POLICY_TABLES], prune: false });
      passes.push(outcome);
      if (outcome.troubles.length === 0 && outcome.blocked === 0) continue;
      // Half of a step must not be followed by the next: policy stays here and is tried again, the rest goes on.
      this.#wishes.want(desired);
      return mergeOutcomes([...passes, this.#reconciler.apply({ only: OTHER_TABLES })]);
    }
    this.#wishes.want(desired);
    const outcome = this.#reconciler.apply();
    if (outcome.troubles.length === 0 && outcome.blocked === 0) this.#standing = desired.policy;
    return mergeOutcomes([...passes, outcome]);
  }

  /** Whether policy in the kernel is other than was asked for. */
  #differs(): boolean {
    const { rules, tables, peers, cidrs, endpoints } = this.ledgers;
    return [rules, tables, peers, cidrs, endpoints].some((ledger) => ledger.differs());
  }

  /** Takes note of what the kernel says has changed. @returns tables to compare where nothing else has changed */
  #look(): readonly TableName[] {
    this.#listen();
    const nowMs = this.options.clock.monotonic();
    const touched = new Set<TableName>();
    for (const [change, devices] of this.#heard) {
      for (const table of TOUCHED[change]) touched.add(table);
      this.#reconciler.invalidate(TOUCHED[change], devices.has(ANY_DEVICE) ? undefined : devices);
    }
    this.#noteFacts();
    this.#heard.clear();
    if (nowMs >= this.#relistAtMs) {
      this.#relistAtMs = nowMs + RELIST_MS;
      this.options.kernel.relist();
      this.#forgetFacts();
      this.#reconciler.invalidate();
    }
    return [...touched];
  }

  #noteFacts(): void {
    if (this.#heard.has('link') || this.#heard.has('address')) this.#factsMoved = true;
    const before = this.#facts;
    this.#refreshFacts();
    if (!uplinkRoutes(this.#heard.get('route') ?? new Set(), [before, this.#facts], this.options.settings.interfacePrefix)) return;
    this.#routesMoved = true;
    this.#stale = true;
  }

  #refreshFacts(): void {
    if (!this.#factsMoved && this.#facts !== undefined) return;
    const now = kernelFacts(this.options.kernel, this.options.settings.interfacePrefix, this.#facts);
    if (now !== this.#facts) this.#stale = true;
    this.#facts = now;
    this.#factsMoved = false;
  }

  #forgetFacts(): void {
    this.#factsMoved = true;
    this.#routesMoved = true;
    this.#stale = true;
  }

  #listen(): void {
    for (const [change, devices] of this.options.kernel.notices()) for (const ifindex of devices) addNotice(this.#heard, change, ifindex);
  }

  async #watch(): Promise<void> {
    const { clock, kernel } = this.options;
    while (!this.#stop.signal.aborted) {
      const look = new AbortController();
      const due = AbortSignal.any([this.#stop.signal, look.signal]);
      await Promise.race([clock.sleep(LOOK_MS, due), kernel.noticed(due)]);
      look.abort();
      this.#listen();
      if (this.#heard.size > 0 || clock.monotonic() >= this.#relistAtMs) this.#scheduler.trigger();
    }
  }
}

const OTHER_TABLES: readonly TableName[] = ['canal_config', 'sysctl', 'attachment', 'link', 'address', 'fdb', 'neighbour', 'route', 'canal_route', 'canal_local', 'canal_outside', 'canal_nomasq', 'canal_live', 'canal_back', 'canal_range', 'canal_front', 'socket'];

interface Compiled {
  readonly node: KernelFacts['node'];
  readonly nodes: Snapshot['nodes'];
  readonly facts: NodeFacts;
  readonly planned: PlannedOverlay;
}
