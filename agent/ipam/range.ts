import { addressBytes, IpAddress, type Cidr } from '../base/address.js';

/** Addresses `first` to `last` of a subnet, without its gateway. All of one family. */
export interface AddressRange {
  readonly subnet: Cidr;
  readonly first: IpAddress;
  readonly last: IpAddress;
  /** Never handed out. */
  readonly gateway: IpAddress;
}

/** One address is taken from each set; ranges of a set are used in order. */
export type RangeSet = readonly AddressRange[];

/** What a configuration may narrow a range to. */
export interface RangeLimits {
  readonly first?: IpAddress;
  readonly last?: IpAddress;
  readonly gateway?: IpAddress;
}

/**
 * The range of a subnet as host-local has it: from .1 to the last address before broadcast
 * (IPv6: to the very last), gateway .1 unless given. A string says what is wrong.
 */
export function rangeOf(subnet: Cidr, limits: RangeLimits = {}): AddressRange | string {
  const bits = addressBytes(subnet.family) * 8;
  if (subnet.length > bits - 2) return `${subnet.text} is too small to allocate from`;
  const first = limits.first ?? subnet.address.plus(1);
  const last = limits.last ?? lastUsable(subnet);
  const gateway = limits.gateway ?? subnet.address.plus(1);
  if (!subnet.contains(first)) return `${first.text} is not in ${subnet.text}`;
  if (!subnet.contains(last)) return `${last.text} is not in ${subnet.text}`;
  if (compareAddresses(first, last) > 0) return `${first.text} is after ${last.text}`;
  return { subnet, first, last, gateway };
}

/** Whether an address may come from this range. */
export function inRange(range: AddressRange, address: IpAddress): boolean {
  return address.family === range.subnet.family && compareAddresses(range.first, address) <= 0 && compareAddresses(address, range.last) <= 0;
}

/** Order within a family. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  return Buffer.compare(a.bytes, b.bytes);
}

function lastUsable(subnet: Cidr): IpAddress {
  const bytes = Uint8Array.from(subnet.address.bytes, (byte, i) => {
    const hostBits = Math.min(8, Math.max(0, 8 * (i + 1) - subnet.length));
    return byte | ((1 << hostBits) - 1);
  });
  if (subnet.family === 4) bytes[3]! -= 1; // broadcast
  return IpAddress.fromBytes(bytes);
}
