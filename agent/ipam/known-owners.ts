import type { IpAddress } from '../base/address.js';

/** What a reservation's file says. */
export interface FileOwner {
  /** Undefined: the file is empty, its writer died between making and filling it. */
  readonly containerId: string | undefined;
  /** Undefined in files of old host-local versions. */
  readonly ifname: string | undefined;
}

/**
 * What was read of a directory and its reservations, so that attaching a pod does not read a
 * name and a file for each pod of the node. Holds as long as nobody else has written to the directory: a file is written once,
 * under the directory's lock, so another owner means another directory entry. Where the kernel's clock for files is coarse
 * (before 6.13, 4 ms) a change right after ours may go unseen; whoever removes a file looks into it again, whoever
 * makes one is told that it is there, and who finds none free looks again.
 */
export class KnownOwners {
  readonly #byName = new Map<string, FileOwner>();
  /** Addresses in use, by name; undefined: not known. */
  #addresses: Map<string, IpAddress> | undefined;
  /** The last one given out of each range set, as far as known. */
  readonly #last = new Map<number, IpAddress | undefined>();
  /** When the directory was changed last, as of our last look; nanoseconds. */
  #changedNs = -1n;

  /** To be called with the lock held, before anything else. */
  begin(changedNs: bigint): void {
    if (changedNs !== this.#changedNs) this.forgetAll();
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

  /** @param read all names that are addresses */
  addresses(read: () => readonly IpAddress[]): ReadonlyMap<string, IpAddress> {
    return (this.#addresses ??= new Map(read().map((address) => [address.text, address])));
  }

  last(set: number, read: () => IpAddress | undefined): IpAddress | undefined {
    if (!this.#last.has(set)) this.#last.set(set, read());
    return this.#last.get(set);
  }

  /** We have made a reservation. */
  add(address: IpAddress, owner: FileOwner): void {
    this.#addresses?.set(address.text, address);
    this.#byName.set(address.text, owner);
  }

  /** We have written whose turn it was. */
  turn(set: number, address: IpAddress): void {
    this.#last.set(set, address);
  }

  forget(name: string): void {
    this.#addresses?.delete(name);
    this.#byName.delete(name);
  }

  forgetAll(): void {
    this.#byName.clear();
    this.#addresses = undefined;
    this.#last.clear();
  }
}
