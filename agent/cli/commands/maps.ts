import type { Command } from 'commander';
import type { MapView } from '../../observe/views.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { textTable } from '../text-table.js';

export function register(program: Command): void {
  inspection(program.command('maps').description('BPF maps, how full and how large they are, and where they are pinned')).action(async (options: InspectionOptions) => {
    await show<MapView[]>(options, '/v1/maps', (maps) =>
      textTable(['MAP', 'ROWS', 'CAPACITY', 'FULL', 'KB', 'PIN'], maps.map((m) => [m.name, m.rows, m.capacity, `${((100 * m.rows) / m.capacity).toFixed(1)} %`, String(Math.round(m.bytes / 1000)), m.pin])),
    );
  });
}
