import { Cidr, type IpAddress } from '../../base/address.js';
import { contentId } from '../../base/hash.js';
import { changesBetween, VersionedMap } from '../../base/versioned-map.js';
import type { PolicyState, RuleRow } from '../desired.js';
import { classOf } from './lookup.js';

/**
 * The states to pass through on the way from `previous` (what the maps hold)
 * to `next`. Each is to be upserted, removing nothing, in this order: rows,
 * tables, addresses (peers and cidrs in any order), endpoints. After the last one, what is left to
 * prune is without effect: rows that nothing points at, and addresses that
 * are in the same class without their row. At every moment of it, each
 * endpoint judges each packet as all of `previous` or all of `next` would.
 *
 * Where both addresses change class and endpoints change table, no class of
 * either state would do: two addresses that next treats alike may have been
 * told apart before. So addresses first move to *bridge* classes, one for each
 * pair (old class, new class), which tables of `previous` treat as the old class;
 * then endpoints move to *bridge* tables, copies of next's which treat a pair as
 * the new class; then addresses go to their new class, and endpoints last
 * to their new table. Mostly this can be left out, as when one pod gets other labels: it does
 * to go in one of the two orders, with no mixture that differs from both states. Bridge ids are ids that `previous` does not use, so an
 * interrupted transition may be followed by any other. `previous` needs
 * no more than the rows of the maps, so it can be read from the kernel. An
 * endpoint that next has no more is not spoken for: its device is gone.
 */
export function transition(previous: PolicyMaps, next: PolicyState): readonly PolicyState[] {
  const places = changedPlaces(previous, next);
  const way = wayOf(previous, next, places);
  if (way === 'bridge') return [bridge(previous, next, places), settle(next, places)];
  const splits = places.some(({ had }) => !had) && places.some(({ at, had, from, to }) => had && at instanceof Cidr && from !== to);
  if (splits || way === 'endpoints first') return [split(previous, next, places), settle(next, places)];
  return [way === 'any' && toldAlike(previous, next, places) ? next : settle(next, places)];
}

/** What the maps hold: all of a PolicyState but its texts. */
export type PolicyMaps = Pick<PolicyState, 'rows' | 'tables' | 'peers' | 'cidrs' | 'endpoints'>;

/** An address or prefix that has a row in either state, with the class that holds there before and after: where there is no row, one of up to 129 prefixes says, which is looked up when it is asked for. */
class Place {
  #from: bigint | undefined;
  #to: bigint | undefined;
  /** Whether previous has this row. */
  readonly had: boolean;
  /** Whether next has this row; otherwise it goes at the prune. */
  readonly stays: boolean;

  constructor(readonly at: IpAddress | Cidr, was: bigint | undefined, is: bigint | undefined, private readonly previous: PolicyMaps, private readonly next: PolicyMaps) {
    this.had = was !== undefined;
    this.stays = is !== undefined;
    this.#from = was;
    this.#to = is;
  }

