import type { KubeObject } from '../kube-object.js';
import type { Journal } from './journal.js';
import { WatchLog, type StoreEvent } from './watch-log.js';

/** How many changes of each resource a watcher may lag behind. */
const WATCH_LOG_CAPACITY = 8192;

/** A resource's name in the store: `resource.group`, or `resource` for core. */
export type ResourceId = string;

interface Shelf {
  readonly objects: Map<string, KubeObject>;
  readonly log: WatchLog;
  readonly listeners: Set<() => void>;
}

/**
 * Objects by resource and key with one revision counter, as etcd behind a
 * real API server: every change takes the next revision. All methods are
 * synchronous, so what a request reads and writes is one transaction. The
 * journal has a change before anybody sees it.
 */
export class ObjectStore {
  private readonly shelves = new Map<ResourceId, Shelf>();
  private revisionNow: number;
  private readonly startRevision: number;

  constructor(private readonly journal: Journal | undefined) {
    const restored = journal?.load();
    this.revisionNow = Math.max(restored?.revision ?? 0, 1);
    this.startRevision = this.revisionNow;
    for (const { resource, key, object } of restored?.entries ?? []) this.shelf(resource).objects.set(key, object);
  }

  /** The newest revision; an empty list carries it. */
  get revision(): number {
    return this.revisionNow;
  }

  get(resource: ResourceId, key: string): KubeObject | undefined {
    return this.shelf(resource).objects.get(key);
  }

  /** Writes an object that carries no or an old resourceVersion; returns it with the new one. */
  put(resource: ResourceId, key: string, object: KubeObject): KubeObject {
    const shelf = this.shelf(resource);
    const revision = this.revisionNow + 1;
    const stored = withRevision(object, revision);
    this.journal?.put(revision, resource, key, stored);
    this.revisionNow = revision;
    const previous = shelf.objects.get(key);
    shelf.objects.set(key, stored);
    this.record(shelf, { type: previous === undefined ? 'ADDED' : 'MODIFIED', revision, key, object: stored, previous });
    return stored;
  }

  /** Removes an object; returns its last state with the revision of the removal, or undefined if it was not there. */
  remove(resource: ResourceId, key: string): KubeObject | undefined {
    const shelf = this.shelf(resource);
    const previous = shelf.objects.get(key);
    if (previous === undefined) return undefined;
    const revision = this.revisionNow + 1;
    this.journal?.remove(revision, resource, key);
    this.revisionNow = revision;
    shelf.objects.delete(key);
    const object = withRevision(previous, revision);
    this.record(shelf, { type: 'DELETED', revision, key, object, previous });
    this.journal?.compactIfWorthwhile(() => this.snapshot());
    return object;
  }

  /** All objects whose key starts with `prefix`, by key. */
  list(resource: ResourceId, prefix = ''): KubeObject[] {
    return sorted([...this.shelf(resource).objects], prefix);
  }

  /**
   * The same at an earlier revision, found by undoing newer changes.
   * @returns undefined if the log no longer reaches back that far.
   */
  listAt(resource: ResourceId, prefix: string, revision: number): KubeObject[] | undefined {
    const shelf = this.shelf(resource);
    const newer = shelf.log.after(revision);
    if (newer === undefined) return undefined;
    if (newer.length === 0) return this.list(resource, prefix);
    const objects = new Map(shelf.objects);
    for (const event of newer.toReversed()) {
      if (event.previous === undefined) objects.delete(event.key);
      else objects.set(event.key, event.previous);
    }
    return sorted([...objects], prefix);
  }

  log(resource: ResourceId): WatchLog {
    return this.shelf(resource).log;
  }

  /** Calls `wake` after each change of a resource until the returned function is called. */
  onChange(resource: ResourceId, wake: () => void): () => void {
    const { listeners } = this.shelf(resource);
    listeners.add(wake);
    return () => listeners.delete(wake);
  }

  resources(): ResourceId[] {
    return [...this.shelves.keys()];
  }

  close(): void {
    this.journal?.close();
  }

  private record(shelf: Shelf, event: StoreEvent): void {
    shelf.log.append(event);
    for (const wake of shelf.listeners) wake();
    if (event.type !== 'DELETED') this.journal?.compactIfWorthwhile(() => this.snapshot());
  }

  private *snapshot(): Generator<{ resource: ResourceId; key: string; object: KubeObject }> {
    for (const [resource, shelf] of this.shelves) for (const [key, object] of shelf.objects) yield { resource, key, object };
  }

  private shelf(resource: ResourceId): Shelf {
    let shelf = this.shelves.get(resource);
    if (shelf === undefined) {
      shelf = { objects: new Map(), log: new WatchLog(WATCH_LOG_CAPACITY, this.startRevision), listeners: new Set() };
      this.shelves.set(resource, shelf);
    }
    return shelf;
  }
}

function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

function sorted(entries: [string, KubeObject][], prefix: string): KubeObject[] {
  const wanted = prefix === '' ? entries : entries.filter(([key]) => key.startsWith(prefix));
  wanted.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return wanted.map(([, object]) => object);
}
