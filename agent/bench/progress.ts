/** How much of a run is done, and how long the rest takes at the pace so far. */
export class Progress {
  readonly #startMs: number;
  #done = 0;

  /** @param total turns that are to be measured */
  constructor(
    private total: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#startMs = now();
  }

  turn(): void {
    this.#done++;
  }

  /** Turns that were not foreseen. */
  more(turns: number): void {
    this.total += turns;
  }

  /** As people read it. */
  get text(): string {
    if (this.#done === 0) return '0 % done';
    const left = ((this.now() - this.#startMs) / this.#done) * (this.total - this.#done);
    return `${Math.floor((100 * this.#done) / this.total)} % done, some ${left < 90_000 ? `${Math.ceil(left / 1000)} s` : `${Math.round(left / 60_000)} min`} left`;
  }
}
