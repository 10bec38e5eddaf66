import { closeSync, openSync } from 'node:fs';
import ffi from 'ffi-napi';
import { systemClock, type Clock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';
import type { FileLock } from '../ipam/lock.js';
import { Serial } from '../ipam/serial.js';
import { NativeCall } from './native-call.js';

const LOCK_EX = 2;
const LOCK_NB = 4;
const EINTR = 4;
const EWOULDBLOCK = 11;

/**
 * flock(2) from libc. Never blocks the thread: a lock that another process holds is asked for
 * again every few milliseconds; within this process callers wait in line. A process that dies
 * lets go of its locks.
 */
export class FlockFileLock implements FileLock {
  private readonly flock = new NativeCall(new ffi.DynamicLibrary('libc.so.6').get('flock'), 'ii');
  private readonly waiting = new Serial();

  /** @param timeoutMs how long another process may hold it before `hold` gives up */
  constructor(
    private readonly timeoutMs = 10_000,
    private readonly clock: Clock = systemClock,
  ) {}

  async hold<T>(path: string, work: () => Promise<T> | T): Promise<T> {
    return this.waiting.run(path, async () => {
      const fd = openSync(path, 'a', 0o600);
      try {
        await this.take(fd, path);
        return await work();
      } finally {
        closeSync(fd);
      }
    });
  }

  private async take(fd: number, path: string): Promise<void> {
    const deadline = this.clock.monotonic() + this.timeoutMs;
    while (this.flock.call([fd, LOCK_EX | LOCK_NB]) !== 0) {
      const errno = ffi.errno();
      if (errno !== EWOULDBLOCK && errno !== EINTR) throw new CanalError('IPAM', `cannot lock ${path}`, { subject: path, errno });
      if (this.clock.monotonic() >= deadline) throw new CanalError('IPAM', `another process holds ${path}`, { subject: path, errno });
      await this.clock.sleep(5);
    }
  }
}
