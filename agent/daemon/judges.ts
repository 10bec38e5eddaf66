import { addressBytes, Cidr, type IpAddress } from '../base/address.js';
import type { EndpointRow } from '../compile/desired.js';
import type { Rows } from '../reconcile/diff.js';
import type { RowChange } from '../reconcile/relations.js';
import type { TableKey } from '../kernel/policy-tables.js';

/** The tables that say who is told what, as the kernel has them. */
export interface PolicyLedgers {
  readonly tables: Actual<TableKey, bigint> & { refersNow(token: string): boolean };
  readonly peers: Actual<IpAddress, bigint> & { refersNow(token: string): boolean };
  readonly cidrs: Actual<Cidr, bigint> & { refersNow(token: string): boolean };
  readonly endpoints: Actual<number, EndpointRow>;
}

interface Actual<Key, Row> {
  actual(): Rows<Key, Row>;
}

/** Looking longer than this costs more than flows that are judged again. */
const MOST = 100_000;

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
  if (moves.size === 0) return false;
  const tables = tablesInForce(ledgers);
  if (tables.size * moves.size > MOST) return true;
  for (const table of tables) for (const [from, to] of moves.values()) if (rowsFor(ledgers, table, from) !== rowsFor(ledgers, table, to)) return true;
  return false;
}

/** Whether entries that change are met by a packet: an endpoint has the table, an address the class, and the class got other rows before. */
export function entryJudges(ledgers: PolicyLedgers, rows: readonly RowChange<TableKey, bigint>[]): boolean {
  if (rows.length > MOST) return true;
  const tables = tablesInForce(ledgers);
  return rows.some(({ key: { table, classId }, before, after }) => {
    if (!tables.has(table)) return false;
    if (classId === 0n) return true;
    const fallback = ledgers.tables.actual().get(`${table}/0`)?.row;
    if ((before ?? fallback) === (after ?? fallback)) return false;
    return ledgers.peers.refersNow(`class:${classId}`) || ledgers.cidrs.refersNow(`class:${classId}`);
  });
}

function tablesInForce({ endpoints }: PolicyLedgers): Set<bigint> {
  const tables = new Set<bigint>();
  for (const { row } of endpoints.actual().values()) {
    if (row.ingressTable !== 0n) tables.add(row.ingressTable);
    if (row.egressTable !== 0n) tables.add(row.egressTable);
  }
  return tables;
}

function rowsFor({ tables }: PolicyLedgers, table: bigint, classId: bigint): bigint | undefined {
  const actual = tables.actual();
  return (actual.get(`${table}/${classId}`) ?? actual.get(`${table}/0`))?.row;
}

/** Class of what covers it, where it has no row of its own. */
function coveringClass({ cidrs }: PolicyLedgers, place: IpAddress | Cidr): bigint {
  const rows = cidrs.actual();
  if (rows.size === 0) return 0n;
  const [address, longest] = place instanceof Cidr ? [place.address, place.length - 1] : [place, addressBytes(place.family) * 8];
  for (let length = longest; length >= 0; length--) {
    const row = rows.get(Cidr.of(address, length).text);
    if (row !== undefined) return row.row;
  }
  return 0n;
}
