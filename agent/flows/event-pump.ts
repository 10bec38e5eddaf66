import type { Clock } from '../base/clock.js';
import { decodeEvent, type FlowEvent } from './flow-event.js';

/** The ring buffer, as kernel/ opens it: what is in it now, one record each. Does not wait. */
export interface EventRing {
  drain(): readonly Uint8Array[];
}

/** How often the ring is looked into while there is something in it: it holds some 10,000 events, a hundred times what the rate limit lets in meanwhile. */
const INTERVAL_MS = 100;
/** And how often at most while there is nothing, which grows by doubling. A reader does not wait for it: it has the ring drained. */
const QUIET_MS = 800;
/** Ring-fulls taken in one go, so that a flood cannot keep the agent from its other work. */
const ROUNDS = 8;

/** Moves events out of the ring until closed. */
export class EventPump {
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** Records that no decoder knew. */
  unreadable = 0;

  constructor(
    private readonly ring: EventRing,
    private readonly clock: Clock,
    private readonly onEvent: (event: FlowEvent) => void,
  ) {}

  start(): void {
    this.#running ??= this.#forever();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** @returns whether there was anything. @throws what the ring throws */
  drainNow(): boolean {
    for (let round = 0; round < ROUNDS; round++) {
      const records = this.ring.drain();
      if (records.length === 0) return round > 0;
      for (const record of records) {
        const event = decodeEvent(record);
        if (event === undefined) this.unreadable++;
        else this.onEvent(event);
      }
    }
    return true;
  }

  async #forever(): Promise<void> {
    for (let waitMs = INTERVAL_MS; !this.#stop.signal.aborted; ) {
      waitMs = this.drainNow() ? INTERVAL_MS : Math.min(QUIET_MS, waitMs * 2);
      await this.clock.sleep(waitMs, this.#stop.signal);
    }
  }
}
