/** What a reservation's file says. */
export interface FileOwner {
  /** Undefined: the file is empty, its writer died between making and filling it. */
  readonly containerId: string | undefined;
  /** Undefined in files of old host-local versions. */
  readonly ifname: string | undefined;
}

/**
 * What was read of a directory's reservations, so that attaching a pod does not read a
 * file for each pod of the node. Holds as long as nobody else has written to the directory: a file is written once,
 * under the directory's lock, so another owner means another directory entry. Where the kernel's clock for files is coarse
 * (before 6.13, 4 ms) a change right after ours may go unseen; whoever removes a file looks into it again.
 */
export class KnownOwners {
  readonly #byName = new Map<string, FileOwner>();
  /** When the directory was changed last, as of our last look; nanoseconds. */
  #changedNs = -1n;

  /** To be called with the lock held, before anything else. */
  begin(changedNs: bigint): void {
    if (changedNs !== this.#changedNs) this.#byName.clear();
    this.#changedNs = changedNs;
  }

  /** Our own changes are known. */
  end(changedNs: bigint): void {
    this.#changedNs = changedNs;
  }

  /** @param read the file of this name; what it says is remembered, but for an empty one */
  get(name: string, read: () => FileOwner): FileOwner {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const owner = read();
    if (owner.containerId !== undefined) this.#byName.set(name, owner);
    return owner;
  }

  forget(name: string): void {
    this.#byName.delete(name);
  }
}
