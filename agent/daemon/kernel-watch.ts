import type { Clock } from '../base/clock.js';
import { addNotice, ANY_DEVICE, type Change, type Notices } from '../kernel/monitor.js';
import { TABLES, type TableName } from '../reconcile/order.js';
import { arePods, kernelFacts, uplinkRoutes, type KernelFacts } from './kernel-facts.js';
import type { ToldRow } from '../reconcile/table.js';
import type { NodeKernel } from './node-kernel.js';
import { RelistPlan } from './relist-plan.js';
import type { TableNews } from './told-rows.js';

/** What the kernel gives no notice of is looked at this often. */
const LOOK_MS = 500;

/** What may have changed when the kernel says so: setting a device down takes routes, neighbours and FDB with it, without a word. */
const TOUCHED: Readonly<Record<Change, readonly TableName[]>> = {
  link: ['link', 'address', 'route', 'neighbour', 'fdb', 'attachment'],
  address: ['address'],
  unaddressed: ['address', 'route'],
  down: [],
  up: [],
  route: ['route'],
  neighbour: ['neighbour', 'fdb'],
  tc: ['attachment'],
};

/** The same of a link that is a pod's device: the others have no rows there. */
const TOUCHED_OF_POD: readonly TableName[] = ['route', 'attachment'];

/** These may be news of the facts that compile looks at. */
const OF_FACTS: readonly Change[] = ['link', 'up', 'address', 'unaddressed'];

export interface KernelWatchOptions {
  readonly kernel: NodeKernel;
  readonly clock: Clock;
  /** Of pods' host devices. */
  readonly podPrefix: string;
  /** What is known of these tables, on these devices, does not count any more; all devices, all tables where they are not named. */
  readonly invalidate: (tables: readonly TableName[], devices?: ReadonlySet<number>) => void;
  /** Whether a row that the kernel tells of is other than is known. */
  readonly tell: (table: TableName, told: ToldRow) => boolean;
  /** Whether a long table still holds what is known of it; undefined: it is quicker to list it. */
  readonly compare: (table: TableName, signal: AbortSignal) => Promise<boolean> | undefined;
}

/** What compile is to know of the kernel. */
export interface KernelLook {
  readonly facts: KernelFacts;
  /** The uplink may be another, though devices and addresses are the same. */
  readonly routesMoved: boolean;
}

/**
 * Follows the kernel's notices: which tables are worth a look, and whether the
 * facts that compile looks at are other ones. Our own writes come back as
 * notices too: what says of a row, or of a device, what is known of it is worth nothing.
 */
export class KernelWatch {
  #facts: KernelFacts | undefined;
  /** The facts may be other ones. */
  #doubtful = true;
  #routesMoved = true;
  #moved = true;
  readonly #relists = new RelistPlan<TableName | 'devices'>(['devices', ...TABLES]);
  /** Tables that turned out to hold something else. */
  readonly #strange = new Set<TableName>();
  readonly #comparing = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  /** Notices since the last look. */
  readonly #heard = new Map<Change, Set<number>>();
  /** Devices of routes that are not ours. */
  readonly #rerouted = new Set<number>();
  /** Tables that have rows other than is known. */
  readonly #news = new Set<TableName>();
  /** Devices that we have made since the last look. */
  readonly #made = new Set<number>();
  /** Devices that we have brought up since then, and which rows came with that. */
  readonly #raised = new Map<number, (told: ToldRow) => boolean>();

  constructor(private readonly options: KernelWatchOptions) {}

  /** Whether compile has not seen what there is now. */
  get moved(): boolean {
    return this.#moved;
  }

  /** Devices may be other ones, of which no notice has come yet. */
  doubt(): void {
    this.#doubtful = true;
  }

  /** We have just made a device: nothing lies on it that no notice tells of by itself. */
  made(ifindex: number): void {
    this.#made.add(ifindex);
    this.options.kernel.made(ifindex);
  }

  /** We have just brought a device up. @param expected whether a row on it came with that, and is as it should be */
  raised(ifindex: number, expected: (told: ToldRow) => boolean): void {
    this.#raised.set(ifindex, expected);
  }

