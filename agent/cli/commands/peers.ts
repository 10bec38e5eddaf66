import type { Command } from 'commander';
import type { PeerView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(program.command('peers').description('addresses and prefixes that policy tells apart, and their classes')).action(async (options: InspectionOptions) => {
    await show<PeerView[]>(options, '/v1/peers', (peers) =>
      textTable(['PEER', 'KIND', 'NAME', 'CLASS'], peers.map((p) => [p.peer, p.kind, p.name, p.class]), 'no address is told apart'),
    );
  });
}
