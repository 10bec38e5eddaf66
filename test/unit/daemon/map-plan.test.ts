import { describe, expect, it } from 'vitest';
import { growthOf, planMaps, scaleFor } from '../../../agent/daemon/map-plan.js';
import type { MapFound } from '../../../agent/kernel/bpf-object.js';

const [ARRAY, LRU_HASH, HASH, LPM_TRIE] = [2, 9, 1, 11];
const GB = 2 ** 30;

const found = (name: string, type: number, maxEntries: number, pinnedEntries?: number): MapFound => ({ declared: { name, type, maxEntries, id: 0, keySize: 4, valueSize: 4, flags: 0 }, pinnedEntries });
const plan = (maps: readonly MapFound[], change: Partial<Parameters<typeof planMaps>[1]> = {}) => planMaps(maps, { asked: {}, grown: {}, scale: 1, ...change });

describe('sizes of maps', () => {
  it('are built in, but where something says otherwise', () => {
    expect(plan([found('canal_ct4', LRU_HASH, 64), found('canal_peer4', HASH, 32), found('canal_config', ARRAY, 1)])).toEqual({});
  });

  it('of what programs fill go by the scale, others do not', () => {
    const maps = [found('canal_ct4', LRU_HASH, 64, 64), found('canal_peer4', HASH, 32), found('canal_rule', LPM_TRIE, 32), found('canal_config', ARRAY, 1)];
    expect(plan(maps, { scale: 4 })).toEqual({ canal_ct4: 256 });
    expect(plan(maps, { scale: 0.5 })).toEqual({ canal_ct4: 32 });
  });

  it('of what the agent fills stay as they are pinned, or grow; a smaller pin of an older version does not count', () => {
    expect(plan([found('canal_peer4', HASH, 32, 128)])).toEqual({ canal_peer4: 128 });
    expect(plan([found('canal_peer4', HASH, 32, 128)], { grown: { canal_peer4: 256 } })).toEqual({ canal_peer4: 256 });
    expect(plan([found('canal_peer4', HASH, 32, 16)])).toEqual({});
  });

  it('of what the agent fills have room at once for half as many rows again as are known to be wanted', () => {
    const maps = [found('canal_peer4', HASH, 32), found('canal_table', HASH, 32), found('canal_rule', LPM_TRIE, 32), found('canal_ct4', LRU_HASH, 64)];
    const wanted = new Map([['canal_peer', 100], ['canal_table', 23], ['canal_rule', 21], ['canal_ct', 1000]]);
    expect(plan(maps, { wanted })).toEqual({ canal_peer4: 256, canal_table: 64 });
    expect(growthOf(wanted, new Map([['canal_peer4', 256], ['canal_table', 64], ['canal_rule', 32]]), {})).toBeUndefined();
    expect(plan([found('canal_peer4', HASH, 32)], { wanted: new Map([['canal_peer', 1e9]]) })).toEqual({ canal_peer4: 4_194_304 });
  });

  it('that were asked for are taken, and neither scaled nor grown', () => {
    const maps = [found('canal_ct4', LRU_HASH, 64), found('canal_peer4', HASH, 32, 128)];
    expect(plan(maps, { asked: { canal_ct4: 10, canal_peer4: 20 }, grown: { canal_peer4: 256 }, wanted: new Map([['canal_peer', 1000]]), scale: 4 })).toEqual({ canal_ct4: 10, canal_peer4: 20 });
  });

  it.each([[1, 0.5], [3.4, 0.5], [3.7, 1], [7.6, 1], [15.5, 1], [27, 1], [31, 4], [62, 4], [125, 8], [1500, 8]])('with %d GB of memory are %d times the built-in ones', (gb, scale) => {
    expect(scaleFor(gb * GB)).toBe(scale);
  });
});

describe('a map grows', () => {
  it('before it is full, to what leaves half as much room again, in a power of two', () => {
    expect(growthOf(new Map([['canal_peer', 28]]), new Map([['canal_peer4', 32]]), {})).toBeUndefined();
    expect(growthOf(new Map([['canal_peer', 29]]), new Map([['canal_peer4', 32]]), {})).toEqual({ canal_peer4: 64 });
    expect(growthOf(new Map([['canal_table', 1000], ['canal_peer', 1]]), new Map([['canal_table', 32], ['canal_peer4', 32]]), {})).toEqual({ canal_table: 2048 });
  });

  it('once: what it becomes has room for what it was made for', () => {
    for (const rows of [29, 1000, 99_999, 1_234_567]) {
      const grown = growthOf(new Map([['canal_peer', rows]]), new Map([['canal_peer4', 32]]), {})!;
      expect(growthOf(new Map([['canal_peer', rows]]), new Map(Object.entries(grown)), {}), String(rows)).toBeUndefined();
    }
  });

  it('not where its size was asked for, nor without end', () => {
    expect(growthOf(new Map([['canal_peer', 32]]), new Map([['canal_peer4', 32]]), { canal_peer4: 32 })).toBeUndefined();
    const most = growthOf(new Map([['canal_peer', 1e9]]), new Map([['canal_peer4', 32]]), {})!;
    expect(growthOf(new Map([['canal_peer', 1e9]]), new Map(Object.entries(most)), {})).toBeUndefined();
  });
});
