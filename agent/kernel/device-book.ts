import { isDeepStrictEqual } from 'node:util';
import type { CanalLink, CanalNetAddr } from './abi.generated.js';
import { addNotice, ANY_DEVICE, type Change, type Heard, type Notices, type Told } from './monitor.js';
import { IFF_UP, linkAt, listAddresses, listLinks } from './netlink.js';

/** Where tables have the node's devices from. */
export interface DeviceSource {
  links(): readonly CanalLink[];
  addresses(): readonly CanalNetAddr[];
}

/** Asks the kernel each time. */
export const kernelDevices: DeviceSource = { links: listLinks, addresses: () => listAddresses() };

/** So many single questions cost as much as a list of all. */
const LIST_FROM = 100;

/**
 * The node's devices and their addresses as they are now: listed once, and from
 * then on only those are asked for of which the kernel said that they changed.
 * What did not change stays the same object, and so does the whole list.
 */
export class DeviceBook implements DeviceSource {
  #links: ReadonlyMap<number, CanalLink> | undefined;
  #addresses: ReadonlyMap<number, readonly CanalNetAddr[]> | undefined;
  #allLinks: readonly CanalLink[] = [];
  #allAddresses: readonly CanalNetAddr[] = [];
  /** Notices that nobody has taken yet. */
  #untold = new Map<Change, Set<number>>();
  #rows: Told[] = [];
  #still = false;

  /**
   * @param drain notices since its last call: there from the moment on when what they are about is done
   * @param onNews a question about devices has brought up something for `notices`
   */
  constructor(
    private readonly drain: () => Heard,
    private readonly onNews: () => void = () => undefined,
  ) {}

  /** By ifindex. */
  links(): readonly CanalLink[] {
    this.#ask();
    return this.#allLinks;
  }

  addresses(): readonly CanalNetAddr[] {
    this.#ask();
    return this.#allAddresses;
  }

  /** What changed since the last call. Devices that say what they said before, and lost nothing meanwhile, have not changed. */
  notices(): Heard {
    this.#follow();
    const heard = { changes: this.#untold, told: this.#rows };
    this.#untold = new Map();
    this.#rows = [];
    return heard;
  }

  /** Runs what asks often and changes nothing: meanwhile the book stays as it is, and no notices are asked for. */
  still<T>(run: () => T): T {
    this.#ask();
    this.#still = true;
    try {
      return run();
    } finally {
      this.#still = false;
    }
  }

  /** Whether there is something to take. What comes later is not counted. */
  hasNews(): boolean {
    this.#follow();
    return this.#untoldAny();
  }

  /** The next look asks the kernel for everything. */
  forget(): void {
    this.#links = undefined;
    this.#addresses = undefined;
  }

  #ask(): void {
    if (this.#follow() && this.#untoldAny()) this.onNews();
  }

  #untoldAny(): boolean {
    return this.#untold.size > 0 || this.#rows.length > 0;
  }

