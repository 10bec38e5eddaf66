import type { IpAddress } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import { HostLocalStore, type Owner, type Reservation } from './host-local-store.js';
import { KnownOwners } from './known-owners.js';
import type { FileLock } from './lock.js';
import { nextFree } from './next-free.js';
import { inRange, type RangeSet } from './range.js';

/**
 * Addresses for pods in host-local's on-disk form, so that running pods of a Canal node keep
 * theirs and the host-local plugin can work on the same directory at the same time.
 *
 * Every method takes the network's directory and its lock. Failures are CanalError('IPAM').
 */
export class Ipam {
  /** By directory. */
  readonly #known = new Map<string, KnownOwners>();

  constructor(private readonly lock: FileLock) {}

  /**
   * One address out of each set, in the sets' order; all or none. An owner that already holds
   * one in a set keeps it: an ADD that is repeated after a crash leaks nothing.
   * @param asked addresses that are wanted of the sets they are in; throws where one is taken
   */
  async allocate(directory: string, sets: readonly RangeSet[], owner: Owner, asked: readonly IpAddress[] = []): Promise<IpAddress[]> {
    return this.locked(directory, (store) => {
      const held = heldBy(store, owner);
      const fresh: IpAddress[] = [];
      try {
        return sets.map((set, index) => {
          const within = (address: IpAddress): boolean => set.some((range) => inRange(range, address));
          const wanted = asked.find(within);
          const mine = held.find((address) => (wanted === undefined ? within(address) : address.equals(wanted)));
          if (mine !== undefined) return mine;
          const address = wanted === undefined ? take(store, set, index, owner) : takeThis(store, wanted, index, owner);
          fresh.push(address);
          return address;
        });
      } catch (error) {
        for (const address of fresh) store.release(address);
        throw error;
      }
    });
  }

  /** Reserves these addresses for an owner, who may hold them already; all or none. Throws where somebody else has one. */
  async claim(directory: string, addresses: readonly IpAddress[], owner: Owner): Promise<void> {
    await this.locked(directory, (store) => {
      const held = heldBy(store, owner);
      const fresh: IpAddress[] = [];
      for (const address of addresses) {
        if (held.some((mine) => mine.equals(address))) continue;
        if (!store.reserve(address, owner)) {
          for (const mine of fresh) store.release(mine);
          throw new CanalError('IPAM', `${address.text} is reserved for another container`, { subject: store.directory });
        }
        fresh.push(address);
      }
    });
  }

  /** Frees all addresses of an owner and says which; none is success. */
  async release(directory: string, owner: Owner): Promise<IpAddress[]> {
    return this.locked(directory, (store) => {
      const held = heldBy(store, owner);
      for (const address of held) store.release(address);
      return held;
    });
  }

  async held(directory: string, owner: Owner): Promise<IpAddress[]> {
    return this.locked(directory, (store) => heldBy(store, owner));
  }

  async reservations(directory: string): Promise<Reservation[]> {
    return this.locked(directory, (store) => store.reservations());
  }

  /**
   * Frees every reservation that `live` does not vouch for and says which. `live` is told
   * since when (milliseconds since the epoch): others reserve before their device exists.
   */
  async sweep(directory: string, live: (reservation: Reservation, reservedAtMs: number) => boolean): Promise<Reservation[]> {
    return this.locked(directory, (store) => {
      const dead = store.reservations().filter((reservation) => !live(reservation, store.reservedAtMs(reservation.address)));
      for (const { address } of dead) store.release(address);
      return dead;
    });
  }

  private async locked<T>(directory: string, work: (store: HostLocalStore) => T): Promise<T> {
    const before = this.#known.get(directory);
    const known = before ?? new KnownOwners();
    const store = new HostLocalStore(directory, known);
    if (before === undefined) store.make();
    this.#known.set(directory, known);
    const hold = async (): Promise<T> => this.lock.hold(store.lockPath, () => store.within(() => work(store)));
    try {
      return await hold();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).path !== store.lockPath) throw error;
      store.make(); // somebody has removed it
      return hold();
    }
  }
}

function take(store: HostLocalStore, set: RangeSet, index: number, owner: Owner): IpAddress {
  const given = takeFree(store, set, index, owner);
  if (given !== undefined) return given;
  store.lookAgain();
  const freed = takeFree(store, set, index, owner);
  if (freed !== undefined) return freed;
  const names = set.map((range) => `${range.first.text}-${range.last.text}`).join(', ');
  throw new CanalError('IPAM', `no free address in ${names}`, { subject: store.directory });
}

function takeFree(store: HostLocalStore, set: RangeSet, index: number, owner: Owner): IpAddress | undefined {
  const others = new Set<string>();
  let last = store.last(index);
  for (;;) {
    const taken = store.taken();
    const address = nextFree(set, last, { has: (text) => taken.has(text) || others.has(text) });
    if (address === undefined || store.reserve(address, owner, index)) return address;
    others.add(address.text); // somebody without the lock, or of whom we do not know, was faster
    last = address;
  }
}

function takeThis(store: HostLocalStore, address: IpAddress, index: number, owner: Owner): IpAddress {
  if (!store.reserve(address, owner, index)) throw new CanalError('IPAM', `${address.text}, which is asked for, is reserved for another container`, { subject: store.directory });
  return address;
}

/** Old files hold only the container's ID; they count where no file names the interface. */
function heldBy(store: HostLocalStore, owner: Owner): IpAddress[] {
  const mine = store.reservations().filter((r) => r.containerId === owner.containerId && store.belongsTo(r));
  const exact = mine.filter((r) => r.ifname === owner.ifname);
  return (exact.length > 0 ? exact : mine.filter((r) => r.ifname === undefined)).map((r) => r.address);
}
