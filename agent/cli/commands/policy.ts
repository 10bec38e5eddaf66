import type { Command } from 'commander';
import type { PolicyView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { bytes, textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(
    program.command('policy').argument('[pod]', 'NAMESPACE/NAME: only the policies on this pod').description('policies, their rules and what each rule has decided on this node'),
  ).action(async (pod: string | undefined, options: InspectionOptions) => {
    await show<PolicyView[]>(options, '/v1/policies', policiesText, { pod });
  });
}

function policiesText(policies: readonly PolicyView[]): string {
  if (policies.length === 0) return 'no policies\n';
  return policies.map(policyText).join('\n');
}

function policyText(policy: PolicyView): string {
  const name = policy.namespace === '' ? policy.name : `${policy.namespace}/${policy.name}`;
  const pods = policy.pods.length === 0 ? 'no pod of this node' : policy.pods.join(', ');
  const rules = textTable(
    ['  DIRECTION', 'RULE', 'ID', 'PACKETS', 'BYTES', 'TEXT'],
    policy.rules.map((r) => [`  ${r.direction}`, r.index, r.id, r.packets, bytes(r.bytes), r.text]),
    '  no rules: everything in these directions is denied',
  );
  return `${policy.kind} ${name} (tier ${policy.tier}, ${policy.directions.join(' and ')})\n  selects ${policy.subject}: ${pods}\n${rules}`;
}
