import type { Clock } from '../base/clock.js';
import { ApiError, fromStatus, isUnauthorized, parseRetryAfter } from './api-error.js';
import type { Connection } from './connection.js';
import { jsonLines } from './json-lines.js';
import { collectionPath, objectPath, type ObjectRef, type Resource } from './resource.js';
import { Transport, type Answer, type Exchange } from './transport.js';

/** An object as JSON gave it: nothing about it is known. */
export type RawObject = Readonly<Record<string, unknown>>;

export interface ListPage {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  /** Token of the next page; empty: this was the last. */
  readonly continue: string;
}

export interface ListOptions {
  readonly namespace?: string;
  /** Objects a page; undefined: all at once. */
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions {
  readonly namespace?: string;
  readonly resourceVersion: string;
  /** When the server ends the stream by itself. */
  readonly timeoutSeconds: number;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Aborting it is how a watch is ended. */
  readonly signal: AbortSignal;
}

export interface WatchEvent {
  /** ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, or what a newer server may send. */
  readonly type: string;
  readonly object: unknown;
}

export interface WriteOptions {
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The Kubernetes API as plain requests. Every method throws {@link ApiError}:
 * with `status` and `reason` where the server answered, without where it did
 * not. Nothing is retried here but one 401, with credentials read anew.
 */
export interface KubeClient {
  get(resource: Resource, ref: ObjectRef, options?: WriteOptions): Promise<RawObject>;
  list(resource: Resource, options?: ListOptions): Promise<ListPage>;
  /** Resolves when the server has accepted the watch; its events end when the server ends them. */
  watch(resource: Resource, options: WatchOptions): Promise<AsyncIterable<WatchEvent>>;
  patch(resource: Resource, ref: ObjectRef, kind: PatchKind, body: unknown, options?: WriteOptions): Promise<RawObject>;
  create(resource: Resource, namespace: string | undefined, body: unknown, options?: WriteOptions): Promise<RawObject>;
  remove(resource: Resource, ref: ObjectRef, body?: unknown, options?: WriteOptions): Promise<RawObject>;
  /** Destroys all connections. */
  close(): void;
}

export type PatchKind = 'strategic' | 'merge' | 'json';

const PATCH_TYPE: Record<PatchKind, string> = {
  strategic: 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
};

const REQUEST_TIMEOUT_MS = 10_000;
/** A watch is accepted at once by a healthy server; with the reflector's idle limit this stays below 30 s. */
const WATCH_OPEN_TIMEOUT_MS = 7_000;
/** A page of a big cluster may take its time. */
const LIST_TIMEOUT_MS = 20_000;
/** V8 cannot hold a longer string. */
const MAX_BODY = 500 << 20;

/** Lists come one page at a time, so that a big cluster costs no memory peak. */
export function createKubeClient(connection: Connection, clock: Clock): KubeClient {
  const transport = new Transport(connection, clock);
  const send = (exchange: Exchange): Promise<Answer> => accepted(transport, connection, clock, exchange);
  const call = async (exchange: Omit<Exchange, 'timeoutMs'> & { timeoutMs?: number }): Promise<RawObject> => {
    const timeoutMs = exchange.timeoutMs ?? REQUEST_TIMEOUT_MS;
    return readObject(await send({ timeoutMs, ...exchange }), clock, timeoutMs, subjectOf(exchange));
  };
  return {
    get: (resource, ref, options = {}) =>
      call({ method: 'GET', path: objectPath(resource, ref, options.subresource), signal: options.signal }),
    async list(resource, options = {}) {
      const path = collectionPath(resource, options.namespace) + query(listQuery(options));
      const body = await call({ method: 'GET', path, timeoutMs: LIST_TIMEOUT_MS, signal: options.signal });
      return toPage(body, path);
    },
    async watch(resource, options) {
      const path = collectionPath(resource, options.namespace) + query(watchQuery(options));
      const headers = { 'accept-encoding': 'identity' };
      const answer = await send({ method: 'GET', path, headers, timeoutMs: WATCH_OPEN_TIMEOUT_MS, signal: options.signal });
      return watchEvents(answer);
    },
    patch: (resource, ref, kind, body, options = {}) =>
      call({
        method: 'PATCH',
        path: objectPath(resource, ref, options.subresource) + query({ fieldManager: options.fieldManager }),
        headers: { 'content-type': PATCH_TYPE[kind] },
        body: JSON.stringify(body),
        signal: options.signal,
      }),
    create: (resource, namespace, body, options = {}) =>
      call({
        method: 'POST',
        path: collectionPath(resource, namespace) + query({ fieldManager: options.fieldManager }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: options.signal,
      }),
    remove: (resource, ref, body, options = {}) =>
      call({
        method: 'DELETE',
        path: objectPath(resource, ref),
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: options.signal,
      }),
    close: () => transport.close(),
  };
}

const subjectOf = (exchange: { method: string; path: string }): string => `${exchange.method} ${exchange.path.split('?')[0]}`;

type Query = Record<string, string | number | boolean | undefined>;

const listQuery = (o: ListOptions): Query => ({
  limit: o.limit,
  continue: o.continue || undefined,
  labelSelector: o.labelSelector,
  fieldSelector: o.fieldSelector,
});

const watchQuery = (o: WatchOptions): Query => ({
  watch: true,
  allowWatchBookmarks: true,
  resourceVersion: o.resourceVersion,
  timeoutSeconds: o.timeoutSeconds,
  labelSelector: o.labelSelector,
  fieldSelector: o.fieldSelector,
});

function query(values: Query): string {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== undefined) given.set(key, String(value));
  return given.size === 0 ? '' : `?${given}`;
}

/** The answer when it is a 2xx; otherwise throws what the server said. */
async function accepted(transport: Transport, connection: Connection, clock: Clock, exchange: Exchange): Promise<Answer> {
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

async function readObject(answer: Answer, clock: Clock, idleMs: number, subject: string): Promise<RawObject> {
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

function toPage(body: RawObject, subject: string): ListPage {
  const metadata = (typeof body['metadata'] === 'object' && body['metadata'] !== null ? body['metadata'] : {}) as RawObject;
  // Go marshals an empty list as null in a few places.
  const items = body['items'] ?? [];
  const { resourceVersion, continue: next } = metadata;
  if (!Array.isArray(items) || typeof resourceVersion !== 'string' || resourceVersion === '') {
    throw new ApiError('API server answered with something other than a list', { subject });
  }
  return { items, resourceVersion, continue: typeof next === 'string' ? next : '' };
}

async function* watchEvents(answer: Answer): AsyncGenerator<WatchEvent, void, undefined> {
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