  /** Whether the kernel has said something since the last look that is worth one. */
  hears(): boolean {
    this.#listen();
    const news = [...this.#heard].some(([change, devices]) => change !== 'up' || [...devices].some((ifindex) => !this.#raised.has(ifindex)));
    return news || this.#news.size + this.#rerouted.size + this.#strange.size > 0;
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
    const { invalidate } = this.options;
    const touched = new Set<TableName>(this.#news);
    this.#news.clear();
    const before = this.#facts;
    this.#noteFacts();
    for (const [tables, devices] of this.#touched([before, this.#facts])) {
      for (const table of tables) touched.add(table);
      invalidate(tables, devices.has(ANY_DEVICE) ? undefined : devices);
    }
    this.#heard.clear();
    this.#made.clear();
    this.#raised.clear();
    this.#rerouted.clear();
    for (const table of this.#relist()) {
      touched.add(table);
      invalidate([table]);
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
      this.#hear(kernel.unnoticed());
      if (this.hears() || clock.monotonic() >= this.#relists.nextMs) onHeard();
    }
    this.#stop.abort();
    await Promise.all(this.#comparing);
  }

  /** What is to be listed now. Long tables are compared in the meantime, and only those that hold something else are. */
  #relist(): readonly TableName[] {
    const { clock, kernel, compare } = this.options;
    const tables = [...this.#strange];
    this.#strange.clear();
    for (const due of this.#relists.take(clock.monotonic())) {
      if (due === 'devices') {
        kernel.relist();
        this.forget();
        continue;
      }
      const same = compare(due, this.#stop.signal);
      if (same === undefined) tables.push(due);
      else this.#await(due, same);
    }
    return tables;
  }

  #await(table: TableName, same: Promise<boolean>): void {
    const compared = same.catch(() => false).then((so) => {
      if (!so) this.#strange.add(table);
      this.#comparing.delete(compared);
    });
    this.#comparing.add(compared);
  }

  /** Tables worth a look, each time with the devices. @param looks before and after what was heard */
  #touched(looks: readonly (KernelFacts | undefined)[]): (readonly [readonly TableName[], ReadonlySet<number>])[] {
    const links = [...(this.#heard.get('link') ?? [])].filter((ifindex) => !this.#made.has(ifindex));
    const isPods = (ifindex: number): boolean => arePods(ifindex, looks, this.options.podPrefix);
    const touched: (readonly [readonly TableName[], ReadonlySet<number>])[] = [
      [TOUCHED_OF_POD, new Set(links.filter(isPods))],
      [TOUCHED.link, new Set(links.filter((ifindex) => !isPods(ifindex)))],
    ];
    for (const [change, devices] of this.#heard) if (change !== 'link') touched.push([TOUCHED[change], devices]);
    return touched.filter(([, devices]) => devices.size > 0);
  }

  #noteFacts(): void {
    if (OF_FACTS.some((change) => this.#heard.has(change))) this.#doubtful = true;
    const before = this.#facts;
    this.#refresh();
    const routed = new Set([...this.#rerouted, ...(this.#heard.get('route') ?? [])]);
    if (!uplinkRoutes(routed, [before, this.#facts], this.options.podPrefix)) return;
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

  #hear(changes: Notices): void {
    for (const [change, devices] of changes) for (const ifindex of devices) addNotice(this.#heard, change, ifindex);
  }

  #listen(): void {
    const { changes, rows, rerouted } = this.options.kernel.notices();
    this.#hear(changes);
    for (const ifindex of rerouted) this.#rerouted.add(ifindex);
    // Of each row what was told last: it is so now.
    const last = new Map(rows.map((news): [string, TableNews] => [`${news.table} ${news.told.text}`, news]));
    for (const { table, told } of last.values()) if (this.options.tell(table, told) && this.#raised.get(told.device)?.(told) !== true) this.#news.add(table);
  }
}

/** A reason made once: the default one is an error with a stack, at each look. */
const OVER = 'over';
