import { Socket } from 'node:net';
import { native, nativeResult } from './library.js';

/**
 * Tells when a descriptor that Node cannot watch (netlink, a BPF ring buffer)
 * has something to read, so that nobody has to look: a thread of the library
 * sleeps on it. Keeps no process alive.
 */
export class Waker {
  private readonly handle: number;
  private readonly pipe: Socket;
  private timer: NodeJS.Timeout | undefined;
  private rung = false;
  private closed = false;
  private wake: (() => void) | undefined;

  /**
   * @param pauseMs what follows within so long is told at once with the first, and not at all where it has been read by then
   * @param worth whether what has come is worth waking for
   */
  constructor(
    fd: number,
    private readonly pauseMs: number,
    private readonly worth: () => boolean = () => true,
  ) {
    const pipe = Buffer.alloc(4);
    this.handle = native('canal_waker_open', `fd ${fd}`, fd, pauseMs, pipe);
    this.pipe = new Socket({ fd: pipe.readInt32LE(0), readable: true, writable: false });
    this.pipe.on('data', () => this.look());
    this.pipe.unref();
  }

  /** Resolves when something has come since the last call resolved, or when the signal aborts. One waits at a time. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.rung && !this.closed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.rung = false;
  }

  /** Somebody who has not asked for it has read something: looks whether it is worth waking for, after the pause. */
  later(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.look();
    }, this.pauseMs).unref();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    nativeResult('canal_waker_close', this.handle);
    this.pipe.destroy();
    this.wake?.();
  }

  private look(): void {
    if (this.closed || !this.worth()) return;
    this.rung = true;
    this.wake?.();
  }
}
