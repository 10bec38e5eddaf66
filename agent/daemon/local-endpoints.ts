import type { LocalEndpoint, NodeFacts } from '../compile/desired.js';

type Found = Pick<NodeFacts, 'endpoints' | 'strangers'>;
type NodeDevice = HostDevice & { readonly kind: string };

/** A device of the node, as far as endpoints are concerned. */
export interface HostDevice {
  readonly ifindex: number;
  readonly name: string;
}

/**
 * The pods of this node: those whose CNI ADD was completed (the endpoint store)
 * and those whose ADD is under way. What counts is the kernel: an endpoint
 * whose device is gone, or was made anew by somebody else, is not there.
 */
export class LocalEndpoints {
  /** By host device; ADDs under way. */
  readonly #making = new Map<string, LocalEndpoint>();
  /** Host devices whose removal is under way, by name, with the ifindex that goes. */
  readonly #leaving = new Map<string, number | undefined>();

  /** How often either of them was written. */
  #changes = 0;
  /** The last answer and what it was made of. */
  #last: { readonly devices: readonly NodeDevice[]; readonly stored: readonly LocalEndpoint[]; readonly changes: number; readonly found: Found } | undefined;

  constructor(private readonly stored: () => readonly LocalEndpoint[]) {}

  /** An ADD wants it in force. Until `settled` it counts beside the store. */
  making(endpoint: LocalEndpoint): void {
    this.#changes++;
    this.#making.set(endpoint.hostDevice, endpoint);
    this.#leaving.delete(endpoint.hostDevice);
  }

  leaving(hostDevice: string, ifindex: number | undefined): void {
    this.#changes++;
    const made = this.#making.get(hostDevice);
    if (made !== undefined && (ifindex === undefined || made.ifindex === ifindex)) this.#making.delete(hostDevice);
    this.#leaving.set(hostDevice, ifindex);
  }

  /** Endpoints that are there, sorted by ifindex. */
  current(devices: readonly HostDevice[]): readonly LocalEndpoint[] {
    const byName = new Map(devices.map((d) => [d.name, d.ifindex]));
    const all = new Map<string, LocalEndpoint>();
    for (const endpoint of [...this.stored(), ...this.#making.values()]) {
      if (byName.get(endpoint.hostDevice) === endpoint.ifindex && !this.#isLeaving(endpoint)) all.set(endpoint.hostDevice, endpoint);
    }
    this.#forget(byName);
    return [...all.values()].sort((a, b) => a.ifindex - b.ifindex);
  }

  /**
   * The same, and the devices with pods' names that none of them has: half made, or another plugin's.
   * @param prefix of pods' host devices
   */
  found(devices: readonly NodeDevice[], prefix: string): Found {
    const stored = this.stored();
    const last = this.#last;
    if (last?.devices === devices && last.changes === this.#changes && sameItems(last.stored, stored)) return last.found;
    const found = this.#find(devices, prefix);
    this.#last = { devices, stored: [...stored], changes: this.#changes, found };
    return found;
  }

  #find(devices: readonly NodeDevice[], prefix: string): Found {
    const endpoints = this.current(devices);
    const known = new Set(endpoints.map(({ ifindex }) => ifindex));
    const strangers = devices
      .filter(({ ifindex, name, kind }) => kind === 'veth' && name.startsWith(prefix) && !known.has(ifindex))
      .map(({ ifindex, name }) => ({ ifindex, hostDevice: name }));
    return { endpoints, strangers: strangers.sort((a, b) => a.ifindex - b.ifindex) };
  }

  #isLeaving(endpoint: LocalEndpoint): boolean {
    if (!this.#leaving.has(endpoint.hostDevice)) return false;
    const ifindex = this.#leaving.get(endpoint.hostDevice);
    return ifindex === undefined || ifindex === endpoint.ifindex;
  }

  /** What the store has, or what no device stands for any more, need not be remembered here. */
  #forget(byName: ReadonlyMap<string, number>): void {
    for (const [name, endpoint] of this.#making) {
      if (this.stored().some((e) => e.hostDevice === name && e.ifindex === endpoint.ifindex) || byName.get(name) !== endpoint.ifindex) this.#making.delete(name);
    }
    for (const name of this.#leaving.keys()) if (!byName.has(name)) this.#leaving.delete(name);
  }
}

const sameItems = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((item, i) => item === b[i]);
