import type { Family } from '../base/address.js';
import type { Logger } from '../base/log.js';
import { ServiceCompiler, type LocalPod } from '../compile/services/compiler.js';
import { backText, type BackendAddress, type RowChanges, type ServiceChanges } from '../compile/services/rows.js';
import type { Balancing, SlotHistory } from '../compile/services/service.js';
import type { TranslatedSocket } from '../kernel/udp-sockets.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Ledger } from '../reconcile/ledger.js';
import type { Ledgers } from './ledgers.js';
import { StaleSockets } from './stale-sockets.js';

export interface ServiceRowsOptions {
  readonly ledgers: Ledgers;
  readonly families: ReadonlySet<Family>;
  readonly nodeName: string;
  /** False: what is there of services goes. */
  readonly enabled: boolean;
  readonly balancing: Balancing;
  readonly sockets: () => readonly TranslatedSocket[];
  readonly log: Logger;
}

/** Hands services to the ledgers, at first as a whole and then change by change, so that the cost of one does not grow with their number. */
export class ServiceRows {
  readonly compiler: ServiceCompiler;
  readonly #stale: StaleSockets;
  #started = false;

  constructor(private readonly options: ServiceRowsOptions) {
    const { ledgers: { live }, sockets, log, balancing } = options;
    this.compiler = new ServiceCompiler(balancing);
    this.#stale = new StaleSockets({ sockets, isLive: (key) => live.desired.has(key), log });
  }

  /** @throws what listing the kernel's rows throws, before anything is changed */
  want(snapshot: Snapshot, localPods: readonly LocalPod[]): void {
    const { nodeName, enabled, ledgers } = this.options;
    const first = !this.#started;
    if (!first && !enabled) return;
    const changes = enabled ? this.compiler.sync(snapshot, nodeName, first ? { localPods, inherited: this.#inherited() } : { localPods }) : NOTHING;
    this.#hand(ledgers.fronts, changes.fronts, (key) => key.address.family);
    this.#hand(ledgers.backs, changes.backs, (key) => key.family);
    this.#hand(ledgers.live, changes.live, (key) => key.backend.address.family);
    this.#hand(ledgers.ranges, changes.ranges, (key) => key.cidr.family);
    this.#started = true;
    this.#stale.removed(changes.live.gone);
  }

  /** After an apply. @param settled no row is in trouble */
  settle(settled: boolean): void {
    if (this.options.enabled) this.#stale.sweep(settled);
  }

  /** Frontends without a backend. */
  empty(): number {
    let count = 0;
    for (const { row } of this.options.ledgers.fronts.desired.values()) if (row.backends === 0) count++;
    return count;
  }

  /** The whole at first, then what has changed; without rows of families whose programs are not loaded. */
  #hand<Key, Row>(ledger: Ledger<Key, Row>, { put, gone }: RowChanges<Key, Row>, familyOf: (key: Key) => Family): void {
    const rows = put.filter(({ key }) => this.options.families.has(familyOf(key)));
    if (this.#started) ledger.patch(rows, gone);
    else ledger.want(rows);
  }

  /** The slots that a predecessor's rows have. */
  #inherited(): SlotHistory {
    const rows = this.options.ledgers.backs.actual();
    return (service, family) => {
      const slots: BackendAddress[] = [];
      for (;;) {
        const row = rows.get(backText({ service, family, slot: slots.length }));
        if (row === undefined) return slots;
        slots.push(row.row);
      }
    };
  }
}

const NONE = { put: [], gone: [] };
const NOTHING: ServiceChanges = { fronts: NONE, backs: NONE, live: NONE, ranges: NONE };
