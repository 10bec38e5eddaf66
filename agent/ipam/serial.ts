/** Work in turn, one queue a key; queues of different keys know nothing of each other. */
export class Serial {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** Runs `work` after all earlier work of this key has ended, however it ended. */
  run<T>(key: string, work: () => Promise<T> | T): Promise<T> {
    const before = this.tails.get(key) ?? Promise.resolve();
    const mine = before.then(() => work());
    const tail = mine.then(
      () => undefined,
      () => undefined,
    );
    this.tails.set(key, tail);
    void tail.then(() => {
      if (this.tails.get(key) === tail) this.tails.delete(key);
    });
    return mine;
  }

  /** Keys with work under way or waiting. */
  get size(): number {
    return this.tails.size;
  }
}
