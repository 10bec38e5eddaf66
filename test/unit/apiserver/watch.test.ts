import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../agent/apiserver/kube-object.js';
import { builtInKinds } from '../../../agent/apiserver/registry/kinds.js';
import { Registry } from '../../../agent/apiserver/registry/registry.js';
import { ObjectStore } from '../../../agent/apiserver/storage/object-store.js';
import type { ApiContext } from '../../../agent/apiserver/verbs/context.js';
import { Watcher } from '../../../agent/apiserver/verbs/watch.js';

const registry = new Registry(builtInKinds());
const kind = registry.byId('configmaps')!;
const object = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'x' } });
const contextOf = (store: ObjectStore): ApiContext => ({ store, registry, now: () => 0, admission: { admitCreate: () => undefined, admitUpdate: () => undefined } });
const options = { selects: undefined, bookmarks: true, sendInitialEvents: false };

describe('a watcher', () => {
  it('that falls further behind than the log reaches is told 410, and held nothing meanwhile', () => {
    const store = new ObjectStore(undefined);
    const watcher = new Watcher(contextOf(store), kind, '', { ...options, resourceVersion: '' });
    for (let i = 0; i < 9000; i++) store.put('configmaps', 'x/a', object('a'));
    expect(() => watcher.take()).toThrow(expect.objectContaining({ code: 410, reason: 'Expired' }) as Error);
  });

  it('sees every change of its namespace once, in order, however it is drained', () => {
    const store = new ObjectStore(undefined);
    const watcher = new Watcher(contextOf(store), kind, 'x', { ...options, resourceVersion: '1' });
    const seen: unknown[] = [];
    const drain = (): void => {
      for (let events = watcher.take(); events.length > 0; events = watcher.take()) for (const { type, object: { metadata } } of events) seen.push(`${type} ${String(metadata['name'])}`);
    };
    store.put('configmaps', 'x/a', object('a'));
    drain();
    store.put('configmaps', 'y/other', object('other'));
    store.put('configmaps', 'x/b', object('b'));
    store.put('configmaps', 'x/a', object('a'));
    store.remove('configmaps', 'x/b');
    drain();
    expect(seen).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b']);
  });

  it('carries the newest revision in its bookmarks even when only other kinds changed', () => {
    const store = new ObjectStore(undefined);
    const watcher = new Watcher(contextOf(store), kind, '', { ...options, resourceVersion: '1' });
    for (let i = 0; i < 5; i++) store.put('secrets', 'x/a', object('a'));
    watcher.take();
    expect(watcher.bookmark().object.metadata['resourceVersion']).toBe(String(store.revision));
  });
});
