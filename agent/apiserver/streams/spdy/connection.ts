import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { HeaderCodec, type SpdyHeaders } from './header-block.js';

const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const FLAG_FIN = 1;
const STATUS_CANCEL = 5;
const MAX_FRAME_BYTES = 1 << 20;
const CHUNK_BYTES = 32 << 10;

/**
 * The server's side of a SPDY/3.1 session, as far as Kubernetes' streaming
 * protocols use it: streams opened by the client, data both ways, half close,
 * reset and ping. Window updates are neither sent nor awaited, as in
 * `moby/spdystream`, which every Kubernetes client uses; back-pressure is that
 * of the connection below.
 *
 * Events: `stream` (SpdyStream) for each stream the client opens, `close`.
 */
export class SpdyConnection extends EventEmitter<{ stream: [SpdyStream]; close: [] }> {
  private readonly streams = new Map<number, SpdyStream>();
  private readonly codec = new HeaderCodec();
  private pending: Buffer = Buffer.alloc(0);
  private writes: Promise<void> = Promise.resolve();

  constructor(private readonly transport: Duplex) {
    super();
    transport.on('error', () => this.destroy());
    transport.on('close', () => this.destroy());
    void this.read();
  }

  destroy(): void {
    if (this.transport.destroyed && this.streams.size === 0) return;
    for (const stream of this.streams.values()) stream.destroy();
    this.streams.clear();
    this.codec.close();
    this.transport.destroy();
    this.emit('close');
  }

  /** Ends the session once what was written has gone out. */
  async end(): Promise<void> {
    await this.writes;
    this.transport.end();
  }

  async sendData(id: number, data: Buffer, fin: boolean): Promise<void> {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(id & 0x7fffffff, 0);
    header.writeUInt32BE(((fin ? FLAG_FIN : 0) << 24) | data.length, 4);
    await this.send(Buffer.concat([header, data]));
  }

  reset(id: number): void {
    this.streams.delete(id);
    const body = Buffer.alloc(8);
    body.writeUInt32BE(id, 0);
    body.writeUInt32BE(STATUS_CANCEL, 4);
    void this.send(control(RST_STREAM, 0, body));
  }

  /** Forgets a stream that both sides have ended. */
  forget(id: number): void {
    this.streams.delete(id);
  }

  private async read(): Promise<void> {
    try {
      for await (const chunk of this.transport as AsyncIterable<Buffer>) {
        this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
        await this.takeFrames();
      }
    } catch {
      // A broken session ends like a closed one: the client sees its streams close.
    }
    this.destroy();
  }

  private async takeFrames(): Promise<void> {
    while (this.pending.length >= 8) {
      const length = this.pending.readUInt32BE(4) & 0xffffff;
      if (length > MAX_FRAME_BYTES) throw new Error('frame is too large');
      if (this.pending.length < 8 + length) return;
      const frame = this.pending.subarray(0, 8 + length);
      this.pending = this.pending.subarray(8 + length);
      await this.takeFrame(frame);
    }
  }

  private async takeFrame(frame: Buffer): Promise<void> {
    const word = frame.readUInt32BE(0);
    const flags = frame.readUInt8(4);
    const body = frame.subarray(8);
    if ((word & 0x80000000) === 0) return this.takeData(word & 0x7fffffff, flags, body);
    switch (word & 0xffff) {
      case SYN_STREAM:
        return this.open(body, flags);
      case RST_STREAM:
        this.streams.get(body.readUInt32BE(0) & 0x7fffffff)?.destroy();
        return;
      case PING:
        return this.send(control(PING, 0, Buffer.from(body)));
      case GOAWAY:
        return;
      default: // SETTINGS, WINDOW_UPDATE, HEADERS, SYN_REPLY: nothing depends on them
    }
  }

  private async open(body: Buffer, flags: number): Promise<void> {
    const id = body.readUInt32BE(0) & 0x7fffffff;
    const headers = await this.codec.decode(body.subarray(10));
    const stream = new SpdyStream(this, id, headers);
    this.streams.set(id, stream);
    const reply = Buffer.concat([uint32(id), await this.codec.encode({})]);
    await this.send(control(SYN_REPLY, 0, reply));
    if ((flags & FLAG_FIN) !== 0) stream.deliver(null);
    this.emit('stream', stream);
  }

  private async takeData(id: number, flags: number, data: Buffer): Promise<void> {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (data.length > 0 && !stream.deliver(Buffer.from(data))) await stream.drained();
    if ((flags & FLAG_FIN) !== 0) stream.deliver(null);
  }

  private send(frame: Buffer): Promise<void> {
    this.writes = this.writes.then(
      () =>
        new Promise<void>((resolve) => {
          if (this.transport.destroyed || this.transport.writableEnded) resolve();
          else this.transport.write(frame, () => resolve());
        }),
    );
    return this.writes;
  }
}

/** One stream of a session. Ending it is a half close; destroying it a reset. */
export class SpdyStream extends Duplex {
  private waiting: (() => void) | undefined;

  constructor(
    private readonly connection: SpdyConnection,
    readonly id: number,
    readonly headers: SpdyHeaders,
  ) {
    super({ allowHalfOpen: true });
    this.on('error', () => undefined); // the peer's trouble; whoever reads sees the close
  }

  /** @returns false when the reader has to catch up first */
  deliver(data: Buffer | null): boolean {
    return this.destroyed || this.push(data);
  }

  async drained(): Promise<void> {
    if (this.destroyed) return;
    await new Promise<void>((resolve) => (this.waiting = resolve));
  }

  override _read(): void {
    this.waiting?.();
    this.waiting = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    void this.writeChunks(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    void this.connection.sendData(this.id, Buffer.alloc(0), true).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.waiting?.();
    if (this.writableFinished && this.readableEnded) this.connection.forget(this.id);
    else this.connection.reset(this.id);
    done(error);
  }

  private async writeChunks(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) await this.connection.sendData(this.id, chunk.subarray(at, at + CHUNK_BYTES), false);
  }
}

function control(type: number, flags: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(0x8003, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(((flags << 24) | body.length) >>> 0, 4);
  return Buffer.concat([header, body]);
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value >>> 0);
  return buffer;
}
