import type { AttachmentTable } from '../kernel/attachment-table.js';
import type { FdbTable } from '../kernel/fdb-table.js';
import type { Told } from '../kernel/monitor.js';
import type { NeighbourTable } from '../kernel/neighbour-table.js';
import { FAMILY_BRIDGE } from '../kernel/netlink.js';
import type { RouteTable } from '../kernel/route-table.js';
import type { TableName } from '../reconcile/order.js';
import type { ToldRow } from '../reconcile/table.js';

/** Tables of which notices tell rows whole. */
export interface TellingTables {
  readonly routes: RouteTable;
  readonly neighbours: NeighbourTable;
  readonly fdb: FdbTable;
  readonly attachments: AttachmentTable;
}

export interface TableNews {
  readonly table: TableName;
  readonly told: ToldRow;
}

export interface RowNews {
  /** In the order in which they were told. */
  readonly rows: readonly TableNews[];
  /** Devices of routes that are not ours: these may decide which uplink the node has. */
  readonly rerouted: ReadonlySet<number>;
}

/** What notices that tell rows mean for the tables. What is somebody else's is left out. */
export function rowNews(tables: TellingTables, told: readonly Told[]): RowNews {
  const rows: TableNews[] = [];
  const rerouted = new Set<number>();
  const add = (table: TableName, row: ToldRow | undefined): void => void (row !== undefined && rows.push({ table, told: row }));
  for (const { change, raw, gone } of told) {
    if (change === 'tc') add('attachment', tables.attachments.told(raw, gone));
    else if (change === 'neighbour' && raw.family === FAMILY_BRIDGE) add('fdb', tables.fdb.told(raw, gone));
    else if (change === 'neighbour') add('neighbour', tables.neighbours.told(raw, gone));
    else {
      const route = tables.routes.told(raw, gone);
      add('route', route);
      if (route?.ours !== true) rerouted.add(raw.ifindex);
    }
  }
  return { rows, rerouted };
}
