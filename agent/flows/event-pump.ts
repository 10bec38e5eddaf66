import type { Clock } from '../base/clock.js';
import { decodeEvent, type FlowEvent } from './flow-event.js';

/** The ring buffer, as kernel/ opens it: what is in it now, one record each. Does not wait. */
export interface EventRing {
  drain(): readonly Uint8Array[];
}

/** How often the ring is looked into: it holds some 10,000 events, a hundred times what the rate limit lets in meanwhile. */
const INTERVAL_MS = 100;
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

  /** @throws what the ring throws */
  drainNow(): void {
    for (let round = 0; round < ROUNDS; round++) {
      const records = this.ring.drain();
      if (records.length === 0) return;
      for (const record of records) {
        const event = decodeEvent(record);
        if (event === undefined) this.unreadable++;
        else this.onEvent(event);
      }
    }
  }

  async #forever(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.drainNow();
      await this.clock.sleep(INTERVAL_MS, this.#stop.signal);
    }
  }
}
