/** How many rows name each token (see relations.ts), kept up as rows come and go. */
export class TokenCounts {
  readonly #counts = new Map<string, number>();

  constructor(rows: Iterable<readonly string[]> = []) {
    for (const tokens of rows) this.add(tokens);
  }

  has(token: string): boolean {
    return this.#counts.has(token);
  }

  add(tokens: readonly string[]): void {
    for (const token of tokens) this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  remove(tokens: readonly string[]): void {
    for (const token of tokens) {
      const left = this.#counts.get(token)! - 1;
      if (left === 0) this.#counts.delete(token);
      else this.#counts.set(token, left);
    }
  }
}
