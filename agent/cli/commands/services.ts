import type { Command } from 'commander';
import type { ServiceBackendView, ServiceView } from '../../observe/views.js';
import { CommandError } from '../admin-client.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(
    program.command('services').argument('[name]', 'NAME or NAMESPACE/NAME: with its frontends and backends').description('services, their addresses and backends, and what the kernel has of them'),
  ).action(async (name: string | undefined, options: InspectionOptions) => {
    const views = await show<ServiceView[]>(options, '/v1/services', name === undefined ? listText : (services) => services.map(serviceText).join('\n'), { name });
    if (name !== undefined && views.length === 0) throw new CommandError(`there is no service ${name}`);
  });
}

function listText(services: readonly ServiceView[]): string {
  return textTable(
    ['NAMESPACE', 'NAME', 'TYPE', 'FRONTENDS', 'BACKENDS', 'STATE'],
    services.map((s) => [s.namespace, s.name, s.type, short([...new Set(s.frontends.map((f) => `${f.address}/${f.protocol}`))]), s.backends.filter(({ usedFor }) => usedFor.length > 0).length, s.state]),
    'no services',
  );
}

const short = (texts: readonly string[]): string => (texts.length <= 2 ? texts.join(',') : `${texts.slice(0, 2).join(',')} and ${texts.length - 2} more`);

function serviceText(service: ServiceView): string {
  const affinity = service.affinitySeconds === 0 ? '' : `, ClientIP affinity for ${service.affinitySeconds} s`;
  const frontends = textTable(
    ['  FRONTEND', 'PROTOCOL', 'KIND', 'FROM', 'BACKENDS', 'KERNEL'],
    service.frontends.map((f) => [`  ${f.address}`, f.protocol, f.kind, f.from, f.backends, f.kernel]),
    '  no frontends',
  );
  const backends = textTable(
    ['  BACKEND', 'PORT', 'NODE', 'TARGET', 'STATE', 'HINTS', 'USED FOR', 'KERNEL'],
    service.backends.map((b) => [`  ${b.address}`, `${b.port}/${b.protocol}`, b.node, b.target, stateText(b), b.hints.join(','), b.usedFor.join(','), b.kernel ? 'yes' : 'no']),
    '  no backends',
  );
  const head = `${service.namespace}/${service.name} (${service.type}, internal ${service.internalPolicy}, external ${service.externalPolicy}${affinity}${more(service)}): ${service.state}\n`;
  return `${head}${frontends}${backends}`;
}

function more({ algorithm, sourceRanges, healthCheck }: ServiceView): string {
  const parts = [
    ...(algorithm === 'maglev' ? ['Maglev'] : []),
    ...(sourceRanges.length > 0 ? [`only for ${sourceRanges.join(' ')}`] : []),
    ...(healthCheck === null ? [] : [`health on port ${healthCheck.port}: ${healthCheck.localEndpoints} endpoints here`]),
  ];
  return parts.map((part) => `, ${part}`).join('');
}

function stateText({ ready, serving, terminating }: ServiceBackendView): string {
  if (terminating) return serving ? 'terminating, serving' : 'terminating';
  return ready ? 'ready' : 'not ready';
}
