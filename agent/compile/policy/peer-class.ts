import { contentId } from '../../base/hash.js';
import type { Atom } from './atoms.js';
import type { Answers } from './verdicts.js';

/** A set of atoms that addresses can satisfy; several sets where several live pods claim one address. */
export interface PeerClass {
  /** contentId(text); 0n with no atoms. */
  readonly id: bigint;
  /** Texts of the atoms, sorted, a line each; sets sorted, with an empty line between. */
  readonly text: string;
  readonly answers: readonly Answers[];
}

/** Classes that are in use and were not at the last call, and those that are no more; never class 0. */
export interface ClassChanges {
  readonly added: readonly AddedClass[];
  readonly gone: readonly PeerClass[];
}

export interface AddedClass {
  readonly peer: PeerClass;
  /** That somebody in it was in at the last call: mostly they differ in an atom or two, and most tables tell both the same. */
  readonly origin: PeerClass | undefined;
}

/** Interns classes by text, and counts who is in them. */
export class ClassPool {
  readonly #classes = new Map<string, PeerClass>();
  /** How many addresses and prefixes are in a class, but for class 0. */
  readonly #uses = new Map<PeerClass, number>();
  /** Classes whose uses have changed since the last `take`, with whether they were in use then. */
  #touched = new Map<PeerClass, boolean>();
  /** Of these, the class that the first one who came was in. */
  #origins = new Map<PeerClass, PeerClass>();

  of(sets: readonly (readonly Atom[])[]): PeerClass {
    const distinct = new Map(sets.map((atoms) => [setText(atoms), atoms]));
    const texts = [...distinct.keys()].sort();
    const text = texts.join('\n\n');
    const known = this.#classes.get(text);
    if (known !== undefined) return known;
    const made: PeerClass = {
      id: texts.length === 1 && text === '' ? 0n : contentId(`class\n${text}`),
      text,
      answers: texts.map((t) => answersOf(distinct.get(t)!)),
    };
    this.#classes.set(text, made);
    return made;
  }

  /** The class itself, or the one that took its place while nobody used it. */
  current(peer: PeerClass): PeerClass {
    const known = this.#classes.get(peer.text);
    if (known !== undefined) return known;
    this.#classes.set(peer.text, peer);
    return peer;
  }

  /** An address or prefix is in another class now; undefined: in none, it has no row. */
  move(from: PeerClass | undefined, to: PeerClass | undefined): void {
    if (from !== undefined) this.#count(from, -1);
    if (to === undefined) return;
    this.#count(to, 1);
    if (from !== undefined && this.#touched.get(to) === false && !this.#origins.has(to)) this.#origins.set(to, from);
  }

  /** Classes that came into use since the last call, and that are in use no more. Forgets those. */
  take(): ClassChanges {
    const changed = [...this.#touched].filter(([peer, before]) => before !== this.#uses.has(peer));
    for (const peer of this.#touched.keys()) if (!this.#uses.has(peer)) this.#classes.delete(peer.text);
    const origins = this.#origins;
    this.#touched = new Map();
    this.#origins = new Map();
    return {
      added: changed.filter(([, before]) => !before).map(([peer]) => ({ peer, origin: origins.get(peer) })),
      gone: changed.filter(([, before]) => before).map(([peer]) => peer),
    };
  }

  #count(peer: PeerClass, step: 1 | -1): void {
    if (peer.id === 0n) return;
    const before = this.#uses.get(peer) ?? 0;
    if (!this.#touched.has(peer)) this.#touched.set(peer, before > 0);
    if (before + step === 0) this.#uses.delete(peer);
    else this.#uses.set(peer, before + step);
  }
}

const setText = (atoms: readonly Atom[]): string => [...new Set(atoms.map((a) => a.text))].sort().join('\n');

function answersOf(atoms: readonly Atom[]): Answers {
  const ports = new Map<string, number[]>();
  for (const atom of atoms) {
    if (atom.kind === 'port') ports.set(atom.query, [...(ports.get(atom.query) ?? []), atom.port].sort((a, b) => a - b));
  }
  return { atoms: new Set(atoms), ports };
}
