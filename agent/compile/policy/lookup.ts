import { Cidr, type IpAddress, addressBytes } from '../../base/address.js';
import type { PolicyState, RuleRow, Verdict } from '../desired.js';

/** The three lookups of the kernel program, over the rows that are to be in its maps: what it would say, and by which rows. */
export interface Lookup {
  /** Undefined: no rows for this table, which the kernel drops (DROP_TABLE_MISSING). */
  readonly verdict: Verdict | undefined;
  readonly classId: bigint;
  readonly rows: bigint | undefined;
  readonly row: RuleRow | undefined;
}

type Maps = Pick<PolicyState, 'peers' | 'cidrs' | 'tables' | 'rows'>;

/** Verdict of `table` (0n: not isolated, allowed) on a packet whose other end is `peer`. */
export function lookup(state: Maps, table: bigint, peer: IpAddress, protocol: number, port: number): Lookup {
  const classId = classOf(state, peer);
  if (table === 0n) return { verdict: { rule: 0n, allow: true, log: false }, classId, rows: undefined, row: undefined };
  const entries = state.tables.get(table);
  const rows = entries?.get(classId) ?? entries?.get(0n);
  const row = rows === undefined ? undefined : longestRow(state.rows.get(rows) ?? [], protocol, port);
  return { verdict: row?.verdict, classId, rows, row };
}

/** Exact address first, then the longest prefix. */
export function classOf(state: Pick<Maps, 'peers' | 'cidrs'>, address: IpAddress): bigint {
  const exact = state.peers.get(address.text);
  if (exact !== undefined) return exact.classId;
  if (state.cidrs.size === 0) return 0n;
  for (let length = addressBytes(address.family) * 8; length >= 0; length--) {
    const row = state.cidrs.get(Cidr.of(address, length).text);
    if (row !== undefined) return row.classId;
  }
  return 0n;
}

function longestRow(rows: readonly RuleRow[], protocol: number, port: number): RuleRow | undefined {
  let best: RuleRow | undefined;
  for (const row of rows) {
    const holds = row.protocol === undefined || (row.protocol === protocol && row.port >> (16 - row.portBits) === port >> (16 - row.portBits));
    if (holds && (best === undefined || prefixLength(row) > prefixLength(best))) best = row;
  }
  return best;
}

const prefixLength = (row: RuleRow): number => (row.protocol === undefined ? 0 : 16 + row.portBits);
