import type { Command } from 'commander';
import type { StatusView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { textFields, textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(program.command('status').description('how the agent of this node is; exit status 1 unless all is well')).action(async (options: InspectionOptions) => {
    const status = await show<StatusView>(options, '/v1/status', statusText);
    if (status.conditions.some((c) => !c.ok)) process.exitCode = 1;
  });
}

function statusText(status: StatusView): string {
  const { overlay, apply, counts } = status;
  const fields: [string, string | number][] = [
    ['Node', status.node],
    ['Agent', `${status.version}, ${status.state}, pid ${status.pid}, since ${status.startedAt}`],
    ['Overlay', overlay === null ? 'none' : `${overlay.device} (VNI ${overlay.vni}, port ${overlay.port}, MTU ${overlay.mtu}, ${overlay.mac}) on ${overlay.uplink}${overlay.outside.length === 0 ? '' : `; also outside: ${overlay.outside.join(', ')}`}`],
    ...(overlay === null ? [] : [['VXLAN by', overlay.path] as [string, string]]),
    ...(overlay === null ? [] : [['Lease', `${overlay.subnet} of ${overlay.network}, published as ${overlay.publicIp}`] as [string, string]]),
    ['Pods', `${counts.endpoints} here (${counts.isolatedIngress} isolated for ingress, ${counts.isolatedEgress} for egress), ${counts.pods} in the cluster on ${counts.nodes} nodes`],
    ['Policies', `${counts.policies}, as ${counts.tables} tables over ${counts.classes} peer classes`],
  ];
  if (apply !== null) {
    const total = Object.values(apply.writes).reduce((a, b) => a + b, 0);
    fields.push(['Kernel writes', `${total} in ${apply.applies} applies (${apply.firstWrites} in the first); last took ${apply.lastMs.toFixed(1)} ms; epoch ${apply.epoch}`]);
  }
  const conditions = textTable(['CONDITION', 'STATE', 'MESSAGE'], status.conditions.map((c) => [c.name, c.ok ? 'ok' : 'NOT OK', c.message]));
  const troubles = apply === null || apply.troubles.length === 0 ? '' : `\n${textTable(['TABLE', 'ROW', 'TROUBLE'], apply.troubles.map((t) => [t.table, t.key, t.message]))}`;
  const problems = status.problems.length === 0 ? '' : `\n${textTable(['OBJECT', 'FIELD', 'PROBLEM'], status.problems.map((p) => [p.object, p.field, p.message]))}`;
  return `${textFields(fields)}\n${conditions}${troubles}${problems}`;
}
