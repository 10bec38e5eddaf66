/** A row that could not be written or removed, and when it is tried again. */
export interface Failure {
  readonly error: Error;
  readonly attempts: number;
  /** Monotonic milliseconds. */
  readonly retryAtMs: number;
  /** What was asked for; a different wish is tried at once. Undefined: removal. */
  readonly wish: unknown;
}

export interface BackoffLimits {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Quick enough that a passing fault (a device not up yet) heals within the second, slow enough to be quiet about a lasting one. */
export const ROW_BACKOFF: BackoffLimits = { firstMs: 100, longestMs: 30_000 };

/** The next failure record: doubles its wait each time the same wish fails. */
export function failedAgain(previous: Failure | undefined, error: Error, wish: unknown, nowMs: number, limits = ROW_BACKOFF): Failure {
  const attempts = (previous?.attempts ?? 0) + 1;
  const waitMs = Math.min(limits.longestMs, limits.firstMs * 2 ** Math.min(20, attempts - 1));
  return { error, attempts, retryAtMs: nowMs + waitMs, wish };
}
