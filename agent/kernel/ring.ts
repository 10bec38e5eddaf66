import { native, nativeResult } from './library.js';

/** A BPF ring buffer, drained without waiting. One reader a map. */
export class Ring {
  private readonly handle: number;
  private readonly buffer: Buffer;
  private closed = false;

  /** @param mapFd the ring's map; @param size bytes taken out at most in one drain */
  constructor(mapFd: number, size = 1 << 18) {
    this.handle = native('canal_ring_open', `fd ${mapFd}`, mapFd);
    this.buffer = Buffer.alloc(size);
  }

  /** Records that are in the ring now; more may be left when many are. Each record's bytes are good until the next drain. */
  drain(): Uint8Array[] {
    const records: Uint8Array[] = [];
    if (this.closed) return records;
    const used = native('canal_ring_drain', 'ring', this.handle, this.buffer, this.buffer.length);
    for (let at = 0; at < used; ) {
      const length = this.buffer.readUInt32LE(at);
      records.push(this.buffer.subarray(at + HEADER, at + HEADER + length));
      at += HEADER + ((length + 7) & ~7);
    }
    return records;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    nativeResult('canal_ring_close', this.handle);
  }
}

/** Before each record: u32 length, u32 zero. */
const HEADER = 8;
