import { Option, type Command } from 'commander';
import type { SourceView, TraceStep, TraceView, TranslationView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';

interface TraceOptions extends InspectionOptions {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port?: string;
}

export function register(program: Command): void {
  const command = program
    .command('trace')
    .description('may this packet pass, and by which rule? From the policies, and from the rows in the kernel')
    .requiredOption('--from <pod|ip>', 'sender: NAMESPACE/POD or an address')
    .requiredOption('--to <pod|service|ip>', 'receiver: NAMESPACE/POD, NAMESPACE/SERVICE or an address')
    .addOption(new Option('--protocol <name>', 'TCP, UDP, SCTP, ICMP or a number').default('TCP'))
    .option('--port <n>', 'destination port (ICMP: type)');
  inspection(command).action(async (options: TraceOptions) => {
    const { from, to, protocol, port } = options;
    await show<TraceView>(options, '/v1/trace', traceText, { from, to, protocol, port });
  });
}

function traceText(view: TraceView): string {
  const port = view.port === 0 ? '' : ` port ${view.port}`;
  const head = `${view.from} -> ${view.to}, ${view.protocol}${port}: ${view.allow ? 'ALLOWED' : 'DENIED'} (${view.reason})\n`;
  return head + translationText(view.translation) + view.steps.map(stepText).join('') + sourceText(view.source) + view.notes.map((note) => `note: ${note}\n`).join('');
}

function translationText(translation: TranslationView | null): string {
  if (translation === null) return '';
  const { service, frontend, from, backends, outcome, traced } = translation;
  const at = `service ${service} at ${frontend}${from === 'outside' ? ', from outside' : ''}`;
  if (traced === null) return `${at}: ${outcome === 'denied' ? 'the client is in none of its source ranges, dropped' : `no backend, ${outcome}`}\n`;
  const others = backends.length === 1 ? '' : `, one of ${backends.slice(0, 8).join(', ')}${backends.length > 8 ? ` and ${backends.length - 8} more` : ''}`;
  return `${at}: becomes ${traced}${others}\n`;
}

function sourceText(source: SourceView | null): string {
  if (source === null) return '';
  if (source.kind === 'kept') return `source ${source.address} stays: ${source.why}\n`;
  return `${source.kind === 'masquerade' ? 'masquerade' : 'passed on'}: leaves as ${source.address}, under its own port or, where that is taken, one of ${source.ports}: ${source.why}\n`;
}

function stepText(step: TraceStep, i: number): string {
  const verdict = step.allow ? 'allow' : 'deny';
  const lines = [
    `${i + 1}. ${step.hook} on ${step.device}: what ${step.direction === 'egress' ? 'leaves' : 'enters'} ${step.pod}: ${verdict}`,
    `   by       ${step.rule === '' ? step.policy : step.rule}`,
    step.table === null ? '   table    none: not isolated in this direction' : `   table    ${step.table}`,
    ...(step.table === null ? [] : [`   class    ${step.class} of ${step.peer}`, `   rows     ${step.rows ?? 'none'}`, ...step.rowsConsulted.map((row) => `            ${row}`)]),
  ];
  if (!step.agrees) lines.push(`   DIFFERS  the policies say ${step.oracle.allow ? 'allow' : 'deny'} by ${step.oracle.rule === '' ? 'no rule' : step.oracle.rule}: the kernel is not up to date yet`);
  return `${lines.join('\n')}\n`;
}
