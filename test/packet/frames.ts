import type { Family } from '../../agent/base/address.js';

/** A frame, from the fields that cases care about. Addresses are bytes, ports host order. */
export interface Frame {
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly protocol: number;
  /** Transport header and payload. */
  readonly body: Buffer;
  readonly ttl?: number;
  /** IPv4 options, a multiple of 4 bytes; IPv6 extension headers. */
  readonly options?: Buffer;
  /** IPv6 with options: their first header's type. */
  readonly firstHeader?: number;
  /** offset in bytes, more fragments, identification. */
  readonly fragment?: { readonly offset: number; readonly more: boolean; readonly id: number };
  /** What the length field says instead of the truth. */
  readonly claimedLength?: number;
}

export const TCP = 6;
export const UDP = 17;
export const IPIP = 4;
export const SCTP = 132;
export const icmpProtocol = (family: Family): number => (family === 4 ? 1 : 58);

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

export const POD_MAC = Buffer.from('020000000001', 'hex');
export const HOST_MAC = Buffer.from('eeeeeeeeeeee', 'hex');

export function ethernet(ethertype: number, body: Buffer): Buffer {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(ethertype);
  return Buffer.concat([HOST_MAC, POD_MAC, type, body]);
}

/** The frame's bytes, Ethernet header included. */
export function frameBytes(frame: Frame): Buffer {
  const packet = packetBytes(frame);
  return ethernet(frame.source.length === 4 ? 0x0800 : 0x86dd, packet);
}

/** IP header and what follows. */
export function packetBytes(frame: Frame): Buffer {
  return frame.source.length === 4 ? ipv4(frame) : ipv6(frame);
}

/** The frame with the right checksum in its transport header, as a sender makes it. */
export function sealed(frame: Frame): Frame {
  if (frame.protocol === SCTP) return { ...frame, body: sealedSctp(frame.body) };
  const at = CHECKSUM_AT.get(frame.protocol);
  if (at === undefined) return frame;
  const body = Buffer.from(frame.body);
  body.writeUInt16BE(0, at);
  const pseudo = Buffer.concat([frame.source, frame.destination, Buffer.from([0, frame.protocol, body.length >> 8, body.length & 255])]);
  const covered = frame.protocol === 1 ? body : Buffer.concat([pseudo, body]);
  body.writeUInt16BE(checksum(covered.length % 2 ? Buffer.concat([covered, Buffer.alloc(1)]) : covered) || 0xffff, at);
  return { ...frame, body };
}

/** A body too short for the header stays as it is. */
function sealedSctp(body: Buffer): Buffer {
  if (body.length < 12) return body;
  const whole = Buffer.from(body);
  whole.writeUInt32LE(0, 8);
  whole.writeUInt32LE(crc32c(whole), 8);
  return whole;
}

/** RFC 9260, appendix A. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

const CHECKSUM_AT: ReadonlyMap<number, number> = new Map([[6, 16], [17, 6], [1, 2], [58, 2]]);

function ipv4(frame: Frame): Buffer {
  const options = frame.options ?? Buffer.alloc(0);
  const header = Buffer.alloc(20 + options.length);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(frame.claimedLength ?? header.length + frame.body.length, 2);
  header.writeUInt16BE(frame.fragment?.id ?? 1, 4);
  if (frame.fragment) header.writeUInt16BE((frame.fragment.more ? 0x2000 : 0) | (frame.fragment.offset >> 3), 6);
  header[8] = frame.ttl ?? 64;
  header[9] = frame.protocol;
  frame.source.copy(header, 12);
  frame.destination.copy(header, 16);
  options.copy(header, 20);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, frame.body]);
}

function ipv6(frame: Frame): Buffer {
  const options = frame.options ?? Buffer.alloc(0);
  const fragment = frame.fragment ? fragmentHeader(frame.protocol, frame.fragment) : Buffer.alloc(0);
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(frame.claimedLength ?? options.length + fragment.length + frame.body.length, 4);
  header[6] = frame.firstHeader ?? (frame.fragment ? 44 : frame.protocol);
  header[7] = frame.ttl ?? 64;
  frame.source.copy(header, 8);
  frame.destination.copy(header, 24);
  return Buffer.concat([header, options, fragment, frame.body]);
}

function fragmentHeader(next: number, fragment: { offset: number; more: boolean; id: number }): Buffer {
  const header = Buffer.alloc(8);
  header[0] = next;
  header.writeUInt16BE(fragment.offset | (fragment.more ? 1 : 0), 2);
  header.writeUInt32BE(fragment.id, 4);
  return header;
}

export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function tcp(sourcePort: number, destinationPort: number, flags: number, payload = 0): Buffer {
  const body = Buffer.alloc(20 + payload);
  body.writeUInt16BE(sourcePort, 0);
  body.writeUInt16BE(destinationPort, 2);
  body[12] = 0x50;
  body[13] = flags;
  return body;
}

/** Also SCTP's first 8 bytes; with 12 bytes of payload or more there is a chunk, of type 0. */
export function udp(sourcePort: number, destinationPort: number, payload = 4): Buffer {
  const body = Buffer.alloc(8 + payload);
  body.writeUInt16BE(sourcePort, 0);
  body.writeUInt16BE(destinationPort, 2);
  body.writeUInt16BE(body.length, 4);
  return body;
}

/** type, code, identifier, and what follows the 8 bytes of header. */
export function icmp(type: number, code: number, id = 0, payload: Buffer = Buffer.alloc(8)): Buffer {
  const header = Buffer.from([type, code, 0, 0, id >> 8, id & 255, 0, 1]);
  return Buffer.concat([header, payload]);
}
