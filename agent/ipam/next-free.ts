import type { IpAddress } from '../base/address.js';
import { inRange, type AddressRange, type RangeSet } from './range.js';

/**
 * The next free address of a set, round robin: the first after `last` that is neither taken
 * nor a gateway, wrapping around all ranges once. Undefined: none is free. Where `last` is
 * not in the set (ranges changed), the search begins at the first range. Pure.
 *
 * @param taken texts of addresses in use
 */
export function nextFree(set: RangeSet, last: IpAddress | undefined, taken: Pick<ReadonlySet<string>, 'has'>): IpAddress | undefined {
  const start = last === undefined ? -1 : set.findIndex((range) => inRange(range, last));
  if (start < 0 || last === undefined) return firstOf(set, taken);
  const current = set[start]!;
  const after = last.equals(current.last) ? undefined : search(current, last.plus(1), current.last, taken);
  const wrapped = [...set.slice(start + 1), ...set.slice(0, start)];
  return after ?? firstOf(wrapped, taken) ?? search(current, current.first, last, taken);
}

function firstOf(ranges: RangeSet, taken: Pick<ReadonlySet<string>, 'has'>): IpAddress | undefined {
  for (const range of ranges) {
    const found = search(range, range.first, range.last, taken);
    if (found !== undefined) return found;
  }
  return undefined;
}

function search(range: AddressRange, from: IpAddress, to: IpAddress, taken: Pick<ReadonlySet<string>, 'has'>): IpAddress | undefined {
  for (let address = from; ; address = address.plus(1)) {
    if (!address.equals(range.gateway) && !taken.has(address.text)) return address;
    if (address.equals(to)) return undefined;
  }
}
