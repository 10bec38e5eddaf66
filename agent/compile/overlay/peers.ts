import type { Cidr, Family } from '../../base/address.js';
import type { Problem } from '../../base/errors.js';
import { changesBetween, MapEditor } from '../../base/versioned-map.js';
import type { Node } from '../../model/objects.js';
import { readLease, sameLease, type PeerLease, type ReadLease } from './lease.js';
import { join, leave, SubnetIndex } from './subnet-index.js';

export interface Peers {
  /** Whose packets we can carry, by node. No two of them overlap or share a MAC. */
  readonly leases: ReadonlyMap<string, PeerLease>;
  /** What looks like a mistake, by node. */
  readonly problems: ReadonlyMap<string, Problem>;
}

/**
 * Other nodes that our vxlan backend can reach. One without lease, of another
 * backend, or with a subnet or MAC that collides is left out; of two that
 * collide the first by name is taken, so that the same one wins everywhere. A
 * change costs the nodes that change and those that collide with them; the
 * memory never changes the answer.
 */
export class PeerCompiler {
  readonly #leases = new MapEditor<string, PeerLease>();
  readonly #problems = new MapEditor<string, Problem>();
  /** What nodes publish, whether it is taken or not. */
  readonly #read = new Map<string, ReadLease>();
  readonly #subnets = new SubnetIndex();
  readonly #macs = new Map<string, Set<string>>();
  #nodes: ReadonlyMap<string, Node> = new Map();

  /** @param own pod CIDRs of this node, of this family */
  constructor(
    private readonly self: string,
    private readonly own: readonly Cidr[],
    private readonly family: Family,
  ) {}

  sync(nodes: ReadonlyMap<string, Node>): Peers {
    const doubtful = new NameQueue();
    for (const [name, , now] of changesBetween(this.#nodes, nodes)) if (name !== this.self) this.#publish(name, now, doubtful);
    this.#nodes = nodes;
    for (let name = doubtful.next(); name !== undefined; name = doubtful.next()) this.#decide(name, doubtful);
    return { leases: this.#leases.version(), problems: this.#problems.version() };
  }

  /** Takes note of what a node says now, and of whom that concerns. */
  #publish(name: string, node: Node | undefined, doubtful: NameQueue): void {
    const before = this.#read.get(name)?.lease;
    const read = node === undefined ? {} : readLease(node, this.family);
    const { lease } = read;
    doubtful.add(name);
    if (before !== undefined && lease !== undefined && sameLease(before, lease)) return;
    if (before !== undefined) {
      for (const other of this.#colliding(before)) if (other > name) doubtful.add(other);
      this.#subnets.remove(name);
      leave(this.#macs, before.vtepMac, name);
    }
    this.#read.set(name, read);
    if (node === undefined) this.#read.delete(name);
    if (lease === undefined) return;
    this.#subnets.add(name, lease.subnet);
    join(this.#macs, lease.vtepMac, name);
  }

  /** All whose name is smaller are decided. */
  #decide(name: string, doubtful: NameQueue): void {
    const { lease, trouble } = this.#read.get(name) ?? {};
    const collision = lease === undefined ? trouble : this.#collision(lease);
    if (collision === undefined) this.#problems.delete(name);
    else this.#report(name, collision);
    const [before, now] = [this.#leases.get(name), collision === undefined ? lease : undefined];
    if (before === now) return;
    if (now === undefined) this.#leases.delete(name);
    else this.#leases.set(name, now);
    for (const other of lease === undefined ? [] : this.#colliding(lease)) if (other > name) doubtful.add(other);
  }

  /** Keeps the problem's object where it says the same. */
  #report(name: string, [field, message]: readonly [string, string]): void {
    const before = this.#problems.get(name);
    if (before?.field !== field || before.message !== message) this.#problems.set(name, { object: `Node ${name}`, field, message });
  }

  #collision(lease: PeerLease): readonly [field: string, message: string] | undefined {
    const clash = this.own.find((c) => c.covers(lease.subnet) || lease.subnet.covers(c));
    if (clash !== undefined) return ['spec.podCIDR', `${lease.subnet.text} overlaps this node's own ${clash.text}`];
    const other = this.#firstTaken(this.#subnets.overlapping(lease.subnet), lease.node);
    if (other !== undefined) return ['spec.podCIDR', `${lease.subnet.text} overlaps ${other.subnet.text} of node ${other.node}`];
    const twin = this.#firstTaken(this.#macs.get(lease.vtepMac) ?? [], lease.node);
    if (twin !== undefined) return ['metadata.annotations[backend-data]', `VtepMAC ${lease.vtepMac} is also node ${twin.node}'s`];
    return undefined;
  }

  /** Of those before `name`. */
  #firstTaken(names: Iterable<string>, name: string): PeerLease | undefined {
    let first: PeerLease | undefined;
    for (const other of names) {
      if (other >= name || (first !== undefined && other > first.node)) continue;
      first = this.#leases.get(other) ?? first;
    }
    return first;
  }

  *#colliding({ node, subnet, vtepMac }: PeerLease): Generator<string> {
    for (const names of [this.#subnets.overlapping(subnet), this.#macs.get(vtepMac) ?? []]) for (const name of names) if (name !== node) yield name;
  }
}

/** Names in their order, each once; those that are added while it is emptied come after the one that was taken last. */
class NameQueue {
  readonly #names = new Set<string>();
  #sorted: string[] | undefined;
  #at = 0;

  add(name: string): void {
    if (this.#names.has(name)) return;
    this.#names.add(name);
    this.#sorted?.splice(this.#placeOf(name), 0, name);
  }

  next(): string | undefined {
    this.#sorted ??= [...this.#names].sort();
    const name = this.#sorted[this.#at++];
    if (name !== undefined) this.#names.delete(name);
    return name;
  }

  #placeOf(name: string): number {
    let [low, high] = [this.#at, this.#sorted!.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted![middle]! < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