  /** @returns whether there was a notice */
  #follow(): boolean {
    if (this.#still) return false;
    const { changes, told } = this.drain();
    this.#rows.push(...told);
    const [links, addresses] = [this.#links, this.#addresses];
    this.#followLinks(changes.get('link') ?? NONE);
    this.#followAddresses(changes.get('address') ?? NONE);
    const idle: Partial<Record<Change, (ifindex: number) => boolean>> = {
      link: (ifindex) => stayed(links, this.#links, ifindex) && !names(changes, 'down', ifindex),
      address: (ifindex) => addresses !== undefined && addresses.get(ifindex) === this.#addresses!.get(ifindex) && !names(changes, 'unaddressed', ifindex),
    };
    for (const [change, devices] of changes) {
      for (const ifindex of devices) {
        if (change === 'down' || (ifindex !== ANY_DEVICE && idle[change]?.(ifindex) === true)) continue;
        const rose = change === 'link' && !names(changes, 'down', ifindex) && onlyRose(links?.get(ifindex), this.#links?.get(ifindex));
        addNotice(this.#untold, rose ? 'up' : change, ifindex);
      }
    }
    return changes.size > 0 || told.length > 0;
  }

  #followLinks(changed: ReadonlySet<number>): void {
    const before = this.#links;
    if (before !== undefined && changed.size === 0) return;
    const now = before === undefined || all(changed) ? new Map(listLinks().map((link) => [link.ifindex, link])) : renewed(before, changed, linkAt);
    this.#links = new Map([...now].map(([ifindex, link]) => [ifindex, kept(before?.get(ifindex), link, sameLink)]));
    this.#allLinks = kept(this.#allLinks, [...this.#links.values()].sort((a, b) => a.ifindex - b.ifindex), sameItems);
  }

  #followAddresses(changed: ReadonlySet<number>): void {
    const before = this.#addresses;
    if (before !== undefined && changed.size === 0) return;
    const now = before === undefined || all(changed) ? byDevice(listAddresses()) : renewed(before, changed, addressesAt);
    this.#addresses = new Map([...now].map(([ifindex, addresses]) => [ifindex, kept(before?.get(ifindex), addresses, isDeepStrictEqual)]));
    this.#allAddresses = kept(this.#allAddresses, [...this.#addresses.entries()].sort(([a], [b]) => a - b).flatMap(([, addresses]) => addresses), sameItems);
  }
}

const NONE: ReadonlySet<number> = new Set();

const stayed = <T>(before: ReadonlyMap<number, T> | undefined, now: ReadonlyMap<number, T> | undefined, ifindex: number): boolean => {
  const was = before?.get(ifindex);
  return was !== undefined && was === now?.get(ifindex);
};

const names = (changes: Notices, change: Change, ifindex: number): boolean => {
  const devices = changes.get(change);
  return devices !== undefined && (devices.has(ifindex) || devices.has(ANY_DEVICE));
};

const all = (changed: ReadonlySet<number>): boolean => changed.has(ANY_DEVICE) || changed.size >= LIST_FROM;

function renewed<T>(before: ReadonlyMap<number, T>, changed: ReadonlySet<number>, ask: (ifindex: number) => T | undefined): ReadonlyMap<number, T> {
  const now = new Map(before);
  for (const ifindex of changed) {
    const found = ask(ifindex);
    if (found === undefined) now.delete(ifindex);
    else now.set(ifindex, found);
  }
  return now;
}

function addressesAt(ifindex: number): readonly CanalNetAddr[] | undefined {
  const found = listAddresses(ifindex);
  return found.length === 0 ? undefined : found;
}

function byDevice(addresses: readonly CanalNetAddr[]): ReadonlyMap<number, readonly CanalNetAddr[]> {
  const devices = new Map<number, CanalNetAddr[]>();
  for (const address of addresses) (devices.get(address.ifindex) ?? devices.set(address.ifindex, []).get(address.ifindex)!).push(address);
  return devices;
}

/** What was there before, where it says the same. */
const kept = <T>(before: T | undefined, now: T, same: (a: T, b: T) => boolean): T => (before !== undefined && (before === now || same(before, now)) ? before : now);

const sameItems = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((item, i) => item === b[i]);

/** Whether a device that was down is up, and else as it was: what stands on it loses nothing by that. */
const onlyRose = (before: CanalLink | undefined, now: CanalLink | undefined): boolean =>
  before !== undefined && now !== undefined && (before.flags & IFF_UP) === 0 && (now.flags & IFF_UP) !== 0 && sameLink({ ...before, flags: now.flags }, now);

/** Of the flags we read but IFF_UP, of the state nothing: a carrier that comes is no change. */
const sameLink = (a: CanalLink, b: CanalLink): boolean => isDeepStrictEqual({ ...a, flags: a.flags & IFF_UP, operstate: 0 }, { ...b, flags: b.flags & IFF_UP, operstate: 0 });
