import {
  canalAttachmentCodec, canalNeighCodec, canalNoticeCodec, canalRouteCodec, canalToldCodec,
  type CanalAttachment, type CanalNeigh, type CanalRoute,
} from './abi.generated.js';
import { decode, decodeAll } from './codec.js';
import { native, nativeResult } from './library.js';

/**
 * What may have changed in the kernel since the last look. `down`: a link was
 * down or gone meanwhile; `unaddressed`: it lost an address. Either takes rows along without a word. `up`: a link that was down, and known as that, is up and
 * else as it was (a notice says `link`; the device book tells these apart).
 */
export type Change = 'link' | 'up' | 'address' | 'route' | 'neighbour' | 'tc' | 'down' | 'unaddressed';

/** The devices of which something changed, by what it is; {@link ANY_DEVICE}: it may be any. */
export type Notices = ReadonlyMap<Change, ReadonlySet<number>>;

export const ANY_DEVICE = 0;

/** A row that a notice has told whole: as it is from then on, or gone. */
export type Told =
  | { readonly change: 'route'; readonly gone: boolean; readonly raw: CanalRoute }
  | { readonly change: 'neighbour'; readonly gone: boolean; readonly raw: CanalNeigh }
  | { readonly change: 'tc'; readonly gone: boolean; readonly raw: CanalAttachment };

export interface Heard {
  readonly changes: Notices;
  /** In the order in which they were told; of these `changes` says nothing. */
  readonly told: readonly Told[];
}

const BITS: readonly (readonly [bit: number, change: Change])[] = [
  [1, 'link'],
  [2, 'address'],
  [4, 'route'],
  [8, 'neighbour'], // FDB entries too
  [16, 'tc'],
  [32, 'down'],
  [64, 'unaddressed'],
];
/** More than these in one drain, and they count as any; so many rows are told, and of the rest their device. */
const MOST_DEVICES = 256;
const MOST_ROWS = 256;

/** Kernel notices of this network namespace, our own writes included. tcx links have none: those are polled. */
export class ChangeMonitor {
  private readonly handle = native('canal_monitor_open', 'monitor');
  private readonly buffer: Buffer;
  private readonly rows = Buffer.alloc(MOST_ROWS * canalToldCodec.size);
  private readonly rowCount = Buffer.alloc(4);
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly mostDevices = MOST_DEVICES) {
    this.buffer = Buffer.alloc(mostDevices * canalNoticeCodec.size);
  }

  /** Changes since the last call; does not wait. What a call of ours has changed is told from its return on. About 5 microseconds where there is nothing. */
  drain(): Heard {
    if (this.closed) return NOTHING;
    const count = native('canal_monitor_drain', 'monitor', this.handle, this.buffer, this.mostDevices, this.rows, MOST_ROWS, this.rowCount);
    const rowCount = this.rowCount.readUInt32LE(0);
    if (count === 0 && rowCount === 0) return NOTHING;
    const changes = new Map<Change, Set<number>>();
    for (const { ifindex, changed } of decodeAll(canalNoticeCodec, this.buffer, count)) {
      for (const [bit, change] of BITS) if ((changed & bit) !== 0) addNotice(changes, change, ifindex);
    }
    return { changes, told: decodeAll(canalToldCodec, this.rows, rowCount).map(toldOf) };
  }

  /** To be waited for; see Waker. */
  get fd(): number {
    return native('canal_monitor_fd', 'monitor', this.handle);
  }

  /** Looks every `intervalMs` and tells of changes. Keeps no process alive. */
  watch(intervalMs: number, onChange: (heard: Heard) => void): void {
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      const heard = this.drain();
      if (heard !== NOTHING) onChange(heard);
    }, intervalMs).unref();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.timer);
    nativeResult('canal_monitor_close', this.handle);
  }
}

const NOTHING: Heard = { changes: new Map(), told: [] };

function toldOf({ change, gone, row }: { readonly change: number; readonly gone: number; readonly row: Uint8Array }): Told {
  const is = { gone: gone !== 0 };
  if (change === 4) return { ...is, change: 'route', raw: decode(canalRouteCodec, row) };
  if (change === 8) return { ...is, change: 'neighbour', raw: decode(canalNeighCodec, row) };
  return { ...is, change: 'tc', raw: decode(canalAttachmentCodec, row) };
}

export function addNotice(notices: Map<Change, Set<number>>, change: Change, ifindex: number): void {
  (notices.get(change) ?? notices.set(change, new Set()).get(change)!).add(ifindex);
}
