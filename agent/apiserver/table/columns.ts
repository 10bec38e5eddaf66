import type { Column } from './column.js';
import { CLUSTER_COLUMNS } from './columns-cluster.js';
import { NETWORK_COLUMNS } from './columns-network.js';
import { POD_COLUMNS } from './columns-pod.js';
import { WORKLOAD_COLUMNS } from './columns-workload.js';

/** Columns by kind, as pkg/printers/internalversion prints them; a kind without an entry shows its name and age. */
export const COLUMNS: Readonly<Record<string, readonly Column[]>> = { Pod: POD_COLUMNS, ...NETWORK_COLUMNS, ...WORKLOAD_COLUMNS, ...CLUSTER_COLUMNS };
