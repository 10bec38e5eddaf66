import type { MapFound, MapSizes } from '../kernel/bpf-object.js';

export interface MapPlan {
  /** As the user says, by map: that and nothing else. */
  readonly asked: MapSizes;
  /** Rows that maps of the agent's own must have room for, by map. */
  readonly grown: MapSizes;
  /** Rows that are wanted, by table, of both families together; undefined: nobody knows yet. */
  readonly wanted?: ReadonlyMap<string, number>;
  /** Of the rows of maps that programs fill. */
  readonly scale: number;
}

/** Map types of linux/bpf.h. */
const HASH = 1;
const LRU_HASH = 9;
const LPM_TRIE = 11;
/** Whatever the need: 64 MB of buckets. */
const MOST_ROWS = 4_194_304;
/** A map is made larger from this share of its rows on, before one finds no room. */
const NEARLY_FULL = 7 / 8;
/** Rows beyond those that are there when it is made larger. */
const SLACK = 1.5;

const GB = 2 ** 30;
/** Less memory than this, and of the built-in rows so much; the steps lie below 4, 32 and 128 GB because a machine sold with that much has less. */
const SCALES: readonly (readonly [belowBytes: number, scale: number])[] = [
  [3.5 * GB, 0.5],
  [28 * GB, 1],
  [112 * GB, 4],
];
const LARGEST_SCALE = 8;

/** How many rows the maps that programs fill get on a node with so much memory, times the built-in ones. */
export const scaleFor = (memory: number): number => SCALES.find(([below]) => memory < below)?.[1] ?? LARGEST_SCALE;

/**
 * The size of every map, where it is not the built-in one. LRU maps, whose memory
 * is allocated at once, go by the node's memory. Maps that the agent fills go by
 * what they hold: they are as large as the one that is pinned, which grew when it had to, or have
 * room for half as many rows again as are wanted.
 */
export function planMaps(maps: readonly MapFound[], { asked, grown, wanted, scale }: MapPlan): MapSizes {
  const sizes = { ...asked };
  for (const { declared, pinnedEntries = 0 } of maps) {
    const { name, maxEntries, type } = declared;
    if (name in asked) continue;
    if (type === LRU_HASH) sizes[name] = Math.round(maxEntries * scale);
    else if (isGrowing(type)) sizes[name] = Math.max(maxEntries, pinnedEntries, grown[name] ?? 0, roomFor(wantedOf(name, wanted)));
    if (sizes[name] === maxEntries) delete sizes[name];
  }
  return sizes;
}

const wantedOf = (map: string, wanted: ReadonlyMap<string, number> = NOTHING): number => wanted.get(map) ?? wanted.get(map.replace(/[46]$/, '')) ?? 0;
const roomFor = (rows: number): number => Math.min(MOST_ROWS, 2 ** Math.ceil(Math.log2(Math.max(1, rows) * SLACK)));
const NOTHING: ReadonlyMap<string, number> = new Map();

/** Types of maps that the agent fills row by row. */
export const isGrowing = (type: number): boolean => type === HASH || type === LPM_TRIE;

/**
 * Which maps have hardly room for what is wanted of them, and how many rows they should have.
 * @param wanted rows by table, of both families together
 * @param capacities rows by map, of those that grow
 * @returns undefined where none does
 */
export function growthOf(wanted: ReadonlyMap<string, number>, capacities: ReadonlyMap<string, number>, asked: MapSizes): MapSizes | undefined {
  const grown: Record<string, number> = {};
  for (const [name, capacity] of capacities) {
    const rows = wantedOf(name, wanted);
    if (rows <= capacity * NEARLY_FULL || name in asked || capacity >= MOST_ROWS) continue;
    grown[name] = roomFor(rows);
  }
  return Object.keys(grown).length === 0 ? undefined : grown;
}
