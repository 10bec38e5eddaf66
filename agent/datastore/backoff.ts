/** Bounds of the waits between failed attempts. */
export interface BackoffOptions {
  /** Upper bound of the first wait. */
  readonly baseMs: number;
  /** Upper bound of every wait. */
  readonly capMs: number;
  /** 0 <= random() < 1. */
  readonly random: () => number;
}

/**
 * Exponential backoff with full jitter: the nth wait in a row is uniform in
 * 0 .. min(cap, base * 2^n), so a thousand agents that lost one API server do
 * not come back in step.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Counts a failure; gives how long to wait. A server's Retry-After is a lower bound, with jitter of up to as much again
   * on top: it is there and says when it wants to be asked, so failures before that do not lengthen the wait.
   */
  nextMs(retryAfterMs = 0): number {
    const { baseMs, capMs, random } = this.#options;
    const bound = Math.min(capMs, baseMs * 2 ** Math.min(this.#failures, 20));
    this.#failures++;
    if (retryAfterMs <= 0) return random() * bound;
    const toldMs = Math.min(retryAfterMs, MAX_RETRY_AFTER_MS);
    return toldMs + random() * Math.min(bound, Math.max(toldMs, baseMs));
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** No server's wish keeps policy stale for longer than this. */
const MAX_RETRY_AFTER_MS = 120_000;
