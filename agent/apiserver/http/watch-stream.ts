import { once } from 'node:events';
import type { KubeObject } from '../kube-object.js';
import { resourceIdOf, type Kind } from '../registry/kind.js';
import { ApiError } from '../status.js';
import type { ApiContext } from '../verbs/context.js';
import { Watcher, type WatchEvent, type WatchOptions } from '../verbs/watch.js';
import { statusOf, type Exchange } from './exchange.js';

const BOOKMARK_INTERVAL_MS = 60_000;
/** The last bookmark comes so long before the end, as a real server's: who watches again then has missed little. */
const LAST_BOOKMARK_MS = 2000;

/** Renders the object of an event: as it is, as a Table, or its metadata only. */
export type Render = (object: KubeObject) => unknown;

/**
 * Streams changes as JSON lines until the client goes, the time is up or the
 * watcher has fallen behind. It writes only as fast as the client reads:
 * what waits, waits in the log.
 */
export async function streamWatch(exchange: Exchange, context: ApiContext, kind: Kind, namespace: string, options: WatchOptions, timeoutMs: number, render: Render | undefined, contentType: string): Promise<void> {
  const { response } = exchange;
  const watcher = openWatcher(context, kind, namespace, options);
  response.writeHead(200, { 'content-type': contentType, 'transfer-encoding': 'chunked', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  if (watcher instanceof ApiError) {
    response.end(line({ type: 'ERROR', object: watcher.status }, undefined));
    return;
  }
  const ended = new AbortController();
  const signal = new Signal();
  const stop = context.store.onChange(resourceIdOf(kind), () => signal.raise());
  const end = (): void => {
    ended.abort();
    signal.raise();
  };
  response.once('close', end);
  const timer = setTimeout(end, timeoutMs);
  const bookmarkDue = { now: false };
  const bookmark = (): void => {
    bookmarkDue.now = true;
    signal.raise();
  };
  const bookmarks = options.bookmarks ? [setInterval(bookmark, BOOKMARK_INTERVAL_MS), setTimeout(bookmark, Math.max(0, timeoutMs - LAST_BOOKMARK_MS))] : [];
  try {
    await pump(exchange, watcher, signal, ended.signal, bookmarkDue, render);
  } finally {
    stop();
    clearTimeout(timer);
    bookmarks.forEach(clearTimeout);
    response.off('close', end);
    response.end();
  }
}

/** A version that is forgotten is said in the stream, as a watcher that falls behind is told. @throws ApiError for what is no version */
function openWatcher(context: ApiContext, kind: Kind, namespace: string, options: WatchOptions): Watcher | ApiError {
  try {
    return new Watcher(context, kind, namespace, options);
  } catch (error) {
    if (error instanceof ApiError && error.code === 410) return error;
    throw error;
  }
}

async function pump(exchange: Exchange, watcher: Watcher, signal: Signal, ended: AbortSignal, bookmarkDue: { now: boolean }, render: Render | undefined): Promise<void> {
  while (!ended.aborted) {
    const events = takeOrError(watcher);
    if (events.length === 0 && bookmarkDue.now) events.push(watcher.bookmark());
    if (events.length === 0) {
      await signal.wait();
      continue;
    }
    bookmarkDue.now = false;
    const flowing = exchange.response.write(events.map((event) => line(event, render)).join(''));
    if (events.at(-1)?.type === 'ERROR') return;
    if (!flowing) await once(exchange.response, 'drain', { signal: ended }).catch(() => undefined);
  }
}

function takeOrError(watcher: Watcher): WatchEvent[] {
  try {
    return watcher.take();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return [{ type: 'ERROR', object: statusOf(error) }];
  }
}

const lines = new WeakMap<KubeObject, string>();

/** An object goes to many watchers: its text is made once. */
function line(event: WatchEvent, render: Render | undefined): string {
  if (render !== undefined && event.type !== 'ERROR') return `${JSON.stringify({ type: event.type, object: render(event.object as KubeObject) })}\n`;
  const object = event.object as KubeObject;
  let text = lines.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    lines.set(object, text);
  }
  return `{"type":"${event.type}","object":${text}}\n`;
}

/** A wake-up that is remembered while nobody waits. */
class Signal {
  private raised = false;
  private waiter: (() => void) | undefined;

  raise(): void {
    this.raised = true;
    this.waiter?.();
  }

  async wait(): Promise<void> {
    if (!this.raised) await new Promise<void>((resolve) => (this.waiter = resolve));
    this.raised = false;
    this.waiter = undefined;
  }
}
