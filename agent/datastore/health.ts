import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { ApiError } from './api-error.js';

/** What a reflector does now. `waiting`: between failed attempts. */
export type ReflectorState = 'listing' | 'watching' | 'waiting' | 'closed';

export interface ReflectorHealth {
  /** Plural of its resource. */
  readonly resource: string;
  readonly state: ReflectorState;
  /** Whether one full list has been delivered. */
  readonly synced: boolean;
  /** Milliseconds since the epoch when the server last sent anything for it; undefined: never. */
  readonly lastContactMs: number | undefined;
  /** Failed attempts in a row; 0: all is well. */
  readonly failures: number;
  /** The last failure's text; empty once it is over. */
  readonly lastError: string;
  readonly resourceVersion: string;
  /** Objects known. */
  readonly objects: number;
  /** Counters since start. */
  readonly lists: number;
  readonly watches: number;
  readonly events: number;
  /** Events and items that are no objects. */
  readonly badObjects: number;
  /** Streams given up because nothing came on them. */
  readonly silentWatches: number;
}

export interface DatastoreHealth {
  /** Every resource has been listed once. */
  readonly synced: boolean;
  /** No resource is failing. */
  readonly connected: boolean;
  /** The oldest of the resources' contacts; undefined while one never had any. */
  readonly lastContactMs: number | undefined;
  readonly resources: readonly ReflectorHealth[];
}

/** Said by what stands before an API server that does not answer. */
const GATEWAY = new Set([502, 503, 504]);

/** Whether the API server itself has answered, though not with what was asked. */
export const isAnswer = (error: unknown): boolean => error instanceof ApiError && error.status !== undefined && !GATEWAY.has(error.status);

/** Reasons of one outage that are logged; more would be texts that vary. */
const MAX_REASONS = 5;

/**
 * What the resources know together of the API server: one log line when it is
 * lost, one for each further reason, and one when it is back; and nobody sleeps
 * on once another has reached it.
 */
export class Contact {
  readonly #failing = new Set<string>();
  /** Reasons that were logged since it was lost: a broken watch is the first of many outages, and says least. */
  readonly #reasons = new Set<string>();
  readonly #asleep = new Set<AbortController>();
  readonly #log: Logger;
  readonly #clock: Clock;
  #lostAt = 0;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** No resource is failing. */
  get connected(): boolean {
    return this.#failing.size === 0;
  }

  failed(resource: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#failing.size === 0) {
      this.#lostAt = this.#clock.monotonic();
      this.#reasons.clear();
      this.#reasons.add(reason);
      this.#log.warn({ resource, err: error }, 'API server lost, will retry');
    } else if (this.#reasons.size < MAX_REASONS && !this.#reasons.has(reason)) {
      this.#reasons.add(reason);
      this.#log.warn({ resource, err: error }, 'API server still lost, for another reason');
    } else {
      this.#log.debug({ resource, err: error }, 'API request failed');
    }
    this.#failing.add(resource);
  }

  /**
   * Waits between attempts. Who had no answer at all tries again as soon as
   * another resource has one; an error that was answered is the resource's own.
   */
  async sleep(ms: number, error: unknown, signal: AbortSignal): Promise<void> {
    if (isAnswer(error)) return this.#clock.sleep(ms, signal);
    const sleeper = new AbortController();
    this.#asleep.add(sleeper);
    await this.#clock.sleep(ms, AbortSignal.any([signal, sleeper.signal]));
    this.#asleep.delete(sleeper);
  }

  good(resource: string): void {
    if (!this.#failing.delete(resource)) return;
    for (const sleeper of this.#asleep) sleeper.abort();
    if (this.#failing.size > 0) return;
    this.#log.info({ lostForMs: Math.round(this.#clock.monotonic() - this.#lostAt) }, 'API server regained');
  }
}
