import type { Clock } from '../base/clock.js';
import { addNotice, ANY_DEVICE, type Change } from '../kernel/monitor.js';
import type { TableName } from '../reconcile/order.js';
import { kernelFacts, uplinkRoutes, type KernelFacts } from './kernel-facts.js';
import type { NodeKernel } from './node-kernel.js';

/** What the kernel gives no notice of is looked at this often. */
const LOOK_MS = 500;
/** Everything is listed anew this often, whatever the notices say. */
const RELIST_MS = 60_000;

/** What may have changed when the kernel says so: setting a device down takes routes, neighbours and FDB with it, without a word. */
const TOUCHED: Readonly<Record<Change, readonly TableName[]>> = {
  link: ['link', 'address', 'route', 'neighbour', 'fdb', 'attachment'],
  address: ['address', 'route'],
  route: ['route'],
  neighbour: ['neighbour', 'fdb'],
  tc: ['attachment'],
};

export interface KernelWatchOptions {
  readonly kernel: NodeKernel;
  readonly clock: Clock;
  /** Of pods' host devices. */
  readonly podPrefix: string;
  /** What is known of these tables, on these devices, does not count any more; all devices, all tables where they are not named. */
  readonly invalidate: (tables?: readonly TableName[], devices?: ReadonlySet<number>) => void;
}

/** What compile is to know of the kernel. */
export interface KernelLook {
  readonly facts: KernelFacts;
  /** The uplink may be another, though devices and addresses are the same. */
  readonly routesMoved: boolean;
}

/** Follows the kernel's notices: which tables are worth a look, and whether the facts that compile looks at are other ones. */
export class KernelWatch {
  #facts: KernelFacts | undefined;
  /** The facts may be other ones. */
  #doubtful = true;
  #routesMoved = true;
  #moved = true;
  #relistAtMs = 0;
  /** Notices since the last look. */
  readonly #heard = new Map<Change, Set<number>>();

  constructor(private readonly options: KernelWatchOptions) {}

  /** Whether compile has not seen what there is now. */
  get moved(): boolean {
    return this.#moved;
  }

  /** Devices may be other ones, of which no notice has come yet. */
  doubt(): void {
    this.#doubtful = true;
  }

  forget(): void {
    this.#doubtful = true;
    this.#routesMoved = true;
    this.#moved = true;
  }

  /** For compile: from here on nothing has moved. */
  see(): KernelLook {
    this.#refresh();
    const seen = { facts: this.#facts!, routesMoved: this.#routesMoved };
    this.#routesMoved = false;
    this.#moved = false;
    return seen;
  }

  /** Takes note of what the kernel says has changed. @returns tables to compare where nothing else has changed */
  look(): readonly TableName[] {
    this.#listen();
    const { clock, kernel, invalidate } = this.options;
    const nowMs = clock.monotonic();
    const touched = new Set<TableName>();
    for (const [change, devices] of this.#heard) {
      for (const table of TOUCHED[change]) touched.add(table);
      invalidate(TOUCHED[change], devices.has(ANY_DEVICE) ? undefined : devices);
    }
    this.#noteFacts();
    this.#heard.clear();
    if (nowMs >= this.#relistAtMs) {
      this.#relistAtMs = nowMs + RELIST_MS;
      kernel.relist();
      this.forget();
      invalidate();
    }
    return [...touched];
  }

  /** Until the signal aborts: calls when there is something to look at. */
  async run(signal: AbortSignal, onHeard: () => void): Promise<void> {
    const { clock, kernel } = this.options;
    while (!signal.aborted) {
      const look = new AbortController();
      const end = (): void => look.abort(OVER);
      signal.addEventListener('abort', end, { once: true });
      await Promise.race([clock.sleep(LOOK_MS, look.signal), kernel.noticed(look.signal)]);
      signal.removeEventListener('abort', end);
      end();
      this.#listen();
      if (this.#heard.size > 0 || clock.monotonic() >= this.#relistAtMs) onHeard();
    }
  }

  #noteFacts(): void {
    if (this.#heard.has('link') || this.#heard.has('address')) this.#doubtful = true;
    const before = this.#facts;
    this.#refresh();
    if (!uplinkRoutes(this.#heard.get('route') ?? NO_DEVICE, [before, this.#facts], this.options.podPrefix)) return;
    this.#routesMoved = true;
    this.#moved = true;
  }

  #refresh(): void {
    if (!this.#doubtful && this.#facts !== undefined) return;
    const now = kernelFacts(this.options.kernel, this.options.podPrefix, this.#facts);
    if (now !== this.#facts) this.#moved = true;
    this.#facts = now;
    this.#doubtful = false;
  }

  #listen(): void {
    for (const [change, devices] of this.options.kernel.notices()) for (const ifindex of devices) addNotice(this.#heard, change, ifindex);
  }
}

const NO_DEVICE: ReadonlySet<number> = new Set();

/** A reason made once: the default one is an error with a stack, at each look. */
const OVER = 'over';
