import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import { isExpired } from '../../datastore/api-error.js';
import { Backoff } from '../../datastore/backoff.js';
import type { KubeClient } from '../../datastore/client.js';
import type { Resource } from '../../datastore/resource.js';
import type { ObjectCache } from './object-cache.js';
import type { KubeObject } from './objects.js';

const WATCH_SECONDS = 600;

export interface WatcherOptions {
  readonly client: KubeClient;
  readonly resource: Resource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Keeps a cache equal to the API server's objects of one kind until the signal
 * aborts. Resolves once the first list is in; throws if the signal comes first.
 */
export function follow<T extends KubeObject>(cache: ObjectCache<T>, options: WatcherOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    options.signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
    void loop(cache, options, resolve);
  });
}

async function loop<T extends KubeObject>(cache: ObjectCache<T>, options: WatcherOptions, listed: () => void): Promise<void> {
  const backoff = new Backoff({ baseMs: 50, capMs: 2_000, random: Math.random });
  let version: string | undefined;
  while (!options.signal.aborted) {
    try {
      version ??= await list(cache, options);
      listed();
      version = await watch(cache, version, options);
      backoff.reset();
    } catch (error) {
      if (options.signal.aborted) return;
      // Where a watch broke off is not known: what it sent after the last version we keep is seen again.
      version = undefined;
      if (!isExpired(error)) options.log.debug({ err: error, resource: options.resource.plural }, 'watch ended');
      await options.clock.sleep(backoff.nextMs(), options.signal);
    }
  }
}

async function list<T extends KubeObject>(cache: ObjectCache<T>, { client, resource, signal }: WatcherOptions): Promise<string> {
  const page = await client.list(resource, { signal });
  cache.replace(page.items as T[]);
  return page.resourceVersion;
}

async function watch<T extends KubeObject>(cache: ObjectCache<T>, from: string, { client, resource, signal }: WatcherOptions): Promise<string> {
  let version = from;
  for await (const event of await client.watch(resource, { resourceVersion: version, timeoutSeconds: WATCH_SECONDS, signal })) {
    const object = event.object as T;
    if (event.type === 'ERROR') throw new Error(JSON.stringify(object));
    if (event.type === 'DELETED') cache.remove(object);
    else if (event.type !== 'BOOKMARK') cache.put(object);
    version = object.metadata.resourceVersion ?? version;
  }
  return version;
}
