import { describe, expect, it } from 'vitest';
import { type Atom, AtomPool } from '../../../agent/compile/policy/atoms.js';
import { RuleIndex } from '../../../agent/compile/policy/rule-index.js';
import type { RuleSpec } from '../../../agent/compile/policy/table-spec.js';
import { Random, testSeed } from '../../support/random.js';

const seed = testSeed();

describe('the index of a table\'s rules', () => {
  it('finds for any set of atoms the rules that asking each of them finds', () => {
    const random = new Random(seed);
    const pool = new AtomPool();
    const atoms = Array.from({ length: 12 }, (_, i): Atom => pool.port(`6/p${i}`, i));
    for (let run = 0; run < 2000; run++) {
      const some = (least: number, most: number): Atom[] => random.shuffled(atoms).slice(0, random.int(least, most));
      const rules = random.list(0, 8, (i): RuleSpec => ({
        tier: 0, name: `${i}`, id: BigInt(i), action: 'allow', services: undefined,
        peers: random.chance(0.2) ? undefined : random.list(0, 4, () => some(1, 3)),
      }));
      const index = new RuleIndex(rules);
      const satisfied = new Set(some(0, 12));
      const found = index.rules(index.holding(satisfied));
      const expected = rules.filter(({ peers }) => peers === undefined || peers.some((all) => all.every((a) => satisfied.has(a))));
      expect(found.map((r) => r.name), `seed ${seed}, run ${run}`).toEqual(expected.map((r) => r.name));
    }
  });
});
