/** Keys of rows by what they have in common, kept up as rows come and go. */
export class RowIndex<Group> {
  readonly #keys = new Map<Group, Set<string>>();

  of(group: Group): ReadonlySet<string> {
    return this.#keys.get(group) ?? NONE;
  }

  add(group: Group, key: string): void {
    const keys = this.#keys.get(group);
    if (keys === undefined) this.#keys.set(group, new Set([key]));
    else keys.add(key);
  }

  remove(group: Group, key: string): void {
    const keys = this.#keys.get(group);
    if (keys?.delete(key) === true && keys.size === 0) this.#keys.delete(group);
  }
}

const NONE: ReadonlySet<string> = new Set();
