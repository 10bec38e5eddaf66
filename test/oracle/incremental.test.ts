import { describe, expect, it } from 'vitest';
import { PolicyCompiler, compilePolicy } from '../../agent/compile/policy/compiler.js';
import { randomEdit, shuffledScene } from './edit.js';
import { SMALL, type SceneSize, randomScene } from './generate.js';
import { Random, testSeed } from '../support/random.js';

const seed = testSeed();
const SIZE: SceneSize = { ...SMALL, families: [4, 6] };

describe('the compiler that remembers', () => {
  it('gives after any sequence of edits what a compile from nothing gives', { timeout: 120_000 }, () => {
    const random = new Random(seed);
    for (let run = 0; run < 40; run++) {
      const compiler = new PolicyCompiler();
      let scene = randomScene(random, SIZE);
      const earlier = [];
      for (let step = 0; step < 25; step++) {
        const state = compiler.compile(scene.snapshot, scene.facts);
        expect(state, `seed ${seed}, run ${run}, step ${step}`).toEqual(compilePolicy(scene.snapshot, scene.facts));
        earlier.push(scene);
        // Now and then back to what was before, as an undone change does.
        scene = random.chance(0.15) ? random.pick(earlier) : randomEdit(random, scene, SIZE, random.int(1, 3));
      }
    }
  });

  it('does not change a state that it gave away', () => {
    const random = new Random(seed);
    const compiler = new PolicyCompiler();
    let scene = randomScene(random, SIZE);
    for (let step = 0; step < 30; step++) {
      const state = compiler.compile(scene.snapshot, scene.facts);
      const copy = compilePolicy(scene.snapshot, scene.facts);
      scene = randomEdit(random, scene, SIZE, 2);
      compiler.compile(scene.snapshot, scene.facts);
      expect(state, `seed ${seed}, step ${step}`).toEqual(copy);
    }
  });

  it('keeps tables and address rows identical where nothing about them changed', () => {
    const random = new Random(seed);
    const scene = randomScene(random, SIZE);
    const compiler = new PolicyCompiler();
    const first = compiler.compile(scene.snapshot, scene.facts);
    const second = compiler.compile({ ...scene.snapshot, pods: new Map(scene.snapshot.pods) }, scene.facts);
    for (const [id, entries] of first.tables) expect(second.tables.get(id)).toBe(entries);
    for (const [address, row] of first.peers) expect(second.peers.get(address)).toBe(row);
  });
});

describe('a compile', () => {
  it('does not depend on the order of its input', () => {
    const random = new Random(seed);
    for (let run = 0; run < 60; run++) {
      const scene = randomScene(random, SIZE);
      const shuffled = shuffledScene(random, scene);
      expect(compilePolicy(shuffled.snapshot, shuffled.facts), `seed ${seed}, run ${run}`).toEqual(compilePolicy(scene.snapshot, scene.facts));
    }
  });
});
