import { addressBytes, Cidr, type IpAddress } from '../base/address.js';
import type { EndpointRow } from '../compile/desired.js';
import type { Keyed, Rows } from '../reconcile/diff.js';
import type { RowChange } from '../reconcile/relations.js';
import type { TableKey } from '../kernel/policy-tables.js';

/** The tables that say who is told what, as the kernel has them. */
export interface PolicyLedgers {
  /** Grouped by class. */
  readonly tables: Actual<TableKey, bigint>;
  readonly peers: Actual<IpAddress, bigint>;
  /** Grouped by {@link prefixGroup}. */
  readonly cidrs: Actual<Cidr, bigint>;
  readonly endpoints: Omit<Actual<number, EndpointRow>, 'grouped' | 'hasGroup'>;
}

interface Actual<Key, Row> {
  actual(): Rows<Key, Row>;
  refersNow(token: string): boolean;
  grouped(group: unknown): Iterable<Keyed<Key, Row>>;
  hasGroup(group: unknown): boolean;
}

/** Looking longer than this costs more than flows that are judged again. */
const MOST = 100_000;

/** Prefixes of one family and length; a number, as it is asked for up to 129 times an address. */
export const prefixGroup = ({ family, length }: Cidr): number => groupOf(family, length);
const groupOf = (family: number, length: number): number => family * 256 + length;

/**
 * Whether addresses that change class may be told something else: a table in
 * force has other rows for the one class than for the other. A pod that comes
 * or goes far away changes nothing where no rule speaks of it.
 */
export function placeJudges(ledgers: PolicyLedgers, rows: readonly RowChange<IpAddress | Cidr, bigint>[]): boolean {
  const moves = new Map<string, readonly [from: bigint, to: bigint]>();
  for (const { key, before, after } of rows) {
    const around = (): bigint => coveringClass(ledgers, key);
    const [from, to] = [before ?? around(), after ?? around()];
    if (from !== to) moves.set(`${from} ${to}`, [from, to]);
  }
  let looked = 0;
  for (const [from, to] of moves.values()) {
    for (const [table, was, is] of entries(ledgers, from, to)) if (++looked > MOST || (was !== is && inForce(ledgers, table, was, is))) return true;
  }
  return false;
}

/** Whether entries that change are met by a packet: an endpoint has the table, an address the class, and the class got other rows before. */
export function entryJudges(ledgers: PolicyLedgers, rows: readonly RowChange<TableKey, bigint>[]): boolean {
  if (rows.length > MOST) return true;
  // A new class is in many entries and at no address yet: of each class it is asked once.
  const inUse = new Map<bigint, boolean>([[0n, true]]);
  const met = (classId: bigint): boolean => {
    const known = inUse.get(classId) ?? (ledgers.peers.refersNow(`class:${classId}`) || ledgers.cidrs.refersNow(`class:${classId}`));
    inUse.set(classId, known);
    return known;
  };
  return rows.some((row) => {
    const { table, classId } = row.key;
    if (!met(classId)) return false;
    return classId === 0n ? hasEndpoint(ledgers, table) : inForce(ledgers, table, row.before, row.after);
  });
}

/** Whether an endpoint has the table, and it makes a difference there to have the one or the other entry; undefined: none, which means that of class 0. */
function inForce(ledgers: PolicyLedgers, table: bigint, was: bigint | undefined, is: bigint | undefined): boolean {
  if (!hasEndpoint(ledgers, table)) return false;
  const fallback = was === undefined || is === undefined ? ledgers.tables.actual().get(`${table}/0`)?.row : undefined;
  return (was ?? fallback) !== (is ?? fallback);
}

function hasEndpoint({ endpoints }: PolicyLedgers, table: bigint): boolean {
  endpoints.actual(); // listed, or this is no answer
  return endpoints.refersNow(`table:${table}`);
}

/** What tables that have an entry for either class say of the one and of the other; undefined: what they say of class 0. One at a time, as mostly the first decides. */
function* entries({ tables }: PolicyLedgers, from: bigint, to: bigint): Generator<readonly [table: bigint, was: bigint | undefined, is: bigint | undefined]> {
  const before = new Map<bigint, bigint>();
  for (const { key, row } of entriesOf(tables, from)) before.set(key.table, row);
  for (const { key, row } of entriesOf(tables, to)) {
    const was = before.get(key.table);
    before.delete(key.table);
    yield [key.table, was, row];
  }
  for (const [table, was] of before) yield [table, was, undefined];
}

/** Entries of tables for a class; those without give it what they give class 0. */
const entriesOf = (tables: PolicyLedgers['tables'], classId: bigint): Iterable<Keyed<TableKey, bigint>> => (classId === 0n ? [] : tables.grouped(classId));

/** Class of what covers it, where it has no row of its own. */
function coveringClass({ cidrs }: PolicyLedgers, place: IpAddress | Cidr): bigint {
  const [address, longest] = place instanceof Cidr ? [place.address, place.length - 1] : [place, addressBytes(place.family) * 8];
  for (let length = longest; length >= 0; length--) {
    if (!cidrs.hasGroup(groupOf(place.family, length))) continue;
    const row = cidrs.actual().get(Cidr.of(address, length).text);
    if (row !== undefined) return row.row;
  }
  return 0n;
}
