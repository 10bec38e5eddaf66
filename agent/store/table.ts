import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../base/errors.js';
import { MapEditor } from '../base/versioned-map.js';
import type { Sink } from '../datastore/sink.js';

/**
 * The objects of one kind. A reader takes an immutable version of the map, which
 * knows what is different from the version before: neither costs more than what has changed.
 */
export class Table<T> implements Sink<T> {
  /** Calls when a value has really changed, and at the first `synced`. */
  readonly #changed: () => void;
  readonly #values = new MapEditor<string, T>();
  /** Only of objects that have some. */
  readonly #problems = new Map<string, readonly Problem[]>();
  #complete = false;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Whether the first full list is in. */
  get complete(): boolean {
    return this.#complete;
  }

  put(key: string, value: T | undefined, problems: readonly Problem[]): void {
    const noted = this.#note(key, problems);
    const old = this.#values.get(key);
    // Heartbeats and status churn end here: what canal reads of the object is as it was.
    if (isDeepStrictEqual(old, value)) {
      if (noted) this.#changed();
      return;
    }
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    this.#changed();
  }

  gone(key: string): void {
    const noted = this.#problems.delete(key);
    const had = this.#values.delete(key);
    if (had || noted) this.#changed();
  }

  synced(): void {
    if (this.#complete) return;
    this.#complete = true;
    this.#changed();
  }

  /** The current values; the same map while nothing changes. */
  values(): ReadonlyMap<string, T> {
    return this.#values.version();
  }

  problems(): Problem[] {
    return [...this.#problems.values()].flat();
  }

  /** Whether the object's problems are other than before. */
  #note(key: string, problems: readonly Problem[]): boolean {
    const old = this.#problems.get(key) ?? [];
    if (isDeepStrictEqual(old, problems)) return false;
    if (problems.length === 0) this.#problems.delete(key);
    else this.#problems.set(key, problems);
    return true;
  }
}
