import type { Clock } from '../base/clock.js';
import { acceptedAnswer, readObject, subjectOf, toPage, watchEvents } from './answer.js';
import type { ListPage, RawObject, WatchEvent } from './api-object.js';
import type { Connection } from './connection.js';
import { collectionPath, objectPath, type ObjectRef, type Resource } from './resource.js';
import { Transport, type Exchange } from './transport.js';

export type { ListPage, RawObject, WatchEvent };

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
/** Lists come one page at a time, so that a big cluster costs no memory peak. */
export function createKubeClient(connection: Connection, clock: Clock): KubeClient {
  const transport = new Transport(connection, clock);
  const call = async (exchange: Omit<Exchange, 'timeoutMs'>, timeoutMs = REQUEST_TIMEOUT_MS): Promise<RawObject> => {
    const answer = await acceptedAnswer(transport, connection, clock, { ...exchange, timeoutMs });
    return readObject(answer, clock, timeoutMs, subjectOf(exchange));
  };
  const write = (method: 'PATCH' | 'POST' | 'DELETE', path: string, type: string, body: unknown, options: WriteOptions): Promise<RawObject> =>
    call({
      method,
      path: path + query({ fieldManager: options.fieldManager }),
      headers: { 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: options.signal,
    });
  return {
    get: (resource, ref, options = {}) => call({ method: 'GET', path: objectPath(resource, ref, options.subresource), signal: options.signal }),
    async list(resource, options = {}) {
      const path = collectionPath(resource, options.namespace) + query(listQuery(options));
      return toPage(await call({ method: 'GET', path, signal: options.signal }, LIST_TIMEOUT_MS), path);
    },
    async watch(resource, options) {
      const path = collectionPath(resource, options.namespace) + query(watchQuery(options));
      const exchange = { method: 'GET', path, headers: { 'accept-encoding': 'identity' }, timeoutMs: WATCH_OPEN_TIMEOUT_MS, signal: options.signal } as const;
      return watchEvents(await acceptedAnswer(transport, connection, clock, exchange));
    },
    patch: (resource, ref, kind, body, options = {}) =>
      write('PATCH', objectPath(resource, ref, options.subresource), PATCH_TYPE[kind], body, options),
    create: (resource, namespace, body, options = {}) => write('POST', collectionPath(resource, namespace), 'application/json', body, options),
    remove: (resource, ref, body, options = {}) => write('DELETE', objectPath(resource, ref), 'application/json', body, options),
    close: () => transport.close(),
  };
}

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
  return given.size === 0 ? '' : `?${given.toString()}`;
}
