import type { Clock } from '../base/clock.js';
import { ApiError, fromStatus, isExpired } from './api-error.js';
import { Backoff } from './backoff.js';
import type { KubeClient, WatchEvent } from './client.js';
import { fields, text, type Decoder } from './decode/field.js';
import { isAnswer, type Contact, type ReflectorHealth, type ReflectorState } from './health.js';
import type { Resource } from './resource.js';
import type { Sink } from './sink.js';
import { openWatch } from './watch-session.js';

export interface ReflectorOptions<T> {
  readonly resource: Resource;
  readonly decode: Decoder<T>;
  /** The sink's key of an object; namespace is empty for cluster-wide kinds. */
  readonly key: (namespace: string, name: string) => string;
  readonly sink: Sink<T>;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly contact: Contact;
  /** 0 <= random() < 1; for jitter. */
  readonly random: () => number;
}

const PAGE = 500;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;
/** After this many answered but failed watches in a row the version itself is in doubt: list. */
const WATCHES_BEFORE_LIST = 3;

/**
 * Keeps a sink equal to one resource of the API server: a paged, consistent
 * list, then a watch from its version, for ever. See README.md for what it does
 * about each way in which that fails. The sink may be called at any time until
 * `run` has resolved.
 */
export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  /** Keys that the sink has. */
  readonly #known = new Set<string>();
  /** Where to go on watching; empty: list first. */
  #version = '';
  /** Off for one list after the continue token ran out during paging. */
  #paged = true;
  #state: ReflectorState = 'waiting';
  #synced = false;
  /** Whether the last watch brought changes. */
  #busy = false;
  #lastContactMs: number | undefined;
  #lastError = '';
  #refusedWatches = 0;
  /** Whether the server answered the attempt that failed last. */
  #answered = true;
  /** Whether the server has answered since it was lost. */
  #heard = false;
  #lists = 0;
  #watches = 0;
  #events = 0;
  #badObjects = 0;
  #silentWatches = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: BACKOFF_BASE_MS, capMs: BACKOFF_CAP_MS, random: options.random });
  }

  /** Runs until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === '') await this.#list(signal);
        else await this.#watch(signal);
      } catch (error) {
        if (!signal.aborted) await this.#recover(error, signal);
      }
    }
    this.#state = 'closed';
  }

  health(): ReflectorHealth {
    return {
      resource: this.#options.resource.plural,
      state: this.#state,
      synced: this.#synced,
      lastContactMs: this.#lastContactMs,
      failures: this.#backoff.failures,
      lastError: this.#lastError,
      resourceVersion: this.#version,
      objects: this.#known.size,
      lists: this.#lists,
      watches: this.#watches,
      events: this.#events,
      badObjects: this.#badObjects,
      silentWatches: this.#silentWatches,
    };
  }

  /**
   * resourceVersion is left out of the request: a quorum read, so a later list
   * never shows less than an earlier one, also across API servers of unequal age.
   */
  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, sink } = this.#options;
    this.#state = 'listing';
    this.#lists++;
    const seen = new Set<string>();
    let next = '';
    let version = '';
    do {
      const page = await client.list(resource, { limit: this.#paged ? PAGE : undefined, continue: next, signal });
      this.#touch();
      if (signal.aborted) return;
      for (const item of page.items) {
        const key = this.#put(item);
        if (key !== undefined) seen.add(key);
      }
      version = page.resourceVersion;
      next = page.continue;
    } while (next !== '');
    for (const key of [...this.#known]) if (!seen.has(key)) this.#gone(key);
    this.#paged = true;
    this.#version = version;
    this.#refusedWatches = 0;
    this.#synced = true;
    sink.synced();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, resource, clock, random } = this.#options;
    this.#state = 'watching';
    this.#watches++;
    const session = await openWatch({
      client, resource, clock, random, signal,
      resourceVersion: this.#version,
      busy: this.#busy,
      settled: () => this.#progress(),
    });
    let changes = 0;
    for await (const event of session.events) {
      if (signal.aborted) return;
      this.#touch();
      if (this.#apply(event)) changes++;
      this.#progress();
    }
    if (session.silent()) this.#silentWatches++;
    this.#busy = changes > 0;
  }

  /** Whether the event was of an object (and not a bookmark). */
  #apply(event: WatchEvent): boolean {
    if (event.type === 'ERROR') throw fromStatus(event.object, { message: 'watch error without a Status' });
    const version = text(fields(fields(event.object)['metadata'])['resourceVersion']);
    if (event.type === 'ADDED' || event.type === 'MODIFIED') this.#put(event.object);
    else if (event.type === 'DELETED') this.#remove(event.object);
    else if (event.type !== 'BOOKMARK') this.#badObjects++;
    // After the sink has it, so that whatever goes wrong is seen again.
    if (version !== '') this.#version = version;
    this.#refusedWatches = 0;
    if (event.type !== 'BOOKMARK') this.#events++;
    return event.type !== 'BOOKMARK';
  }

  #put(raw: unknown): string | undefined {
    const key = this.#keyOf(raw);
    if (key === undefined) return undefined;
    const { value, problems } = this.#options.decode(raw);
    this.#known.add(key);
    this.#options.sink.put(key, value, problems);
    return key;
  }

  #remove(raw: unknown): void {
    const key = this.#keyOf(raw);
    if (key !== undefined) this.#gone(key);
  }

  #gone(key: string): void {
    this.#known.delete(key);
    this.#options.sink.gone(key);
  }

  #keyOf(raw: unknown): string | undefined {
    const metadata = fields(fields(raw)['metadata']);
    const name = text(metadata['name']);
    const namespace = text(metadata['namespace']);
    if (name === '' || (this.#options.resource.namespaced && namespace === '')) {
      this.#badObjects++;
      return undefined;
    }
    return this.#options.key(namespace, name);
  }

  /** Decides where to go on after `error`, and waits. */
  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { contact, resource } = this.#options;
    const listing = this.#version === '';
    this.#lastError = error instanceof Error ? error.message : String(error);
    if (isExpired(error)) {
      // Ordinary, not a loss: the server compacted its history. A list that expired in mid-paging is taken whole.
      if (listing) this.#paged = !this.#paged;
      this.#version = '';
      // Also the first answer after an outage: the waits grew for want of one.
      const first = this.#backoff.failures === 0 || !this.#answered;
      this.#answered = true;
      if (first) return void this.#backoff.nextMs();
    } else if (!listing && doubtsVersion(error, ++this.#refusedWatches)) {
      this.#version = '';
    }
    this.#answered = error instanceof ApiError && error.status !== undefined;
    // The first answer of an outage, though a refusal (a server that starts does not know yet who may what): the waits grew for want of any.
    if (!this.#heard && isAnswer(error)) {
      this.#heard = true;
      this.#backoff.reset();
    }
    contact.failed(resource.plural, error);
    this.#state = 'waiting';
    const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : undefined;
    await contact.sleep(this.#backoff.nextMs(retryAfterMs), error, signal);
  }

  #touch(): void {
    this.#lastContactMs = this.#options.clock.now();
  }

  /**
   * The server serves watches: an event, or a stream that stays open. A list
   * alone is no sign: where lists work and watches do not, waits must grow.
   */
  #progress(): void {
    this.#touch();
    if (this.#backoff.failures === 0) return;
    this.#backoff.reset();
    this.#heard = false;
    this.#lastError = '';
    this.#options.contact.good(this.#options.resource.plural);
  }
}

/** Answers that say nothing about the version: no permission, too much load, not there. */
const UNRELATED = new Set([401, 403, 408, 429, 502, 503]);

/** Whether to list rather than watch again: the server does not know our version (restored from a backup, another server altogether), or keeps failing at it. */
function doubtsVersion(error: unknown, refusals: number): boolean {
  if (!(error instanceof ApiError)) return false;
  if (error.status === 400 || (error.status === 504 && error.message.includes('Too large resource version'))) return true;
  const answered = error.reason === 'BadStream' || (error.status !== undefined && !UNRELATED.has(error.status));
  return answered && refusals >= WATCHES_BEFORE_LIST;
}
