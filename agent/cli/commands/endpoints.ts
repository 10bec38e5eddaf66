import type { Command } from 'commander';
import type { EndpointView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(program.command('endpoints').description('pods of this node and the policies on them')).action(async (options: InspectionOptions) => {
    await show<EndpointView[]>(options, '/v1/endpoints', endpointsText);
  });
}

function endpointsText(endpoints: readonly EndpointView[]): string {
  const side = (table: string | null, policies: readonly string[]): string =>
    table === null ? 'open' : policies.length === 0 ? 'isolated' : policies.join(', ');
  return textTable(
    ['NAMESPACE', 'POD', 'ADDRESS', 'DEVICE', 'IFINDEX', 'INGRESS', 'EGRESS', 'STATE'],
    endpoints.map((e) => [e.namespace, e.pod, e.addresses.join(','), e.device, e.ifindex, side(e.ingressTable, e.ingressPolicies), side(e.egressTable, e.egressPolicies), e.state]),
    'no pods on this node',
  );
}
