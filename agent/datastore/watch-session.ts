import type { Clock } from '../base/clock.js';
import { ApiError } from './api-error.js';
import type { KubeClient, WatchEvent } from './client.js';
import type { Resource } from './resource.js';

export interface WatchSessionOptions {
  readonly client: KubeClient;
  readonly resource: Resource;
  readonly resourceVersion: string;
  /** Whether events are to be expected: then silence itself tells of a dead stream, and it may last long. */
  readonly busy: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Called when the stream has stayed open for a second. */
  readonly settled: () => void;
}

export interface WatchSession {
  /** Ends when the server ends the watch, and when it is silent for too long. Throws ApiError when it breaks. */
  readonly events: AsyncIterable<WatchEvent>;
  /** Whether it was given up for silence. */
  silent(): boolean;
}

/** Nothing came for so long: the stream is taken for dead. With the 7 s to open the next one, below 30 s. */
const SILENCE_MS = 22_000;
/** Seconds that a watch lasts where the last one brought nothing: the server ends it before silence would. */
const QUIET_SECONDS = { from: 16, to: 20 };
const BUSY_SECONDS = { from: 300, to: 600 };
/** A watch that ends sooner and brought nothing is a failure; otherwise a broken server would be asked in a tight loop. */
const SETTLED_MS = 1_000;

/** One watch request with a guard against half-open connections (README.md, "Half-open"). */
export async function openWatch(options: WatchSessionOptions): Promise<WatchSession> {
  const { client, resource, resourceVersion, random, signal } = options;
  const attempt = new AbortController();
  const abort = (): void => attempt.abort();
  signal.addEventListener('abort', abort, { once: true });
  const close = (): void => {
    attempt.abort();
    signal.removeEventListener('abort', abort);
  };
  if (signal.aborted) close();
  const bounds = options.busy ? BUSY_SECONDS : QUIET_SECONDS;
  const timeoutSeconds = Math.round(bounds.from + random() * (bounds.to - bounds.from));
  try {
    const source = await client.watch(resource, { resourceVersion, timeoutSeconds, signal: attempt.signal });
    return guarded(source, options, attempt, close);
  } catch (error) {
    close();
    throw error;
  }
}

function guarded(source: AsyncIterable<WatchEvent>, options: WatchSessionOptions, attempt: AbortController, close: () => void): WatchSession {
  const { clock } = options;
  const opened = clock.monotonic();
  let last = opened;
  let count = 0;
  let silent = false;

  const guard = async (): Promise<void> => {
    await clock.sleep(SETTLED_MS, attempt.signal);
    if (!attempt.signal.aborted) options.settled();
    while (!attempt.signal.aborted) {
      const left = last + SILENCE_MS - clock.monotonic();
      if (left > 0) {
        await clock.sleep(left, attempt.signal);
      } else {
        silent = true;
        attempt.abort();
      }
    }
  };

  async function* events(): AsyncGenerator<WatchEvent, void, undefined> {
    void guard();
    try {
      for await (const event of source) {
        last = clock.monotonic();
        count++;
        yield event;
      }
    } catch (error) {
      if (!silent) throw error;
    } finally {
      close();
    }
    if (!silent && count === 0 && clock.monotonic() - opened < SETTLED_MS) {
      throw new ApiError('watch ended at once', { reason: 'ShortWatch', subject: options.resource.plural });
    }
  }
  return { events: events(), silent: () => silent };
}
