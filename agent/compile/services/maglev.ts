import { createHash } from 'node:crypto';

/** Table sizes that Cilium offers; primes, so that every backend's permutation covers the table. */
export const TABLE_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521, 131_071] as const;

/**
 * The lookup table of Maglev (Eisenbud et al., NSDI 2016, section 3.4): which
 * of `names` has which slot. Shares differ by few slots, and one name more or
 * less moves little more than its own share. A function of the set of names
 * and the size alone, so every node and every run has the same.
 * @param names each once, in any order
 * @param size prime, no smaller than the number of names
 * @returns for each slot an index into `names`; empty without names
 */
export function maglevTable(names: readonly string[], size: number): Int32Array {
  if (names.length === 0) return new Int32Array(0);
  // The order decides who takes a contested slot, so it must not come from outside.
  const turns = names.map((name, index) => ({ name, index, ...permutation(name, size) })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const table = new Int32Array(size).fill(-1);
  for (let filled = 0; ; ) {
    for (const turn of turns) {
      while (table[turn.at] !== -1) turn.at = (turn.at + turn.skip) % size;
      table[turn.at] = turn.index;
      turn.at = (turn.at + turn.skip) % size;
      if (++filled === size) return table;
    }
  }
}

/** A name's order of preference: `at`, `at + skip`, … modulo the size. */
function permutation(name: string, size: number): { at: number; readonly skip: number } {
  const digest = createHash('sha256').update(name).digest();
  return { at: digest.readUInt32LE(0) % size, skip: (digest.readUInt32LE(4) % (size - 1)) + 1 };
}
