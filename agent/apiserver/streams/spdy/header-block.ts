import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { HEADER_DICTIONARY } from './dictionary.js';

export type SpdyHeaders = Readonly<Record<string, string>>;

/** No header block of a stream request comes near this. */
const MAX_BLOCK_BYTES = 64 << 10;

/**
 * Header blocks of one direction of a SPDY/3 session: name-value pairs in one
 * zlib stream that spans all blocks, so they are handled strictly in order.
 */
export class HeaderCodec {
  private readonly inflate: Inflate = createInflate({ dictionary: HEADER_DICTIONARY, flush: constants.Z_SYNC_FLUSH });
  private readonly deflate: Deflate = createDeflate({ dictionary: HEADER_DICTIONARY });

  constructor() {
    this.inflate.on('error', () => undefined); // reported by decode()
    this.deflate.on('error', () => undefined);
  }

  /** @throws Error when the block does not decompress or parse */
  async decode(block: Buffer): Promise<SpdyHeaders> {
    return parsePairs(await pass(this.inflate, block));
  }

  async encode(headers: SpdyHeaders): Promise<Buffer> {
    const parts: Buffer[] = [uint32(Object.keys(headers).length)];
    for (const [name, value] of Object.entries(headers)) parts.push(text(name.toLowerCase()), text(value));
    return pass(this.deflate, Buffer.concat(parts));
  }

  close(): void {
    this.inflate.destroy();
    this.deflate.destroy();
  }
}

function pass(stream: Inflate | Deflate, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const collect = (chunk: Buffer): void => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_BLOCK_BYTES) stream.destroy(new Error('header block is too large'));
    };
    stream.on('data', collect);
    stream.once('error', reject);
    stream.write(input, () => {
      stream.flush(constants.Z_SYNC_FLUSH, () => {
        stream.off('data', collect);
        stream.off('error', reject);
        resolve(Buffer.concat(chunks));
      });
    });
  });
}

function parsePairs(block: Buffer): SpdyHeaders {
  const headers: Record<string, string> = {};
  let at = 4;
  const next = (): string => {
    const length = block.readUInt32BE(at);
    if (at + 4 + length > block.length) throw new Error('header block is cut short');
    at += 4 + length;
    return block.toString('latin1', at - length, at);
  };
  for (let count = block.readUInt32BE(0); count > 0; count--) {
    const name = next();
    headers[name] = next();
  }
  return headers;
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

const text = (value: string): Buffer => Buffer.concat([uint32(Buffer.byteLength(value, 'latin1')), Buffer.from(value, 'latin1')]);
