import type { Clock } from '../base/clock.js';
import { ApiError, fromStatus, isUnauthorized, parseRetryAfter } from './api-error.js';
import type { ListPage, RawObject, WatchEvent } from './api-object.js';
import type { Connection } from './connection.js';
import { jsonLines } from './json-lines.js';
import type { Answer, Exchange, Transport } from './transport.js';

/** V8 cannot hold a longer string. */
const MAX_BODY = 500 << 20;

/** What an error is about: method and path. */
export const subjectOf = (exchange: { readonly method: string; readonly path: string }): string => `${exchange.method} ${exchange.path.split('?')[0]}`;

/** The answer when it is a 2xx; otherwise throws what the server said. */
export async function acceptedAnswer(transport: Transport, connection: Connection, clock: Clock, exchange: Exchange): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    const answer = await transport.send(exchange);
    if (answer.status >= 200 && answer.status < 300) return answer;
    const error = await refusal(answer, clock, exchange);
    if (!isUnauthorized(error) || attempt > 0) throw error;
    // A rotated token: the old one may be refused before we would have read the new one.
    connection.invalidate();
  }
}

async function refusal(answer: Answer, clock: Clock, exchange: Exchange): Promise<ApiError> {
  const subject = subjectOf(exchange);
  const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], clock.now());
  const body = await readText(answer, clock, exchange.timeoutMs, subject).catch(() => '');
  return fromStatus(parseOr(body), {
    message: `API server answered ${answer.status}${body.startsWith('{') ? '' : `: ${body.slice(0, 200).trim()}`}`,
    status: answer.status,
    subject,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** The body as an object; throws ApiError when it is none, and as `readText`. */
export async function readObject(answer: Answer, clock: Clock, idleMs: number, subject: string): Promise<RawObject> {
  const body = parseOr(await readText(answer, clock, idleMs, subject));
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as RawObject;
  throw new ApiError('API server answered with something other than a JSON object', { status: answer.status, subject });
}

/** The whole body; throws ApiError when no byte comes for `idleMs`, and when it breaks off. */
async function readText(answer: Answer, clock: Clock, idleMs: number, subject: string): Promise<string> {
  const done = new AbortController();
  let last = clock.monotonic();
  void (async () => {
    for (let left = idleMs; left > 0 && !done.signal.aborted; left = last + idleMs - clock.monotonic()) await clock.sleep(left, done.signal);
    if (!done.signal.aborted) answer.destroy();
  })();
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body) {
      last = clock.monotonic();
      chunks.push(chunk);
      if ((size += chunk.length) > MAX_BODY) throw new Error('body is too long');
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (cause) {
    answer.destroy();
    throw new ApiError('answer broke off', { subject, cause });
  } finally {
    done.abort();
  }
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A list's page; throws ApiError for anything else. */
export function toPage(body: RawObject, subject: string): ListPage {
  const metadata = (typeof body['metadata'] === 'object' && body['metadata'] !== null ? body['metadata'] : {}) as RawObject;
  // Go marshals an empty list as null in a few places.
  const items = body['items'] ?? [];
  const { resourceVersion, continue: next } = metadata;
  if (!Array.isArray(items) || typeof resourceVersion !== 'string' || resourceVersion === '') {
    throw new ApiError('API server answered with something other than a list', { subject });
  }
  return { items, resourceVersion, continue: typeof next === 'string' ? next : '' };
}

/** The events of a watch's answer; ends it when the reader stops. Throws ApiError. */
export async function* watchEvents(answer: Answer): AsyncGenerator<WatchEvent, void, undefined> {
  try {
    for await (const line of jsonLines(answer.body)) {
      const event = (typeof line === 'object' && line !== null ? line : {}) as RawObject;
      yield { type: String(event['type']), object: event['object'] };
    }
  } catch (cause) {
    throw cause instanceof ApiError ? cause : new ApiError('watch broke off', { cause });
  } finally {
    answer.destroy();
  }
}
