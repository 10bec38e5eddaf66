import { keyOf, type KubeObject } from './objects.js';

/**
 * The objects of one kind as last seen: from lists and watches, and from the
 * answers to our own writes, which come earlier. The newest version of each
 * wins, and what is gone stays gone, so whoever decides from this cache has
 * seen its own decisions.
 */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #gone = new Set<string>();
  readonly #listeners = new Set<() => void>();

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  /** Takes an object unless a newer version of it is here or it is known to be gone. */
  put(object: T): void {
    const key = keyOf(object);
    const known = this.#objects.get(key);
    if (this.#gone.has(object.metadata.uid)) return;
    if (known?.metadata.uid === object.metadata.uid && !isNewer(object, known)) return;
    this.#objects.set(key, object);
    this.#changed();
  }

  remove(object: KubeObject): void {
    const key = keyOf(object);
    this.#gone.add(object.metadata.uid);
    if (this.#objects.get(key)?.metadata.uid !== object.metadata.uid) return;
    this.#objects.delete(key);
    this.#changed();
  }

  /** Makes the cache equal to a list: what is not on it is gone. */
  replace(objects: readonly T[]): void {
    const listed = new Set(objects.map((object) => object.metadata.uid));
    for (const object of this.list()) if (!listed.has(object.metadata.uid)) this.remove(object);
    for (const object of objects) this.put(object);
    this.#changed();
  }

  /** Calls back after each change, at once. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function isNewer(object: KubeObject, known: KubeObject): boolean {
  const [a, b] = [object.metadata.resourceVersion ?? '', known.metadata.resourceVersion ?? ''];
  // Compared as numbers, as Kubernetes defines since 1.33: longer is greater.
  return a.length !== b.length ? a.length > b.length : a > b;
}
