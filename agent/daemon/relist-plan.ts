/** Everything is looked at this often, whatever the notices say. */
const EVERY_MS = 60_000;

/**
 * When what is to be listed anew: at first everything, later one thing after
 * another, evenly over the minute, so that no apply waits for all of it.
 */
export class RelistPlan<Thing> {
  readonly #dueMs: Map<Thing, number>;

  constructor(things: readonly Thing[]) {
    this.#dueMs = new Map(things.map((thing) => [thing, 0]));
  }

  /** When the next one is due. */
  get nextMs(): number {
    return Math.min(...this.#dueMs.values());
  }

  /** What is due now, and not again for a minute. */
  take(nowMs: number): Thing[] {
    const due = [...this.#dueMs].filter(([, dueMs]) => nowMs >= dueMs).map(([thing]) => thing);
    due.forEach((thing, i) => this.#dueMs.set(thing, nowMs + EVERY_MS - (i * EVERY_MS) / this.#dueMs.size));
    return due;
  }
}
