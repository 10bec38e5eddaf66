import type { Family } from '../base/address.js';
import type { Logger } from '../base/log.js';
import { ServiceCompiler } from '../compile/services/compiler.js';
import { backText, type BackendAddress } from '../compile/services/rows.js';
import type { SlotHistory } from '../compile/services/service.js';
import type { TranslatedSocket } from '../kernel/udp-sockets.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Ledgers } from './ledgers.js';
import { StaleSockets } from './stale-sockets.js';

export interface ServiceRowsOptions {
  readonly ledgers: Ledgers;
  readonly families: ReadonlySet<Family>;
  readonly nodeName: string;
  /** False: what is there of services goes. */
  readonly enabled: boolean;
  readonly sockets: () => readonly TranslatedSocket[];
  readonly log: Logger;
}

/** Hands services to the ledgers, at first as a whole and then change by change, so that the cost of one does not grow with their number. */
export class ServiceRows {
  readonly compiler = new ServiceCompiler();
  readonly #stale: StaleSockets;
  #started = false;

  constructor(private readonly options: ServiceRowsOptions) {
    const { ledgers: { live }, sockets, log } = options;
    this.#stale = new StaleSockets({ sockets, isLive: (key) => live.desired.has(key), log });
  }

  /** @throws what listing the kernel's rows throws, before anything is changed */
  want(snapshot: Snapshot): void {
    const { ledgers, nodeName, enabled } = this.options;
    const { fronts, backs, live } = ledgers;
    if (!this.#started) {
      const changes = enabled ? this.compiler.sync(snapshot, nodeName, this.#inherited()) : NOTHING;
      fronts.want(changes.fronts.put.filter(({ key }) => this.#loaded(key.address.family)));
      backs.want(changes.backs.put.filter(({ key }) => this.#loaded(key.family)));
      live.want(changes.live.put.filter(({ key }) => this.#loaded(key.backend.address.family)));
      this.#started = true;
    } else if (enabled) {
      const changes = this.compiler.sync(snapshot, nodeName);
      fronts.patch(changes.fronts.put.filter(({ key }) => this.#loaded(key.address.family)), changes.fronts.gone);
      backs.patch(changes.backs.put.filter(({ key }) => this.#loaded(key.family)), changes.backs.gone);
      live.patch(changes.live.put.filter(({ key }) => this.#loaded(key.backend.address.family)), changes.live.gone);
      this.#stale.removed(changes.live.gone);
    }
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

  #loaded(family: Family): boolean {
    return this.options.families.has(family);
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
const NOTHING = { fronts: NONE, backs: NONE, live: NONE };
