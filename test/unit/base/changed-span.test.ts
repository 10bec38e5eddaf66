import { expect, it } from 'vitest';
import { changedSpan } from '../../../agent/base/changed-span.js';
import { Random, testSeed } from '../../support/random.js';

it('tells what is to be taken out and put in to make one list of the other, and nothing of a list that is the same', () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  for (let run = 0; run < 500; run++) {
    const before = Array.from({ length: random.int(0, 8) }, () => random.int(0, 3));
    const now = random.chance(0.2) ? [...before] : Array.from({ length: random.int(0, 8) }, () => random.int(0, 3));
    const { gone, come } = changedSpan(before, now);
    const counted = [...before];
    for (const item of gone) counted.splice(counted.indexOf(item), 1);
    expect([...counted, ...come].sort(), JSON.stringify([before, now])).toEqual([...now].sort());
    if (before.join() === now.join()) expect([gone, come]).toEqual([[], []]);
  }
});

it('tells of one item that came or went, wherever it is, that item alone', () => {
  expect(changedSpan([1, 2, 3], [1, 2, 9, 3])).toEqual({ gone: [], come: [9] });
  expect(changedSpan([1, 2, 3], [1, 3])).toEqual({ gone: [2], come: [] });
  expect(changedSpan([1, 2, 3], [1, 9, 3])).toEqual({ gone: [2], come: [9] });
  expect(changedSpan([1, 1], [1, 1, 1])).toEqual({ gone: [], come: [1] });
});