  get from(): bigint {
    return (this.#from ??= classAt(this.previous, this.at));
  }

  get to(): bigint {
    return (this.#to ??= classAt(this.next, this.at));
  }
}

const changesClass = ({ from, to }: Place): boolean => from !== to;

/** Looking at more pairs of a table and a place than these costs more than a bridge. */
const MOST_PAIRS = 10_000;

type Way = 'any' | 'places first' | 'endpoints first' | 'bridge';

/**
 * In which order addresses may get their new class and endpoints their new table,
 * so that in between nobody is told what neither state says. Prefixes do not
 * come first: addresses in them may have longer rows that are not there yet.
 */
function wayOf(previous: PolicyMaps, next: PolicyMaps, places: readonly Place[]): Way {
  if (places.length === 0) return 'any';
  const moves = new Map<string, readonly [was: bigint, is: bigint]>();
  for (const [, old, tables] of changesBetween(previous.endpoints, next.endpoints)) {
    if (old === undefined || tables === undefined) continue;
    for (const [was, is] of [[old.ingressTable, tables.ingressTable], [old.egressTable, tables.egressTable]] as const) if (was !== is) moves.set(`${was} ${is}`, [was, is]);
  }
  if (moves.size === 0) return 'any';
  const changes = places.filter(changesClass);
  if (changes.length === 0) return 'any';
  if (moves.size * changes.length > MOST_PAIRS) return 'bridge';
  const always = (between: (was: bigint, is: bigint, place: Place) => bigint | undefined): boolean =>
    [...moves.values()].every(([was, is]) => changes.every((place) => {
      const told = between(was, is, place);
      return told === rowsFor(was, place.from, previous) || told === rowsFor(is, place.to, next);
    }));
  if (!changes.some(({ at }) => at instanceof Cidr) && always((was, _is, { to }) => rowsFor(was, to, next, previous))) return 'places first';
  return always((_was, is, { from }) => rowsFor(is, from, next, previous)) ? 'endpoints first' : 'bridge';
}

/**
 * Whether every endpoint of next, all of which previous has, is told the same of each address that changes class, by the
 * one as by the other: then nobody sees in which order rows go at the prune, nor the class of a wider row that is
 * uncovered meanwhile, for that one is an address' class before or after as well. So it is where a pod leaves, and
 * with it those that only its own policies speak of.
 */
function toldAlike(previous: PolicyMaps, next: PolicyMaps, places: readonly Place[]): boolean {
  for (const [, was, is] of changesBetween(previous.endpoints, next.endpoints)) {
    if (is !== undefined && (was?.ingressTable !== is.ingressTable || was.egressTable !== is.egressTable)) return false;
  }
  const tables = new Set([...next.endpoints.values()].flatMap(({ ingressTable, egressTable }) => [ingressTable, egressTable]));
  if (tables.size === 0) return true;
  const changes = places.filter(changesClass);
  if (tables.size * changes.length > MOST_PAIRS) return false;
  return [...tables].every((table) => changes.every(({ from, to }) => {
    const told = rowsFor(table, to, next);
    return told === rowsFor(table, from, previous) && told === rowsFor(table, from, next, previous) && told === rowsFor(table, to, next, previous);
  }));
}

/** Rows that a table gives a class, where the first of these states that know the table decides; undefined: everything passes. */
function rowsFor(table: bigint, classId: bigint, ...states: readonly PolicyMaps[]): bigint | undefined {
  if (table === 0n) return undefined;
  for (const asked of [classId, 0n]) {
    for (const { tables } of states) {
      const rows = tables.get(table)?.get(asked);
      if (rows !== undefined) return rows;
    }
  }
  return MISSING;
}

/** No rows: such a table drops everything. */
const MISSING = -1n;

/** Those where the class changes, or the row comes or goes. */
function changedPlaces(previous: PolicyMaps, next: PolicyMaps): Place[] {
  const places: Place[] = [];
  const add = (at: IpAddress | Cidr, was: { classId: bigint } | undefined, is: { classId: bigint } | undefined): void => {
    if (was !== undefined && was.classId === is?.classId) return;
    places.push(new Place(at, was?.classId, is?.classId, previous, next));
  };
  for (const [, was, is] of changesBetween(previous.peers, next.peers)) add((is ?? was)!.address, was, is);
  for (const [, was, is] of changesBetween(previous.cidrs, next.cidrs)) add((is ?? was)!.cidr, was, is);
  return places;
}

const classAt = (maps: PolicyMaps, at: IpAddress | Cidr): bigint => (at instanceof Cidr ? classOfPrefix(maps, at) : classOf(maps, at));

/** Class of addresses in a prefix and in no longer one. */
function classOfPrefix({ cidrs }: PolicyMaps, cidr: Cidr): bigint {
  if (cidrs.size === 0) return 0n;
  for (let length = cidr.length; length >= 0; length--) {
    const row = cidrs.get(Cidr.of(cidr.address, length).text);
    if (row !== undefined) return row.classId;
  }
  return 0n;
}

/** Next, with the rows that the prune will take saying already what will hold without them. */
function settle(next: PolicyState, places: readonly Place[]): PolicyState {
  const leaving = places.filter((place) => !place.stays).map((place) => [place, place.to] as const);
  return leaving.length === 0 ? next : { ...next, ...withClasses(next, leaving) };
}

/**
 * Next's rows, with each address still where it was: a prefix that changes
 * class must not be seen at addresses whose own, longer row is not written yet.
 * Endpoints that come with next wait until their peers' classes are there.
 */
function split(previous: PolicyMaps, next: PolicyState, places: readonly Place[]): PolicyState {
  const come = [...changesBetween(previous.endpoints, next.endpoints)].filter(([, was]) => was === undefined);
  return { ...next, endpoints: changed(next.endpoints, come.map(([name]) => [name, undefined])), ...withClasses(next, places.map((place) => [place, place.from] as const)) };
}

function withClasses(maps: PolicyMaps, classes: Iterable<readonly [Place, bigint]>): Pick<PolicyMaps, 'peers' | 'cidrs'> {
  const peers: [string, { address: IpAddress; classId: bigint }][] = [];
  const cidrs: [string, { cidr: Cidr; classId: bigint }][] = [];
  for (const [{ at }, classId] of classes) {
    if (at instanceof Cidr) cidrs.push([at.text, { cidr: at, classId }]);
    else peers.push([at.text, { address: at, classId }]);
  }
  return { peers: changed(maps.peers, peers), cidrs: changed(maps.cidrs, cidrs) };
}

/** A map with some rows changed; undefined: gone. Keeps to the versions that know what differs. */
function changed<K, V>(map: ReadonlyMap<K, V>, rows: readonly (readonly [K, V | undefined])[]): ReadonlyMap<K, V> {
  if (rows.length === 0) return map;
  return (map instanceof VersionedMap ? (map as VersionedMap<K, V>) : new VersionedMap(new Map(map))).with(rows);
}

/** Addresses in bridge classes, moved endpoints at bridge tables, and every entry that either asks for. */
function bridge(previous: PolicyMaps, next: PolicyState, places: readonly Place[]): PolicyState {
  const changes = places.filter(changesClass);
  const ids = freshIds(previous, next, changes);
  const pairs = new Map(changes.map((place) => [ids.classOf(place), place]));
  const fill = new Filling(next, pairs);
  for (const table of previous.tables.keys()) fill.pairsOf(table, previous, table, 'from');
  const moved: [string, { ingressTable: bigint; egressTable: bigint }][] = [];
  for (const [name, old, tables] of changesBetween(previous.endpoints, next.endpoints)) {
    if (tables === undefined) continue;
    const pass = (was: bigint | undefined, is: bigint): bigint => {
      if (was === is || is === 0n) return is;
      fill.copy(ids.tableOf(is), next, is);
      fill.pairsOf(ids.tableOf(is), next, is, 'to');
      return ids.tableOf(is);
    };
    moved.push([name, { ingressTable: pass(old?.ingressTable, tables.ingressTable), egressTable: pass(old?.egressTable, tables.egressTable) }]);
  }
  const classes = changed(next.classes, [...pairs].map(([id, { from, to }]) => [id, `on the way from ${from} to ${to}`] as const));
  const { peers, cidrs } = withClasses(next, places.map((place) => [place, place.from === place.to ? place.to : ids.classOf(place)] as const));
  return { ...next, ...fill.done(), endpoints: changed(next.endpoints, moved), classes, peers, cidrs };
}

interface BridgeIds {
  classOf(place: Place): bigint;
  tableOf(table: bigint): bigint;
}

/** Ids by content, and by how many interrupted transitions have left some of them in use. */
function freshIds(previous: PolicyMaps, next: PolicyMaps, changes: readonly Place[]): BridgeIds {
  const used = classesIn(previous);
  const moved = [...changesBetween(previous.endpoints, next.endpoints)].flatMap(([, , tables]) => (tables === undefined ? [] : [tables.ingressTable, tables.egressTable]));
  for (let attempt = 0; ; attempt++) {
    const ids: BridgeIds = {
      classOf: ({ from, to }) => contentId(`bridge class ${attempt} ${from} ${to}`),
      tableOf: (table) => contentId(`bridge table ${attempt} ${table}`),
    };
    const taken = changes.some((place) => used.has(ids.classOf(place))) || moved.some((table) => previous.tables.has(ids.tableOf(table)));
    if (!taken) return ids;
  }
}

/** Classes that an address has or a table knows. A compiled state tells its own; the kernel's rows must be gone through. */
function classesIn(maps: PolicyMaps): { has(classId: bigint): boolean } {
  if ('classes' in maps) return maps.classes as PolicyState['classes'];
  const used = new Set([...maps.peers.values(), ...maps.cidrs.values()].map((row) => row.classId));
  for (const entries of maps.tables.values()) for (const classId of entries.keys()) used.add(classId);
  return used;
}

/** Tables and rows of the bridge, as they come together. */
class Filling {
  readonly #tables = new Map<bigint, ReadonlyMap<bigint, bigint>>();
  readonly #rows = new Map<bigint, readonly RuleRow[]>();

  constructor(private readonly next: PolicyState, private readonly pairs: ReadonlyMap<bigint, Place>) {}

  /** Makes table `id` what `table` is in `maps`. */
  copy(id: bigint, maps: PolicyMaps, table: bigint): void {
    this.#tables.set(id, maps.tables.get(table) ?? new Map());
  }

  /** Gives table `id` the answer of `table` in `maps` to one side of each pair. Its other entries are in the maps already, or in the copy. */
  pairsOf(id: bigint, maps: PolicyMaps, table: bigint, side: 'from' | 'to'): void {
    const own = maps.tables.get(table);
    const added: [bigint, bigint][] = [];
    for (const [pair, place] of this.pairs) {
      const rowsId = own?.get(place[side]);
      if (rowsId === undefined) continue; // the default, for the pair as well
      added.push([pair, rowsId]);
      const made = maps.rows.get(rowsId);
      if (made !== undefined) this.#rows.set(rowsId, made);
    }
    if (added.length > 0) this.#tables.set(id, changed(this.#tables.get(id) ?? this.next.tables.get(id) ?? new Map<bigint, bigint>(), added));
  }

  done(): Pick<PolicyState, 'tables' | 'rows'> {
    return { tables: changed(this.next.tables, [...this.#tables]), rows: changed(this.next.rows, [...this.#rows]) };
  }
}
