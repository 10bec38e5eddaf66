/** A TCP segment of a pod as its node gets it: Ethernet, IPv4, TCP, payload. */
export interface Segment {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** FIN 1, SYN 2, RST 4, ACK 16. */
  readonly flags: number;
  readonly payload: number;
}

export const SYN = 2;
export const ACK = 16;
const HEADERS = 14 + 20 + 20;
/** So that a run can be repeated often before the packet is too old. */
export const TTL = 255;

/** The frame. Checksums are left out: programs only adjust them. */
export function segmentFrame(segment: Segment): Buffer {
  const frame = Buffer.alloc(HEADERS + segment.payload);
  frame.write('eeeeeeeeeeee0a0000000001', 'hex');
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(frame.length - 14, 16);
  frame[22] = TTL;
  frame[23] = 6;
  frame.set(segment.source, 26);
  frame.set(segment.destination, 30);
  frame.writeUInt16BE(segment.sourcePort, 34);
  frame.writeUInt16BE(segment.destinationPort, 36);
  frame[46] = 0x50;
  frame[47] = segment.flags;
  return frame;
}
