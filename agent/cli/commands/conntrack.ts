import type { Command } from 'commander';
import type { FlowView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { bytes, textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(program.command('conntrack').description('flows of this node\'s pods, and what is translated at its uplink').option('--limit <n>', 'at most so many, the most recent first', '1000')).action(
    async (options: InspectionOptions & { limit: string }) => {
      await show<FlowView[]>(options, '/v1/conntrack', flowsText, { limit: options.limit });
    },
  );
}

function flowsText(flows: readonly FlowView[]): string {
  const end = (address: string, port: number): string => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
  return textTable(
    ['PROTOCOL', 'SOURCE', 'DESTINATION', 'STATE', 'IDLE', 'SENT', 'ANSWERED', 'SERVICE', 'TRANSLATION', 'RULE'],
    flows.map((f) => [
      f.protocol,
      end(f.source, f.sourcePort),
      end(f.destination, f.destinationPort),
      f.current ? f.state : `${f.state}, to be judged again`,
      `${f.idleSeconds}s`,
      counted(f.packets, f.bytes),
      counted(f.replyPackets, f.replyBytes),
      f.service,
      f.translation,
      f.rule,
    ]),
    'no flows',
  );
}

const counted = (packets: number | null, size: number | null): string => (packets === null || size === null ? '-' : `${packets} (${bytes(size)})`);
