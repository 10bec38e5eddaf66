import type { Command } from 'commander';
import type { RouteView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(program.command('routes').description('other nodes\' pod subnets and the way there')).action(async (options: InspectionOptions) => {
    await show<RouteView[]>(options, '/v1/routes', (routes) =>
      textTable(
        ['SUBNET', 'NODE', 'KIND', 'GATEWAY', 'DEVICE', 'VTEP', 'VTEP MAC', 'VXLAN BY', 'STATE'],
        routes.map((r) => [r.subnet, r.node, r.kind, r.gateway, r.device, r.vtep, r.vtepMac, r.path, r.state]),
        'no other node has a lease',
      ),
    );
  });
}
