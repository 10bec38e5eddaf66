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

/** Interns classes by text and by the identity of the atom lists they come from. */
export class ClassPool {
  readonly #classes = new Map<string, PeerClass>();

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

  /** Forgets classes that are not in use. */
  keep(classes: ReadonlySet<PeerClass>): void {
    for (const [text, made] of this.#classes) if (!classes.has(made)) this.#classes.delete(text);
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
