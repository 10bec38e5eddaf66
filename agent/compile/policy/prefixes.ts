import { type Cidr, type IpAddress, addressBytes, Cidr as CidrOf } from '../../base/address.js';
import type { NetsAtom } from './atoms.js';

/** A prefix that some rule names, with what holds for addresses that are in it and in no longer one. */
export interface Prefix {
  readonly cidr: Cidr;
  /** The next shorter prefix that covers it. */
  readonly parent: Prefix | undefined;
  readonly atoms: readonly NetsAtom[];
  readonly single: boolean;
}

/** Prefixes that are other than at the last call, or gone, and what took their place. */
export type PrefixChanges = ReadonlyMap<string, { readonly cidr: Cidr; readonly now: Prefix | undefined }>;

/**
 * All prefixes of the atoms in force, exceptions included, so that the longest
 * one that covers an address always tells the truth about it. A change costs
 * the prefixes that it names and those within them.
 */
export class PrefixTable {
  /** By address, shorter first: a prefix comes after all that cover it. */
  #sorted: Node[] = [];
  readonly #nodes = new Map<string, Node>();

  get size(): number {
    return this.#sorted.length;
  }

  at(cidr: string): Prefix | undefined {
    return this.#nodes.get(cidr)?.prefix;
  }

  /** Takes atoms in and out. */
  sync(began: Iterable<NetsAtom>, ended: Iterable<NetsAtom>): PrefixChanges {
    const marked = new Map<string, Node>();
    const at = (cidr: Cidr): Node => {
      const node = marked.get(cidr.text) ?? this.#nodes.get(cidr.text) ?? new Node(cidr);
      marked.set(cidr.text, node);
      return node;
    };
    for (const atom of ended) {
      for (const cidr of atom.nets ?? EVERYWHERE) at(cidr).within.delete(atom);
      for (const cidr of atom.notNets) at(cidr).without.delete(atom);
    }
    for (const atom of began) {
      for (const cidr of atom.nets ?? EVERYWHERE) at(cidr).within.add(atom);
      for (const cidr of atom.notNets) at(cidr).without.add(atom);
    }
    this.#file(marked);
    const changes = new Map<string, { cidr: Cidr; now: Prefix | undefined }>();
    for (const node of marked.values()) if (node.empty && node.prefix !== undefined) changes.set(node.cidr.text, { cidr: node.cidr, now: undefined });
    for (const node of this.#stale(marked)) if (node.renew()) changes.set(node.cidr.text, { cidr: node.cidr, now: node.prefix });
    return changes;
  }

  /** The longest prefix that covers the address. */
  find(address: IpAddress): Prefix | undefined {
    const last = this.#firstAfter(sortKey(address), Infinity);
    let node = this.#sorted[last - 1];
    while (node !== undefined && !node.cidr.contains(address)) node = node.parent;
    return node?.prefix;
  }

  /** Puts new nodes in their places and takes empty ones out. */
  #file(marked: ReadonlyMap<string, Node>): void {
    const come = [...marked.values()].filter((node) => !node.empty && !this.#nodes.has(node.cidr.text));
    const gone = [...marked.values()].filter((node) => node.empty && this.#nodes.has(node.cidr.text));
    for (const node of come) this.#nodes.set(node.cidr.text, node);
    for (const node of gone) this.#nodes.delete(node.cidr.text);
    if (come.length + gone.length > MANY) {
      this.#sorted = [...this.#nodes.values()].sort(compareNodes);
      return;
    }
    for (const node of gone) this.#sorted.splice(this.#firstAfter(node.key, node.cidr.length) - 1, 1);
    for (const node of come) this.#sorted.splice(this.#firstAfter(node.key, node.cidr.length), 0, node);
  }

  /** Nodes at and within the marked ones, shorter first, each with its parent found. */
  *#stale(marked: ReadonlyMap<string, Node>): Generator<Node> {
    let next = 0;
    for (const { key, cidr } of [...marked.values()].sort(compareNodes)) {
      for (next = Math.max(next, this.#firstAfter(key, cidr.length - 1)); next < this.#sorted.length; next++) {
        const node = this.#sorted[next]!;
        if (!cidr.covers(node.cidr)) break;
        let parent = this.#sorted[next - 1];
        while (parent !== undefined && !parent.cidr.covers(node.cidr)) parent = parent.parent;
        node.parent = parent;
        yield node;
      }
    }
  }

  /** Place of the first node after this address and length. */
  #firstAfter(key: string, length: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const node = this.#sorted[middle]!;
      if (node.key < key || (node.key === key && node.cidr.length <= length)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** From so many prefixes that come and go at once, sorting anew is cheaper than moving the others. */
const MANY = 256;

/** What begins at a prefix: atoms that have it among their nets, and those that except it; and what follows for its addresses. */
class Node {
  readonly key: string;
  readonly within = new Set<NetsAtom>();
  readonly without = new Set<NetsAtom>();
  parent: Node | undefined;
  prefix: Prefix | undefined;
  /** Its own and its parents'. */
  private allWithin: ReadonlySet<NetsAtom> = new Set();
  private allWithout: ReadonlySet<NetsAtom> = new Set();

  constructor(readonly cidr: Cidr) {
    this.key = sortKey(cidr.address);
  }

  get empty(): boolean {
    return this.within.size === 0 && this.without.size === 0;
  }

  /** Works it out from its parent, which is up to date. @returns whether it is another prefix now */
  renew(): boolean {
    this.allWithin = join(this.within, this.parent?.allWithin);
    this.allWithout = join(this.without, this.parent?.allWithout);
    const atoms = [...this.allWithin].filter((atom) => !this.allWithout.has(atom));
    const { prefix } = this;
    const parent = this.parent?.prefix;
    if (prefix?.parent === parent && prefix?.atoms.length === atoms.length && prefix.atoms.every((atom, i) => atom === atoms[i])) return false;
    this.prefix = { cidr: this.cidr, parent, atoms, single: this.cidr.length === addressBytes(this.cidr.family) * 8 };
    return true;
  }
}

const EVERYWHERE: readonly Cidr[] = [CidrOf.parse('0.0.0.0/0')!, CidrOf.parse('::/0')!];

const compareNodes = (a: Node, b: Node): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.cidr.length - b.cidr.length);

/** A new set: what `own` says may change later. */
function join<T>(own: ReadonlySet<T>, inherited: ReadonlySet<T> | undefined): ReadonlySet<T> {
  if (own.size === 0 && inherited !== undefined) return inherited;
  return new Set([...(inherited ?? []), ...own]);
}

/** Text that sorts as the address does, IPv4 before IPv6. */
function sortKey(address: IpAddress): string {
  return `${address.family}${Buffer.from(address.bytes).toString('hex')}`;
}
