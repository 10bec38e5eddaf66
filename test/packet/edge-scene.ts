import * as abi from '../../agent/kernel/abi.generated.js';
import { encode } from '../../agent/kernel/codec.js';
import { frameBytes, type Frame, sealed } from './frames.js';
import { FAST_LOCAL, MASQUERADE, type Node, SERVICES, u32 } from './node.js';
import type { Backend } from './service-rows.js';

export interface Front {
  readonly port: number;
  readonly protocol: number;
  /** Absent: any of the node's own. */
  readonly address?: Buffer;
  readonly scope: 'inside' | 'outside';
  readonly backends: readonly Backend[];
  readonly flags?: number;
}

const ID = 99n;
const ADDRESSES = {
  4: { node: 'c0000209', overlay: '0a2a0000', network: '0a2a0000', bits: 16 },
  6: { node: '20010db8000000000000000000000009', overlay: 'fd000000000000000000000000000000', network: 'fd000000000000000000000000000000', bits: 64 },
} as const;

/** A node's uplink: addresses to translate to, rows that say what, frames over it. */
export class Edge {
  constructor(private readonly node: () => Node) {}

  /** Of the node, on the uplink. */
  get address(): Buffer {
    return Buffer.from(ADDRESSES[this.node().family].node, 'hex');
  }

  /** Of the node, on the overlay device. */
  get overlayAddress(): Buffer {
    return Buffer.from(ADDRESSES[this.node().family].overlay, 'hex');
  }

  on(flags = SERVICES | MASQUERADE | FAST_LOCAL, change: Partial<abi.CanalConfig> = {}): void {
    const { plane, family } = this.node();
    const [node, overlay] = [this.address, this.overlayAddress];
    const addresses = family === 4 ? { nodeAddr4: node, overlayAddr4: overlay } : { nodeAddr6: node, overlayAddr6: overlay };
    this.node().configure(flags, { edgePortMin: 1024, edgePortMax: 65535, ...addresses, ...change });
    for (const own of [node, overlay]) plane.put('local', own, u32(0));
    plane.put('nomasq', Buffer.concat([u32(ADDRESSES[family].bits), Buffer.from(ADDRESSES[family].network, 'hex')]), u32(0));
  }

  front({ port, protocol, address, scope, backends, flags = 0 }: Front): void {
    const { plane, family } = this.node();
    backends.forEach((backend, slot) => {
      const row = this.backend(backend);
      plane.put('live', Buffer.concat([id(), row, Buffer.alloc(family === 4 ? 0 : 4)]), u32(0));
      plane.put('back', encode(abi.canalBackKeyCodec, { service: ID, slot }), row);
    });
    const key = { addr: { word: address ?? Buffer.alloc(this.address.length) }, port, protocol, scope: scope === 'inside' ? 0 : 1 };
    plane.put('front', encode(family === 4 ? abi.canalFrontKey4Codec : abi.canalFrontKey6Codec, key), encode(abi.canalFrontCodec, { service: ID, backends: backends.length, affinityS: 0, flags }));
  }

  /** Lets clients of a prefix ask services that have ranges. */
  allow(address: Buffer, bits: number): void {
    this.node().plane.put('range', Buffer.concat([u32(64 + bits), id(), address]), u32(0));
  }

  /** The last step of a backend's removal. */
  forget(backend: Backend): void {
    this.node().plane.delete('live', Buffer.concat([id(), this.backend(backend), Buffer.alloc(this.node().family === 4 ? 0 : 4)]));
  }

  /** Lets time pass for every flow. */
  age(seconds: number): void {
    const { plane, family } = this.node();
    const at = family === 4 ? 20 : 44; // seen_s, opened_s
    for (const { key, value } of plane.rows('edge')) {
      for (const field of [at, at + 4]) {
        const before = value.readUInt32LE(field);
        if (before !== 0) value.writeUInt32LE(Math.max(1, before - seconds), field);
      }
      plane.put('edge', key, value);
    }
  }

  private backend({ address, port }: Backend): Buffer {
    return encode(this.node().family === 4 ? abi.canalBackend4Codec : abi.canalBackend6Codec, { addr: { word: address }, port });
  }
}

const id = (): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ID);
  return bytes;
};

/** The frame as its reader should see it: only MACs may differ. */
export const packetOf = (bytes: Buffer): string => bytes.subarray(14).toString('hex');
export const wholePacket = (frame: Frame): string => packetOf(frameBytes(sealed(frame)));

/** Ends of a translated packet with ports, or an ICMP query's identifier as source port. */
export function ends(bytes: Buffer): { source: Buffer; destination: Buffer; sourcePort: number; destinationPort: number } {
  const v4 = bytes.readUInt16BE(12) === 0x0800;
  const [from, size, transport] = v4 ? [26, 4, 34] : [22, 16, 54];
  return {
    source: bytes.subarray(from, from + size),
    destination: bytes.subarray(from + size, from + 2 * size),
    sourcePort: bytes.readUInt16BE(transport),
    destinationPort: bytes.readUInt16BE(transport + 2),
  };
}

/** What an ICMP error says: its own ends, the quoted packet's, and whether its checksum holds. */
export function quotedEnds(error: Buffer, family: 4 | 6): object {
  const [header, from, size] = family === 4 ? [20, 12, 4] : [40, 8, 16];
  const outer = error.subarray(14);
  const inner = outer.subarray(header + 8);
  const address = (packet: Buffer, n: number): string => packet.subarray(from + n * size, from + (n + 1) * size).toString('hex');
  const again = sealed({ source: outer.subarray(from, from + size), destination: outer.subarray(from + size, from + 2 * size), protocol: family === 4 ? 1 : 58, body: outer.subarray(header) });
  if (again.body.readUInt16BE(2) !== outer.readUInt16BE(header + 2)) throw new Error('checksum of the error is wrong');
  return { outer: [address(outer, 0), address(outer, 1)], source: address(inner, 0), destination: address(inner, 1), ports: [inner.readUInt16BE(header), inner.readUInt16BE(header + 2)] };
}
