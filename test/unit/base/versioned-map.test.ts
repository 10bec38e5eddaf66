import { describe, expect, it } from 'vitest';
import { changesBetween, MapEditor, VersionedMap } from '../../../agent/base/versioned-map.js';
import { Random, testSeed } from '../../support/random.js';

const seed = testSeed();

/** A version, and what it must read as for ever. */
interface Held {
  readonly version: VersionedMap<number, object>;
  readonly rows: ReadonlyMap<number, object>;
}

function edit(random: Random, editor: MapEditor<number, object>, model: Map<number, object>): void {
  for (let n = random.below(7); n > 0; n--) {
    const key = random.below(21);
    if (random.next() < 0.4) {
      expect(editor.delete(key)).toBe(model.delete(key));
    } else {
      const value = random.next() < 0.2 ? (model.get(key) ?? {}) : { n };
      if (!model.has(key) && random.next() < 0.5) editor.add(key, value);
      else editor.set(key, value);
      model.set(key, value);
    }
  }
}

function branch(random: Random, { version, rows }: Held): Held {
  const changes = Array.from({ length: random.below(6) }, () => [random.below(21), random.next() < 0.4 ? undefined : {}] as const);
  const model = new Map(rows);
  for (const [key, value] of changes) {
    if (value === undefined) model.delete(key);
    else model.set(key, value);
  }
  return { version: version.with(changes), rows: model };
}

function history(random: Random): Held[] {
  const editor = new MapEditor<number, object>();
  const model = new Map<number, object>();
  const held: Held[] = [];
  for (let step = 0; step < 40; step++) {
    edit(random, editor, model);
    held.push({ version: editor.version(), rows: new Map(model) });
    if (random.next() < 0.2) held.push(branch(random, random.pick(held)));
  }
  return held;
}

describe('versions of a map', () => {
  it('each read as the map they were, whatever was written since', () => {
    const random = new Random(seed);
    for (let run = 0; run < 30; run++) {
      for (const { version, rows } of history(random)) {
        expect(new Map(version), `seed ${seed}`).toEqual(rows);
        expect(version.size).toBe(rows.size);
        for (let key = 0; key <= 20; key++) expect([version.get(key), version.has(key)]).toEqual([rows.get(key), rows.has(key)]);
      }
    }
  });

  it('tell what is different between any two, in both directions', () => {
    const random = new Random(seed);
    for (let run = 0; run < 10; run++) {
      const held = history(random);
      for (let n = 0; n < 200; n++) {
        const [a, b] = [random.pick(held), random.pick(held)];
        const sorted = (map: Iterable<readonly [number, unknown, unknown]>) => [...map].sort(([x], [y]) => x - y);
        expect(sorted(changesBetween(a.version, b.version)), `seed ${seed}`).toEqual(sorted(changesBetween(a.rows, b.rows)));
      }
    }
  });

  it('are looked up for their changes only, not for the rest of the map', () => {
    const editor = new MapEditor(new Map(Array.from({ length: 1000 }, (_, i) => [i, { i }])));
    const before = editor.version();
    editor.set(7, { i: 0 });
    editor.delete(8);
    const now = editor.version();
    expect([...VersionedMap.keysBetween(before, now)!]).toEqual([7, 8]);
    expect([...changesBetween(before, now)].map(([key]) => key)).toEqual([7, 8]);
  });

  it('are the same one while nothing is written', () => {
    const editor = new MapEditor<number, object>();
    const value = {};
    editor.set(1, value);
    const version = editor.version();
    editor.set(1, value);
    editor.delete(2);
    expect(editor.version()).toBe(version);
  });
});
