import { canalNoticeCodec } from './abi.generated.js';
import { decodeAll } from './codec.js';
import { native, nativeResult } from './library.js';

/** What may have changed in the kernel since the last look. */
export type Change = 'link' | 'address' | 'route' | 'neighbour' | 'tc';

/** The devices of which something changed, by what it is; {@link ANY_DEVICE}: it may be any. */
export type Notices = ReadonlyMap<Change, ReadonlySet<number>>;

export const ANY_DEVICE = 0;

const BITS: readonly (readonly [bit: number, change: Change])[] = [
  [1, 'link'],
  [2, 'address'],
  [4, 'route'],
  [8, 'neighbour'], // FDB entries too
  [16, 'tc'],
];
/** More than these in one drain, and they count as any. */
const MOST_DEVICES = 256;

/** Kernel notices of this network namespace, our own writes included. tcx links have none: those are polled. */
export class ChangeMonitor {
  private readonly handle = native('canal_monitor_open', 'monitor');
  private readonly buffer: Buffer;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly mostDevices = MOST_DEVICES) {
    this.buffer = Buffer.alloc(mostDevices * canalNoticeCodec.size);
  }

  /** Changes since the last call; does not wait. What a call of ours has changed is told from its return on. About 5 microseconds where there is nothing. */
  drain(): Notices {
    const notices = new Map<Change, Set<number>>();
    if (this.closed) return notices;
    const count = native('canal_monitor_drain', 'monitor', this.handle, this.buffer, this.mostDevices);
    if (count === 0) return notices;
    for (const { ifindex, changed } of decodeAll(canalNoticeCodec, this.buffer, count)) {
      for (const [bit, change] of BITS) if ((changed & bit) !== 0) addNotice(notices, change, ifindex);
    }
    return notices;
  }

  /** To be waited for; see Waker. */
  get fd(): number {
    return native('canal_monitor_fd', 'monitor', this.handle);
  }

  /** Looks every `intervalMs` and tells of changes. Keeps no process alive. */
  watch(intervalMs: number, onChange: (changes: Notices) => void): void {
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

export function addNotice(notices: Map<Change, Set<number>>, change: Change, ifindex: number): void {
  (notices.get(change) ?? notices.set(change, new Set()).get(change)!).add(ifindex);
}
