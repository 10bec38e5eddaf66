import type { KubeObject } from '../kube-object.js';

/** One change of one object. `previous` is undefined for the first, `object` is the last state for a deletion. */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  readonly key: string;
  /** For a deletion: the last state, with the revision of the deletion, as etcd3 storage does it. */
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

/**
 * The recent changes of one resource, oldest first, bounded. Watchers read it
 * by revision and keep no queue of their own, so a slow one costs no memory:
 * when it falls behind the oldest change it is told to list again (410).
 */
export class WatchLog {
  private events: StoreEvent[] = [];
  private first = 0;
  /** Changes up to and including this revision are no longer here. */
  private forgotten: number;

  constructor(private readonly capacity: number, startRevision: number) {
    this.forgotten = startRevision;
  }

  append(event: StoreEvent): void {
    this.events.push(event);
    if (this.events.length - this.first <= this.capacity) return;
    this.forgotten = this.events[this.first]?.revision ?? this.forgotten;
    this.first++;
    if (this.first > this.capacity) {
      this.events = this.events.slice(this.first);
      this.first = 0;
    }
  }

  /** True if every change after `revision` is still known. */
  covers(revision: number): boolean {
    return revision >= this.forgotten;
  }

  get oldest(): number {
    return this.forgotten;
  }

  /** Up to `limit` changes after `revision`, in order; undefined if some of them are forgotten. */
  after(revision: number, limit = Number.POSITIVE_INFINITY): readonly StoreEvent[] | undefined {
    if (!this.covers(revision)) return undefined;
    const start = this.indexAfter(revision);
    return this.events.slice(start, Math.min(this.events.length, start + limit));
  }

  /** First index whose revision is greater, by bisection. */
  private indexAfter(revision: number): number {
    let low = this.first;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.events[middle]?.revision ?? 0) > revision) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
