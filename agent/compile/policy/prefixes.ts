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

/** All prefixes of the atoms in force, exceptions included, so that the longest one that covers an address always tells the truth about it. */
export class PrefixTable {
  /** By address, shorter first: a prefix comes after all that cover it. */
  readonly prefixes: readonly Prefix[];
  readonly #starts: readonly string[];

  constructor(atoms: Iterable<NetsAtom>) {
    const marks = collect(atoms);
    const sorted = [...marks.values()].map((m) => ({ ...m, key: sortKey(m.cidr.address) }));
    sorted.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.cidr.length - b.cidr.length));
    const prefixes: Prefix[] = [];
    const path: Open[] = [];
    for (const mark of sorted) {
      while (path.length > 0 && !path.at(-1)!.prefix.cidr.covers(mark.cidr)) path.pop();
      const open = enter(mark, path.at(-1));
      path.push(open);
      prefixes.push(open.prefix);
    }
    this.prefixes = prefixes;
    this.#starts = sorted.map((m) => m.key);
  }

  /** The longest prefix that covers the address. */
  find(address: IpAddress): Prefix | undefined {
    const key = sortKey(address);
    let low = 0;
    let high = this.#starts.length; // the last prefix that starts at or before the address is at low - 1
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= key) low = middle + 1;
      else high = middle;
    }
    let prefix = this.prefixes[low - 1];
    while (prefix !== undefined && !prefix.cidr.contains(address)) prefix = prefix.parent;
    return prefix;
  }
}

/** What begins at a prefix: atoms that have it among their nets, and those that except it. */
interface Marks {
  readonly cidr: Cidr;
  readonly within: Set<NetsAtom>;
  readonly without: Set<NetsAtom>;
}

interface Open {
  readonly prefix: Prefix;
  readonly within: ReadonlySet<NetsAtom>;
  readonly without: ReadonlySet<NetsAtom>;
}

const EVERYWHERE: readonly Cidr[] = [CidrOf.parse('0.0.0.0/0')!, CidrOf.parse('::/0')!];

function collect(atoms: Iterable<NetsAtom>): Map<string, Marks> {
  const marks = new Map<string, Marks>();
  const at = (cidr: Cidr): Marks => {
    const found = marks.get(cidr.text) ?? { cidr, within: new Set(), without: new Set() };
    marks.set(cidr.text, found);
    return found;
  };
  for (const atom of atoms) {
    for (const cidr of atom.nets ?? EVERYWHERE) at(cidr).within.add(atom);
    for (const cidr of atom.notNets) at(cidr).without.add(atom);
  }
  return marks;
}

function enter(mark: Marks, parent: Open | undefined): Open {
  const within = join(mark.within, parent?.within);
  const without = join(mark.without, parent?.without);
  const atoms = [...within].filter((atom) => !without.has(atom));
  const single = mark.cidr.length === addressBytes(mark.cidr.family) * 8;
  return { prefix: { cidr: mark.cidr, parent: parent?.prefix, atoms, single }, within, without };
}

function join<T>(own: ReadonlySet<T>, inherited: ReadonlySet<T> | undefined): ReadonlySet<T> {
  if (inherited === undefined || inherited.size === 0) return own;
  return own.size === 0 ? inherited : new Set([...inherited, ...own]);
}

/** Text that sorts as the address does, IPv4 before IPv6. */
function sortKey(address: IpAddress): string {
  return `${address.family}${Buffer.from(address.bytes).toString('hex')}`;
}
