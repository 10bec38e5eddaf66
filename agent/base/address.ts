import { isIPv4, isIPv6 } from 'node:net';

/** Address family. Everything that holds addresses takes it as a parameter; nothing is named after IPv4. */
export type Family = 4 | 6;

/** Bytes of an address: 4 or 16. */
export const addressBytes = (family: Family): number => (family === 4 ? 4 : 16);

/**
 * An IP address. Value type: equal addresses have equal `text` (canonical form,
 * RFC 5952 for IPv6), which serves as a map key.
 */
export class IpAddress {
  private constructor(
    readonly family: Family,
    /** Network order, 4 or 16 bytes. Not to be written to. */
    readonly bytes: Uint8Array,
    /** Canonical text. */
    readonly text: string,
  ) {}

  /** The address in `text`, or undefined where it is none (leading zeros and zone identifiers are none). IPv4-mapped IPv6 becomes IPv4. */
  static parse(text: string): IpAddress | undefined {
    if (isIPv4(text)) return IpAddress.fromBytes(Uint8Array.from(text.split('.'), Number));
    if (!isIPv6(text) || text.includes('%')) return undefined;
    const bytes = parse6(text);
    if (mapped(bytes)) return IpAddress.fromBytes(bytes.slice(12));
    return IpAddress.fromBytes(bytes);
  }

  /** From 4 or 16 bytes in network order (copied). */
  static fromBytes(bytes: Uint8Array): IpAddress {
    const own = Uint8Array.from(bytes);
    if (own.length === 4) return new IpAddress(4, own, own.join('.'));
    if (own.length === 16) return new IpAddress(6, own, format6(own));
    throw new RangeError(`an address has 4 or 16 bytes, not ${own.length}`);
  }

  equals(other: IpAddress): boolean {
    return this.text === other.text;
  }

  /** This address plus `n` (wraps around the family's range). */
  plus(n: number): IpAddress {
    const bytes = Uint8Array.from(this.bytes);
    let carry = n;
    for (let i = bytes.length - 1; i >= 0 && carry !== 0; i--) {
      const sum = bytes[i]! + carry;
      bytes[i] = sum & 0xff;
      carry = Math.floor(sum / 256);
    }
    return IpAddress.fromBytes(bytes);
  }

  toString(): string {
    return this.text;
  }
}

/** A prefix in canonical form: host bits zero. */
export class Cidr {
  private constructor(
    readonly address: IpAddress,
    /** 0..32 or 0..128. */
    readonly length: number,
    /** `address/length`. */
    readonly text: string,
  ) {}

  static of(address: IpAddress, length: number): Cidr {
    const bytes = Uint8Array.from(address.bytes);
    for (let i = 0; i < bytes.length; i++) {
      const keep = Math.min(8, Math.max(0, length - 8 * i));
      bytes[i] = bytes[i]! & (0xff << (8 - keep)) & 0xff;
    }
    const base = IpAddress.fromBytes(bytes);
    return new Cidr(base, length, `${base.text}/${length}`);
  }

  /** `a.b.c.d/n`, or a bare address as its /32 or /128. Host bits are cut off, as the API server's own users expect. */
  static parse(text: string): Cidr | undefined {
    const slash = text.indexOf('/');
    const address = IpAddress.parse(slash < 0 ? text : text.slice(0, slash));
    if (address === undefined) return undefined;
    const bits = addressBytes(address.family) * 8;
    if (slash < 0) return Cidr.of(address, bits);
    const digits = text.slice(slash + 1);
    if (!/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > bits) return undefined;
    return Cidr.of(address, Number(digits));
  }

  /**
   * `a.b.c.d/n` as Kubernetes' older fields take it (k8s.io/utils/net ParseCIDRSloppy): zeros before a decimal number
   * mean nothing, and a prefix of IPv4-mapped addresses (`::ffff:10.0.0.0/104`) is the IPv4 prefix.
   */
  static parseSloppy(text: string): Cidr | undefined {
    const [, host, digits] = /^([^/%]+)\/0*(\d{1,3})$/.exec(text) ?? [];
    if (host === undefined) return undefined;
    const dotted = host.slice(host.lastIndexOf(':') + 1);
    const plain = dotted.includes('.') ? host.slice(0, -dotted.length) + dotted.replace(/\b0+(?=\d)/g, '') : host;
    const length = Number(digits);
    if (!isIPv6(plain) || length > 128) return Cidr.parse(`${plain}/${length}`);
    const bytes = parse6(plain);
    return mapped(bytes) && length >= 96 ? Cidr.of(IpAddress.fromBytes(bytes.slice(12)), length - 96) : Cidr.of(IpAddress.fromBytes(bytes), length);
  }

  get family(): Family {
    return this.address.family;
  }

  contains(address: IpAddress): boolean {
    if (address.family !== this.family) return false;
    const whole = this.length >> 3;
    const [own, other] = [this.address.bytes, address.bytes];
    for (let i = 0; i < whole; i++) if (own[i] !== other[i]) return false;
    return (this.length & 7) === 0 || (own[whole]! ^ other[whole]!) >> (8 - (this.length & 7)) === 0;
  }

  /** Whether every address of `other` is in this prefix. */
  covers(other: Cidr): boolean {
    return other.length >= this.length && this.contains(other.address);
  }

  toString(): string {
    return this.text;
  }
}

function parse6(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const expand = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (!group.includes('.')) return [parseInt(group, 16)];
          const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number];
          return [(a << 8) | b, (c << 8) | d];
        });
  const [head = '', tail] = text.split('::');
  const left = expand(head);
  const right = tail === undefined ? [] : expand(tail);
  const groups = tail === undefined ? left : [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

function mapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
}

function format6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > best.length) best = { start: i, length: n };
  }
  const hex = (part: number[]): string => part.map((g) => g.toString(16)).join(':');
  if (best.start < 0) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}
