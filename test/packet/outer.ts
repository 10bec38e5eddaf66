import { checksum } from './frames.js';

/** What a VXLAN packet's outer headers say, as far as cases change it. */
export interface Outer {
  readonly destinationMac: Buffer;
  readonly sourceMac: Buffer;
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly innerDestinationMac: Buffer;
  readonly innerSourceMac: Buffer;
  readonly port?: number;
  readonly vni?: number;
  /** First word of the VXLAN header. */
  readonly flags?: number;
  readonly tos?: number;
  readonly ttl?: number;
  readonly id?: number;
  /** Flags and offset. */
  readonly fragment?: number;
  readonly sourcePort?: number;
  /** Bytes behind the IP packet. */
  readonly trailer?: number;
  readonly innerType?: number;
}

/** Bytes of all that stands before the inner IP header. */
export const OUTER_LENGTH = 64;

/** A VXLAN packet as Linux writes it (RFC 7348), around an IP packet. */
export function encapsulated(inner: Buffer, outer: Outer): Buffer {
  const head = Buffer.alloc(OUTER_LENGTH);
  outer.destinationMac.copy(head, 0);
  outer.sourceMac.copy(head, 6);
  head.writeUInt16BE(0x0800, 12);
  head[14] = 0x45;
  head[15] = outer.tos ?? 0;
  head.writeUInt16BE(inner.length + 50, 16);
  head.writeUInt16BE(outer.id ?? 0, 18);
  head.writeUInt16BE(outer.fragment ?? 0, 20);
  head[22] = outer.ttl ?? 64;
  head[23] = 17;
  outer.source.copy(head, 26);
  outer.destination.copy(head, 30);
  head.writeUInt16BE(checksum(head.subarray(14, 34)), 24);
  head.writeUInt16BE(outer.sourcePort ?? 40_000, 34);
  head.writeUInt16BE(outer.port ?? 8472, 36);
  head.writeUInt16BE(inner.length + 30, 38);
  head.writeUInt32BE(outer.flags ?? 0x08000000, 42);
  head.writeUInt32BE((outer.vni ?? 1) * 256, 46);
  outer.innerDestinationMac.copy(head, 50);
  outer.innerSourceMac.copy(head, 56);
  head.writeUInt16BE(outer.innerType ?? 0x0800, 62);
  return Buffer.concat([head, inner, Buffer.alloc(outer.trailer ?? 0)]);
}
