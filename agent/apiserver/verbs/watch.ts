import { apiVersionOf, type KubeObject } from '../kube-object.js';
import { resourceIdOf, type Kind } from '../registry/kind.js';
import { expired, unclassified, type ApiError } from '../status.js';
import type { StoreEvent } from '../storage/watch-log.js';
import type { ApiContext } from './context.js';
import { noRevision, revisionOf } from './list.js';
import type { Predicate } from './selectors.js';

export interface WatchOptions {
  readonly selects: Predicate | undefined;
  /** '' or '0': the current objects first, then changes. Otherwise changes after that revision. */
  readonly resourceVersion: string;
  readonly bookmarks: boolean;
  /**
   * Begin with the current objects, and a bookmark annotated `k8s.io/initial-events-end` after them if bookmarks
   * are wanted; or with what comes after now. Undefined: as {@link resourceVersion} says.
   */
  readonly sendInitialEvents?: boolean;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubeObject | ApiError['status'];
}

/** How many events are taken from the log at a time, so that one watcher's catching up does not hold the others. */
const BATCH = 256;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';
const LIST_BLUEPRINT = 'kubernetes.io/initial-events-list-blueprint';

/**
 * One watcher: a cursor into the log of its resource. It holds no events of
 * its own; whoever drains it slowly is told 410 when the log has moved on.
 */
export class Watcher {
  private cursor: number;
  private initial: KubeObject[];
  private initialEndsWithBookmark: boolean;
  private readonly prefix: string;

  constructor(
    private readonly context: ApiContext,
    private readonly kind: Kind,
    namespace: string,
    private readonly options: WatchOptions,
  ) {
    const { store } = context;
    this.prefix = kind.namespaced && namespace !== '' ? `${namespace}/` : '';
    const anyVersion = options.resourceVersion === '' || options.resourceVersion === '0';
    const begins = options.sendInitialEvents ?? anyVersion;
    this.initial = begins ? store.list(resourceIdOf(kind), this.prefix).filter((object) => options.selects?.(object) ?? true) : [];
    this.initialEndsWithBookmark = begins && options.bookmarks;
    this.cursor = begins || anyVersion ? store.revision : (revisionOf(options.resourceVersion) ?? Number.NaN);
    this.assertReachable();
  }

  /** The next events in order, or none if there is nothing new. @throws ApiError 410 when it has fallen behind */
  take(): WatchEvent[] {
    if (this.initial.length > 0) return this.initial.splice(0, BATCH).map((object) => ({ type: 'ADDED', object }));
    if (this.initialEndsWithBookmark) {
      this.initialEndsWithBookmark = false;
      return [this.bookmark({ [INITIAL_EVENTS_END]: 'true', [LIST_BLUEPRINT]: this.blueprint() })];
    }
    return this.takeChanges();
  }

  /** Tells the client that it has seen everything up to now. */
  bookmark(annotations?: Record<string, string>): WatchEvent {
    const typed = this.kind.custom ? {} : { creationTimestamp: null };
    const metadata = { resourceVersion: String(this.cursor), ...typed, ...(annotations ? { annotations } : {}) };
    return { type: 'BOOKMARK', object: { kind: this.kind.kind, apiVersion: apiVersionOf(this.kind.group, this.kind.version), metadata } as unknown as KubeObject };
  }

  /** An empty list of the kind, for clients that make one of the events. */
  private blueprint(): string {
    const { custom, listKind, group, version } = this.kind;
    const apiVersion = apiVersionOf(group, version);
    const list = custom ? { apiVersion, items: [], kind: listKind } : { kind: listKind, apiVersion, metadata: {}, items: null };
    return Buffer.from(`${JSON.stringify(list)}\n`).toString('base64');
  }

  private takeChanges(): WatchEvent[] {
    for (;;) {
      const events = this.context.store.log(resourceIdOf(this.kind)).after(this.cursor, BATCH);
      if (events === undefined) throw this.tooOld();
      const last = events.at(-1);
      if (last === undefined) {
        // Nothing of this resource after the cursor: it has seen everything up to now.
        this.cursor = Math.max(this.cursor, this.context.store.revision);
        return [];
      }
      this.cursor = last.revision;
      const seen = events.map((event) => this.visible(event)).filter((event) => event !== undefined);
      if (seen.length > 0) return seen;
    }
  }

  /** What a change means to somebody who sees only what the selector selects. */
  private visible(event: StoreEvent): WatchEvent | undefined {
    if (!event.key.startsWith(this.prefix)) return undefined;
    const selects = this.options.selects;
    const before = event.previous !== undefined && (selects?.(event.previous) ?? true);
    const after = event.type !== 'DELETED' && (selects?.(event.object) ?? true);
    if (after) return { type: before ? 'MODIFIED' : 'ADDED', object: event.object };
    if (!before) return undefined;
    if (event.type === 'DELETED') return { type: 'DELETED', object: event.object };
    // It has left the selection: the client gets its last visible state with the new revision.
    const gone = event.previous;
    return { type: 'DELETED', object: { ...gone, metadata: { ...gone.metadata, resourceVersion: String(event.revision) } } };
  }

  private assertReachable(): void {
    if (Number.isNaN(this.cursor)) throw unclassified(noRevision(this.options.resourceVersion));
    if (!this.context.store.log(resourceIdOf(this.kind)).covers(this.cursor)) throw this.tooOld();
  }

  /** Of events a real server keeps no cache: etcd says that it has forgotten. */
  private tooOld(): ApiError {
    if (this.kind.group === '' && this.kind.kind === 'Event') return expired('The resourceVersion for the provided watch is too old.');
    return expired(`too old resource version: ${this.cursor} (${this.context.store.log(resourceIdOf(this.kind)).oldest})`);
  }
}
