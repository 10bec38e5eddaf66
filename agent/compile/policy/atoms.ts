import type { Cidr } from '../../base/address.js';
import { type Peer, type PodSelection, namesNamespace } from '../../model/policy.js';
import { selectorText } from '../../model/selector.js';

/** One thing that a rule in force can ask of a peer's address. Equal atoms have equal text, and through {@link AtomPool} one identity. */
export type Atom = PodsAtom | NetsAtom | PortAtom;

/** The address is a live pod's, of this selection. */
export interface PodsAtom {
  readonly kind: 'pods';
  readonly text: string;
  readonly selection: PodSelection;
}

/** The address is in one of `nets` (undefined: anywhere) and in none of `notNets`. */
export interface NetsAtom {
  readonly kind: 'nets';
  readonly text: string;
  readonly nets: readonly Cidr[] | undefined;
  readonly notNets: readonly Cidr[];
}

/** The address is a live pod's that calls this port by the name in `query`. */
export interface PortAtom {
  readonly kind: 'port';
  readonly text: string;
  /** {@link portQuery}: what rules ask. */
  readonly query: string;
  readonly port: number;
}

/** A named port as rules ask for it: `6/http`. */
export const portQuery = (protocol: number, name: string): string => `${protocol}/${name}`;

/** Interns atoms by text, so that sets of them compare by identity. */
export class AtomPool {
  readonly #atoms = new Map<string, Atom>();

  /** All that a peer asks; the peer is satisfied when each holds. */
  ofPeer(peer: Peer): readonly Atom[] {
    const atoms: Atom[] = [];
    if (peer.selection !== undefined) atoms.push(this.#pods(peer.selection));
    if (peer.nets !== undefined || (peer.notNets ?? []).length > 0) atoms.push(this.#nets(peer.nets, peer.notNets ?? []));
    return atoms;
  }

  port(query: string, port: number): PortAtom {
    const text = `port ${query}=${port}`;
    return this.#intern(text, () => ({ kind: 'port', text, query, port }));
  }

  /** Forgets atoms that no table in force asks for, once they outnumber the others. */
  keep(asked: { readonly size: number; has(atom: Atom): boolean }): void {
    if (this.#atoms.size <= 2 * asked.size + 1000) return;
    for (const [text, atom] of this.#atoms) if (!asked.has(atom)) this.#atoms.delete(text);
  }

  #pods(selection: PodSelection): PodsAtom {
    const { namespaces } = selection;
    const where = namesNamespace(namespaces) ? `name ${namespaces.name}` : `labels ${selectorText(namespaces)}`;
    const text = `pods ${selectorText(selection.pods)} of ${where}`;
    return this.#intern(text, () => ({ kind: 'pods', text, selection }));
  }

  #nets(nets: readonly Cidr[] | undefined, notNets: readonly Cidr[]): NetsAtom {
    const text = `nets ${nets === undefined ? 'any' : list(nets)} except ${list(notNets)}`;
    return this.#intern(text, () => ({ kind: 'nets', text, nets, notNets }));
  }

  #intern<T extends Atom>(text: string, make: () => T): T {
    const found = this.#atoms.get(text);
    if (found !== undefined) return found as T; // texts of different kinds differ in their first word
    const atom = make();
    this.#atoms.set(text, atom);
    return atom;
  }
}

const list = (nets: readonly Cidr[]): string => `{${[...new Set(nets.map((n) => n.text))].sort().join(' ')}}`;
