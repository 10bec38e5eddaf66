import type { Family } from '../../base/address.js';
import { backendText, backText, frontText, liveText, type BackendAddress, type FrontKey, type FrontRow } from '../../compile/services/rows.js';
import type { Ledgers } from '../ledgers.js';

/** Each backend once: a Maglev table repeats them. */
export const distinct = (slots: readonly (BackendAddress | undefined)[]): BackendAddress[] =>
  [...new Map(slots.flatMap((backend) => (backend === undefined ? [] : [[backendText(backend), backend] as const]))).values()];

/** What the kernel's maps make of an address that a client sends to. */
export interface Translation {
  readonly front: FrontRow;
  /** By slot; undefined where the row is not there. */
  readonly slots: readonly (BackendAddress | undefined)[];
}

/** The lookups that the programs make; undefined: no service's address. */
export function lookUpService(ledgers: Ledgers, key: FrontKey): Translation | undefined {
  const front = ledgers.fronts.actual().get(frontText(key))?.row;
  return front === undefined ? undefined : { front, slots: slotsOf(ledgers, front.service, key.address.family, front.backends) };
}

export function slotsOf(ledgers: Ledgers, service: bigint, family: Family, count: number): (BackendAddress | undefined)[] {
  const rows = ledgers.backs.actual();
  return Array.from({ length: count }, (_, slot) => {
    const backend = rows.get(backText({ service, family, slot }))?.row;
    return backend !== undefined && ledgers.live.actual().has(liveText({ service, backend })) ? backend : undefined;
  });
}
