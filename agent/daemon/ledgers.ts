import type { Family } from '../base/address.js';
import { FROM_OVERLAY, FROM_UPLINK, TO_UPLINK, type DesiredState } from '../compile/compile.js';
import { OVERLAY_FIELDS, type ConfigRow } from '../compile/config.js';
import type { PolicyState, Verdict } from '../compile/desired.js';
import { liveText } from '../compile/services/rows.js';
import type { Keyed } from '../reconcile/diff.js';
import { Ledger } from '../reconcile/ledger.js';
import type { RuleKey, TableKey } from '../kernel/policy-tables.js';
import type { KernelTables } from './node-kernel.js';

/** One ledger a table, with what its rows lean on: the only place that knows it. */
export function createLedgers(t: KernelTables) {
  return {
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
    nomasq: new Ledger(t.nomasq),
    nexthops: new Ledger(t.nexthops, { refers: (_key, row) => (row.kind === 'overlay' ? [`neighbour:${row.ifindex}/${row.gateway.text}`] : []) }),
    rules: new Ledger(t.rules, { provides: (key) => [`rows:${key.rows}`] }),
    tables: new Ledger(t.tables, {
      provides: (key) => (key.classId === 0n ? [`table:${key.table}`] : [`table:${key.table}`, `class:${key.classId}`]),
      refers: (_key, rows) => [`rows:${rows}`],
    }),
    peers: new Ledger(t.peers, { refers: (_key, classId) => [`class:${classId}`] }),
    cidrs: new Ledger(t.cidrs, { refers: (_key, classId) => [`class:${classId}`], rank: (cidr) => cidr.length }),
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
}

export type Ledgers = ReturnType<typeof createLedgers>;

/** Hands a desired state to the ledgers, as rows; map rows of families whose programs are not loaded are left out. */
export function want(ledgers: Ledgers, state: DesiredState, families: ReadonlySet<Family>): void {
  const loaded = ({ key }: { readonly key: { readonly family: Family } }): boolean => families.has(key.family);
  ledgers.sysctls.want([...state.sysctls].map(([key, row]) => ({ key, row })));
  ledgers.attachments.want(state.attachments.map((row) => ({ key: row, row })));
  ledgers.routes.want(state.routes.map((row) => ({ key: row, row })));
  ledgers.config.want([{ key: 'config', row: state.config }]);
  if (state.overlayKnown) wantOverlay(ledgers, state, loaded);
  else holdOverlay(ledgers, state);
  ledgers.local.want([...state.local.values()].map(({ address, ifindex }) => ({ key: address, row: ifindex })).filter(loaded));
  ledgers.endpoints.want([...state.endpoints].map(([key, row]) => ({ key, row })));
  wantPolicy(ledgers, state.policy, loaded);
}

function wantOverlay(ledgers: Ledgers, state: DesiredState, loaded: (row: { readonly key: { readonly family: Family } }) => boolean): void {
  ledgers.links.want(state.links.map((row) => ({ key: row.name, row })));
  ledgers.addresses.want(state.addresses.map((row) => ({ key: row, row })));
  ledgers.fdb.want(state.fdb.map((row) => ({ key: row, row })));
  ledgers.neighbours.want(state.neighbours.map((row) => ({ key: row, row })));
  ledgers.nomasq.want(state.nomasq.map((key) => ({ key, row: 0 as const })).filter(loaded));
  ledgers.nexthops.want([...state.nexthops.values()].map(({ cidr, nexthop }) => ({ key: cidr, row: nexthop })).filter(loaded));
}

/** Leaves alone what a predecessor, or this agent before, made of the overlay; in shared tables, what is no pod's. */
function holdOverlay(ledgers: Ledgers, state: DesiredState): void {
  for (const ledger of [ledgers.links, ledgers.addresses, ledgers.fdb, ledgers.neighbours, ledgers.nexthops, ledgers.nomasq]) ledger.hold();
  const pods = new Set(state.attachments.map((row) => row.ifindex));
  const others = <K, R extends { readonly ifindex: number }>(rows: ReadonlyMap<string, Keyed<K, R>>): Keyed<K, R>[] => [...rows.values()].filter(({ row }) => !pods.has(row.ifindex));
  ledgers.routes.want([...state.routes.map((row) => ({ key: row, row })), ...others(ledgers.routes.actual())]);
  ledgers.attachments.want([
    ...state.attachments.map((row) => ({ key: row, row })),
    ...others(ledgers.attachments.actual()).filter(({ row }) => OVERLAY_PROGRAMS.has(row.program)),
  ]);
  const config = ledgers.config.actual().get('config')?.row;
  if (config !== undefined) {
    const held = Object.fromEntries(OVERLAY_FIELDS.map((field) => [field, config[field]])) as Partial<ConfigRow>;
    ledgers.config.want([{ key: 'config', row: { ...state.config, ...held } }]);
  }
}

const OVERLAY_PROGRAMS: ReadonlySet<string> = new Set([FROM_OVERLAY, FROM_UPLINK, TO_UPLINK]);

function wantPolicy(ledgers: Ledgers, policy: PolicyState, loaded: (row: { readonly key: { readonly family: Family } }) => boolean): void {
  ledgers.rules.want(ruleRows(policy));
  ledgers.tables.want(entries(policy.tables));
  ledgers.peers.want([...policy.peers.values()].map(({ address, classId }) => ({ key: address, row: classId })).filter(loaded));
  ledgers.cidrs.want([...policy.cidrs.values()].map(({ cidr, classId }) => ({ key: cidr, row: classId })).filter(loaded));
}

function* ruleRows(policy: PolicyState): Generator<Keyed<RuleKey, Verdict>> {
  for (const [rows, list] of policy.rows) {
    for (const { verdict, ...at } of list) yield { key: { rows, ...at }, row: verdict };
  }
}

function* entries(tables: PolicyState['tables']): Generator<Keyed<TableKey, bigint>> {
  for (const [table, classes] of tables) for (const [classId, rows] of classes) yield { key: { table, classId }, row: rows };
}
