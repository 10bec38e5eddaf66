import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Logger } from '../base/log.js';
import { decodeFrame, encodeAnswer, frameBytes, HEADER_BYTES, type CniHandler } from './frame.js';

export interface CniServerOptions {
  /** `/run/canal/cni.sock` */
  readonly path: string;
  /** From a request's arrival until it has to be answered; less than the plugin's own 55 s. */
  readonly deadlineMs?: number;
  /** From connection until the whole request is there; long, because a loaded node's timers fire before it reads. */
  readonly receiveMs?: number;
}

/**
 * The plugin's counterpart: one request a connection over a unix socket that only root
 * may open. Bounded in size and time; a peer that hangs up does not stop what it asked for
 * (the runtime's DEL undoes it).
 */
export class CniServer {
  private readonly server: Server;
  private readonly open = new Set<Socket>();
  private readonly working = new Set<Promise<void>>();

  constructor(
    private readonly options: CniServerOptions,
    private readonly handler: CniHandler,
    private readonly log: Logger,
  ) {
    // Half-open, because a client may shut its sending side down after the request.
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.accept(socket));
  }

  /** Resolves when requests are accepted. A socket file that a dead agent left is replaced. */
  async listen(): Promise<void> {
    const { path } = this.options;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    rmSync(path, { force: true });
    const umask = process.umask(0o177); // the file must never be open to others, not even between bind and chmod
    const listening = new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ path, backlog: 512 }, resolve); // binds before it returns
    });
    process.umask(umask);
    await listening;
    chmodSync(path, 0o600);
    this.server.on('error', (error) => this.log.error({ err: error }, 'CNI socket failed'));
  }

  /** Stops accepting, finishes what was begun, then closes. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    await Promise.allSettled([...this.working]);
    for (const socket of this.open) socket.destroy();
    await closed;
  }

  private accept(socket: Socket): void {
    this.open.add(socket);
    socket.on('close', () => this.open.delete(socket));
    socket.on('error', (error) => this.log.debug({ err: error }, 'CNI connection failed'));
    const work = this.serve(socket).finally(() => this.working.delete(work));
    this.working.add(work);
  }

  private async serve(socket: Socket): Promise<void> {
    const frame = await receive(socket, this.options.receiveMs ?? 30_000);
    const request = typeof frame === 'string' ? undefined : decodeFrame(frame);
    if (request === undefined) {
      this.log.warn({ reason: frame instanceof Buffer ? 'malformed' : frame }, 'connection without a CNI request');
      socket.destroy();
      return;
    }
    const answer = await this.handler(request, AbortSignal.timeout(this.options.deadlineMs ?? 40_000));
    // Nobody reads on, so an end from the peer would go unseen: the connection is over with the answer.
    if (!socket.destroyed) socket.end(encodeAnswer(answer), () => socket.destroy());
  }
}

/** A whole frame; a string says why there is none. Reads no byte beyond the largest frame allowed. */
function receive(socket: Socket, timeoutMs: number): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let wanted: number | undefined;
    const finish = (outcome: Buffer | string): void => {
      clearTimeout(timer);
      socket.off('data', take);
      socket.pause();
      resolve(outcome);
    };
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      if (wanted === undefined && size >= HEADER_BYTES) {
        const bytes = frameBytes(Buffer.concat(chunks).subarray(0, HEADER_BYTES));
        if (typeof bytes === 'string') return finish(bytes);
        wanted = bytes;
      }
      if (wanted !== undefined && size >= wanted) finish(size === wanted ? Buffer.concat(chunks) : 'more than one request');
    };
    const timer = setTimeout(() => finish('not whole in time'), timeoutMs);
    socket.on('data', take);
    socket.once('end', () => finish('not whole'));
    socket.once('close', () => finish('not whole'));
  });
}
