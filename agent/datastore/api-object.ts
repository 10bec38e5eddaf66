/** An object as JSON gave it: nothing about it is known. */
export type RawObject = Readonly<Record<string, unknown>>;

export interface ListPage {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  /** Token of the next page; empty: this was the last. */
  readonly continue: string;
}

export interface WatchEvent {
  /** ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, or what a newer server may send. */
  readonly type: string;
  readonly object: unknown;
}
