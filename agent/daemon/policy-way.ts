import type { LocalEndpoint, PolicyState, RuleRow } from '../compile/desired.js';
import { transition, type PolicyMaps } from '../compile/policy/transition.js';
import type { TableName } from '../reconcile/order.js';
import type { Ledgers } from './ledgers.js';

/** Tables that hold policy. */
export const POLICY_TABLES: readonly TableName[] = ['canal_rule', 'canal_table', 'canal_peer', 'canal_cidr', 'canal_endpoint'];

/**
 * The states to pass through from what the maps hold to `next`, so that no
 * packet on the way is judged by a mixture of old and new. Empty where nothing
 * is in the way, as at the first start.
 * @param standing the state that the maps hold, where it is known; otherwise their rows are gone through
 */
export function policyWay(ledgers: Ledgers, endpoints: readonly LocalEndpoint[], next: PolicyState, standing?: PolicyState): readonly PolicyState[] {
  const previous = standing ?? policyMaps(ledgers, endpoints);
  if (previous.endpoints.size === 0) return []; // nobody to judge
  return transition(previous, next).filter((state) => state !== next);
}

/** What the maps hold, as compile would have said it. */
export function policyMaps(ledgers: Ledgers, endpoints: readonly LocalEndpoint[]): PolicyMaps {
  const rows = new Map<bigint, RuleRow[]>();
  for (const { key, row } of ledgers.rules.actual().values()) {
    const { rows: id, ...at } = key;
    (rows.get(id) ?? rows.set(id, []).get(id)!).push({ ...at, verdict: row });
  }
  const tables = new Map<bigint, Map<bigint, bigint>>();
  for (const { key, row } of ledgers.tables.actual().values()) {
    (tables.get(key.table) ?? tables.set(key.table, new Map()).get(key.table)!).set(key.classId, row);
  }
  const byIfindex = new Map(endpoints.map((e) => [e.ifindex, `${e.namespace}/${e.pod}`]));
  const pods = new Map<string, { ingressTable: bigint; egressTable: bigint }>();
  for (const { key, row } of ledgers.endpoints.actual().values()) {
    const name = byIfindex.get(key);
    if (name !== undefined) pods.set(name, { ingressTable: row.ingressTable, egressTable: row.egressTable });
  }
  return {
    rows,
    tables,
    peers: new Map([...ledgers.peers.actual()].map(([text, { key, row }]) => [text, { address: key, classId: row }])),
    cidrs: new Map([...ledgers.cidrs.actual()].map(([text, { key, row }]) => [text, { cidr: key, classId: row }])),
    endpoints: pods,
  };
}
