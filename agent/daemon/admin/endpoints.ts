import type { LocalEndpoint } from '../../compile/desired.js';
import type { EndpointView } from '../../observe/views.js';
import { applied, table, type AdminSources } from './sources.js';

export function endpointsView(sources: AdminSources): EndpointView[] {
  const { facts, desired } = applied(sources);
  return facts.endpoints.map((endpoint) => {
    const row = desired.pods.rows.get(endpoint.ifindex);
    return {
      namespace: endpoint.namespace,
      pod: endpoint.pod,
      addresses: endpoint.addresses.map((a) => a.text),
      device: endpoint.hostDevice,
      ifindex: endpoint.ifindex,
      mac: endpoint.podMac,
      netns: endpoint.netns,
      ingressTable: table(row?.ingressTable ?? 0n),
      egressTable: table(row?.egressTable ?? 0n),
      ingressPolicies: policiesOf(sources, row?.ingressTable ?? 0n),
      egressPolicies: policiesOf(sources, row?.egressTable ?? 0n),
      state: stateOf(sources, endpoint),
    };
  });
}

/** Policies whose rules are in a table's rows, by name. A policy that only isolates has none there. */
function policiesOf(sources: AdminSources, id: bigint): string[] {
  const { policy } = applied(sources).desired;
  const names = new Set<string>();
  for (const rows of policy.tables.get(id)?.values() ?? []) {
    for (const { verdict } of policy.rows.get(rows) ?? []) {
      const rule = policy.rules.get(verdict.rule);
      if (rule !== undefined) names.add(rule.split('/').slice(1, 3).filter(Boolean).join('/'));
    }
  }
  return [...names].sort();
}

/** `in force`, or what is missing. */
export function stateOf(sources: AdminSources, endpoint: LocalEndpoint): string {
  const { endpoints, attachments } = sources.loop.ledgers;
  const text = endpoints.table.keyText(endpoint.ifindex);
  const wanted = endpoints.desired.get(text);
  const known = endpoint.pod === '' || applied(sources).snapshot.pods.has(`${endpoint.namespace}/${endpoint.pod}`);
  if (wanted === undefined || !known) return 'denied: the API does not know the pod';
  const there = endpoints.actual().get(text);
  if (there === undefined) return 'dropping: row cannot be written';
  if (!endpoints.table.equal(there.row, wanted.row)) return 'old policy in force';
  const attached = [false, true].every((egress) => attachments.actual().has(attachments.table.keyText({ ifindex: endpoint.ifindex, egress })));
  return attached ? 'in force' : 'programs not attached';
}
