import type { FlowEvent } from './flow-event.js';

export interface NumberedEvent extends FlowEvent {
  /** Grows by one with each event, from 1. */
  readonly sequence: number;
}

/** The latest events, in bounded memory: the oldest make room. */
export class RecentEvents {
  readonly #ring: NumberedEvent[] = [];
  #sequence = 0;

  constructor(private readonly capacity: number) {}

  add(event: FlowEvent): void {
    this.#sequence++;
    this.#ring[(this.#sequence - 1) % this.capacity] = { ...event, sequence: this.#sequence };
  }

  /** Events with a higher number, oldest first, at most the last `limit`. */
  after(sequence: number, limit = this.capacity): NumberedEvent[] {
    const oldest = Math.max(this.#sequence - this.capacity, sequence, this.#sequence - limit);
    const events: NumberedEvent[] = [];
    for (let n = oldest + 1; n <= this.#sequence; n++) events.push(this.#ring[(n - 1) % this.capacity]!);
    return events;
  }

  /** Number of the latest event; 0: none yet. */
  get last(): number {
    return this.#sequence;
  }
}
