import { liveText } from '../compile/services/rows.js';
import type { TableKey } from '../kernel/policy-tables.js';
import { Ledger } from '../reconcile/ledger.js';
import { entryJudges, placeJudges, prefixGroup, type PolicyLedgers } from './judges.js';
import type { KernelTables } from './node-kernel.js';

/** One ledger a table, with what its rows lean on: the only place that knows it. */
export function createLedgers(t: KernelTables) {
  const policy = (): PolicyLedgers => ledgers;
  const ledgers = {
    config: new Ledger(t.config),
    sysctls: new Ledger(t.sysctls),
    attachments: new Ledger(t.attachments),
    links: new Ledger(t.links),
    addresses: new Ledger(t.addresses),
    fdb: new Ledger(t.fdb, { provides: (key) => [`fdb:${key.ifindex}/${key.mac}`] }),
    neighbours: new Ledger(t.neighbours, {
      provides: (key) => [`neighbour:${key.ifindex}/${key.address.text}`],
      refers: (key, row) => [`fdb:${key.ifindex}/${row.mac}`],
    }),
    routes: new Ledger(t.routes, { refers: (_key, row) => (row.gateway === undefined ? [] : [`neighbour:${row.ifindex}/${row.gateway.text}`]) }),
    outside: new Ledger(t.outside),
    nomasq: new Ledger(t.nomasq),
    nexthops: new Ledger(t.nexthops, { refers: (_key, row) => (row.kind === 'overlay' ? [`neighbour:${row.ifindex}/${row.gateway.text}`] : []) }),
    rules: new Ledger(t.rules, { provides: (key) => [`rows:${key.rows}`] }),
    tables: new Ledger(t.tables, {
      provides: (key) => (key.classId === 0n ? [`table:${key.table}`] : [`table:${key.table}`, `class:${key.classId}`]),
      refers: entryRefers(),
      group: (key) => key.classId,
      judges: (rows) => entryJudges(policy(), rows),
    }),
    peers: new Ledger(t.peers, { refers: (_key, classId) => [`class:${classId}`], judges: (rows) => placeJudges(policy(), rows) }),
    cidrs: new Ledger(t.cidrs, { refers: (_key, classId) => [`class:${classId}`], rank: (cidr) => cidr.length, group: prefixGroup, judges: (rows) => placeJudges(policy(), rows) }),
    endpoints: new Ledger(t.endpoints, { refers: (_key, row) => [row.ingressTable, row.egressTable].filter((id) => id !== 0n).map((id) => `table:${id}`) }),
    local: new Ledger(t.local),
    live: new Ledger(t.live, { provides: (key) => [`live:${liveText(key)}`], countsNoUse: true }),
    backs: new Ledger(t.backs, {
      provides: (key) => [`backs:${key.service}`],
      refers: (key, row) => [`live:${liveText({ service: key.service, backend: row })}`],
      after: (key) => [`front:${key.service}`],
      countsNoUse: true,
    }),
    ranges: new Ledger(t.ranges),
    fronts: new Ledger(t.fronts, { provides: (_key, row) => [`front:${row.service}`], refers: (_key, row) => [`backs:${row.service}`], countsNoUse: true }),
    sockets: new Ledger(t.sockets),
  } as const;
  return ledgers;
}

/** Entries come table by table, and most of those that come together point at the same rows: their token is made once. */
function entryRefers(): (key: TableKey, rows: bigint) => readonly string[] {
  let [last, tokens]: readonly [bigint, readonly string[]] = [0n, ['rows:0']];
  return (_key, rows) => {
    if (rows !== last) [last, tokens] = [rows, [`rows:${rows}`]];
    return tokens;
  };
}

export type Ledgers = ReturnType<typeof createLedgers>;

/** How many rows each table is to have, by the names of tables. */
export const wantedRows = (ledgers: Ledgers): ReadonlyMap<string, number> => new Map(Object.values(ledgers).map((ledger) => [ledger.name, ledger.desired.size]));
