import { native, nativeResult } from './library.js';

/** What may have changed in the kernel since the last look. */
export type Change = 'link' | 'address' | 'route' | 'neighbour' | 'tc';

const BITS: readonly (readonly [bit: number, change: Change])[] = [
  [1, 'link'],
  [2, 'address'],
  [4, 'route'],
  [8, 'neighbour'], // FDB entries too
  [16, 'tc'],
];
/** Notices were lost: everything may have changed. */
const OVERRUN = 32;

/** Kernel notices of this network namespace, our own writes included. tcx links have none: those are polled. */
export class ChangeMonitor {
  private readonly handle = native('canal_monitor_open', 'monitor');
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  /** Changes since the last call; does not wait. About 5 microseconds where there are none. */
  drain(): ReadonlySet<Change> {
    if (this.closed) return new Set();
    const bits = native('canal_monitor_drain', 'monitor', this.handle);
    return new Set(BITS.filter(([bit]) => (bits & (bit | OVERRUN)) !== 0).map(([, change]) => change));
  }

  /** Looks every `intervalMs` and tells of changes. Keeps no process alive. */
  watch(intervalMs: number, onChange: (changes: ReadonlySet<Change>) => void): void {
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      const changes = this.drain();
      if (changes.size > 0) onChange(changes);
    }, intervalMs).unref();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.timer);
    nativeResult('canal_monitor_close', this.handle);
  }
}
