import type { Family, IpAddress } from '../../base/address.js';
import { EVERY_ADDRESS } from '../../compile/services/faces.js';
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

/**
 * The lookups that the programs make for a packet to `key.address`: the exact
 * address, then, where it is the node's own, node ports and hostPorts; and for
 * the node itself (scope node) the row of its own, where there is one.
 */
export function lookUpFront(ledgers: Ledgers, key: FrontKey, isOwn: (address: IpAddress) => boolean): { readonly key: FrontKey; readonly found: Translation } | undefined {
  if (key.scope === 'node') {
    const inside = lookUpFront(ledgers, { ...key, scope: 'inside' }, isOwn);
    const own = inside?.found.front.nodeApart === true ? lookUpService(ledgers, { ...inside.key, scope: 'node' }) : undefined;
    return own === undefined ? inside : { key: { ...inside!.key, scope: 'node' }, found: own };
  }
  const any = { ...key, address: EVERY_ADDRESS[key.address.family] };
  for (const asked of isOwn(key.address) ? [key, any] : [key]) {
    const found = lookUpService(ledgers, asked);
    if (found !== undefined) return { key: asked, found };
  }
  return undefined;
}

/** Whether the set's ranges let a client in. */
export function isAdmitted(ledgers: Ledgers, front: FrontRow, client: IpAddress): boolean {
  return !front.sourceRanges || [...ledgers.ranges.actual().values()].some(({ key }) => key.service === front.service && key.cidr.contains(client));
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
