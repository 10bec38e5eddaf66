import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../../../agent/apiserver/storage/journal.js';
import { ObjectStore } from '../../../agent/apiserver/storage/object-store.js';
import { WatchLog } from '../../../agent/apiserver/storage/watch-log.js';
import type { KubeObject } from '../../../agent/apiserver/kube-object.js';

const object = (name: string, data = ''): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'x' }, data: { data } });
const names = (objects: readonly KubeObject[] | undefined): unknown => objects?.map(({ metadata }) => metadata.name);

describe('the store', () => {
  it('gives every change the next revision and shows an earlier one by undoing newer changes', () => {
    const store = new ObjectStore(undefined);
    const first = store.put('configmaps', 'x/a', object('a'));
    store.put('configmaps', 'x/b', object('b'));
    const before = store.revision;
    store.put('configmaps', 'x/a', object('a', 'changed'));
    store.remove('configmaps', 'x/b');
    expect(store.revision).toBe(Number(first.metadata.resourceVersion) + 3);
    expect(names(store.list('configmaps'))).toEqual(['a']);
    expect(names(store.listAt('configmaps', '', before))).toEqual(['a', 'b']);
    expect(store.listAt('configmaps', '', before)?.[0]?.['data']).toEqual({ data: '' });
  });

  it('lists by key and only under the prefix', () => {
    const store = new ObjectStore(undefined);
    for (const key of ['y/b', 'x/c', 'x/a', 'xy/z']) store.put('configmaps', key, object(key));
    expect(names(store.list('configmaps', 'x/'))).toEqual(['x/a', 'x/c']);
  });
});

describe('the watch log', () => {
  it('returns changes after a revision and refuses one that it has forgotten', () => {
    const log = new WatchLog(3, 0);
    for (let revision = 1; revision <= 10; revision++) log.append({ type: 'ADDED', revision, key: 'k', object: object('k'), previous: undefined });
    expect(log.after(7)?.map(({ revision }) => revision)).toEqual([8, 9, 10]);
    expect(log.after(9, 5)?.map(({ revision }) => revision)).toEqual([10]);
    expect(log.after(10)).toEqual([]);
    expect(log.after(6)).toBeUndefined();
  });
});

describe('the journal', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'canal-journal-'))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('restores objects and the revision, also that of a removal', () => {
    const store = new ObjectStore(new Journal(directory));
    store.put('configmaps', 'x/a', object('a'));
    store.put('configmaps', 'x/b', object('b'));
    store.remove('configmaps', 'x/b');
    const { revision } = store;
    store.close();
    const again = new ObjectStore(new Journal(directory));
    expect(names(again.list('configmaps'))).toEqual(['a']);
    expect(again.revision).toBe(revision);
    again.close();
  });

  it('drops a last line that was cut short and goes on after it', () => {
    const store = new ObjectStore(new Journal(directory));
    store.put('configmaps', 'x/a', object('a'));
    store.close();
    appendFileSync(join(directory, 'objects.jsonl'), '{"r":9,"put":"configmaps","key":"x/b","obj');
    const again = new ObjectStore(new Journal(directory));
    again.put('configmaps', 'x/c', object('c'));
    again.close();
    const third = new ObjectStore(new Journal(directory));
    expect(names(third.list('configmaps'))).toEqual(['a', 'c']);
    third.close();
  });

  it('refuses a file that is damaged in the middle, naming the line', () => {
    const store = new ObjectStore(new Journal(directory));
    store.close();
    appendFileSync(join(directory, 'objects.jsonl'), 'garbage\n{"r":2,"del":"x","key":"y"}\n');
    expect(() => new ObjectStore(new Journal(directory))).toThrow(expect.objectContaining({ code: 'DATASTORE', subject: expect.stringMatching(/objects\.jsonl:2$/) as string }) as Error);
  });

  it('compacts once most of the file is history, and loses nothing by it', () => {
    const store = new ObjectStore(new Journal(directory));
    const big = 'x'.repeat(200_000);
    for (let i = 0; i < 100; i++) store.put('configmaps', 'x/a', object('a', `${big}${i}`));
    const { revision } = store;
    store.close();
    const path = join(directory, 'objects.jsonl');
    expect(statSync(path).size).toBeLessThan(16 << 20);
    expect(readFileSync(path, 'utf8').startsWith('{"format":1')).toBe(true);
    const again = new ObjectStore(new Journal(directory));
    expect(again.get('configmaps', 'x/a')?.['data']).toEqual({ data: `${big}99` });
    expect(again.revision).toBe(revision);
    again.close();
  });
});
