/** What canal-load says about limits that are not the path's (native/bench/load.h). */
export interface LoadLimits {
  readonly noPorts: number;
  readonly timeWait: number;
  readonly portRange: number;
  readonly synRetrans: number;
  readonly listenDrops: number;
}

/** Connection tracking of the nodes, summed over processors; counters only grow. */
export interface ConntrackState {
  /** The fullest node's. */
  readonly entries: number;
  readonly max: number;
  readonly dropped: number;
  readonly evicted: number;
  readonly insertFailed: number;
}

/** Part of a limit from which on it is taken to be what was measured. */
const NEAR = 0.9;

/**
 * What, other than the path, a measurement ran into; undefined: nothing. Such a
 * measurement is no figure.
 */
export function bottleneck(limits: LoadLimits, before: ConntrackState, after: ConntrackState): string | undefined {
  const { noPorts, timeWait, portRange, synRetrans, listenDrops } = limits;
  if (noPorts > 0) return `the client had no port left for ${noPorts} connections`;
  if (portRange > 0 && timeWait > portRange * NEAR) return `${timeWait} of the client's ${portRange} ports only wait (TIME-WAIT)`;
  if (listenDrops > 0) return `the server's queue of new connections overflowed ${listenDrops} times`;
  if (after.max > 0 && after.entries > after.max * NEAR) return `connection tracking is full: ${after.entries} of ${after.max} entries`;
  const lost = after.dropped - before.dropped + after.evicted - before.evicted;
  if (lost > 0) return `connection tracking gave up ${lost} connections for want of room`;
  // Retransmission waits a second, which no path costs.
  if (synRetrans > 0) return `${synRetrans} connection requests went unanswered${after.insertFailed > before.insertFailed ? ' (connection tracking refused entries)' : ''}`;
  return undefined;
}

/** Files of a node's network namespace that {@link conntrackState} reads, in this order. */
export const CONNTRACK_FILES = ['/proc/sys/net/netfilter/nf_conntrack_count', '/proc/sys/net/netfilter/nf_conntrack_max', '/proc/net/stat/nf_conntrack'];

/** Texts of {@link CONNTRACK_FILES}, one after another, of each node. */
export function conntrackState(nodes: readonly string[]): ConntrackState {
  const states = nodes.map(nodeState);
  const sum = (what: 'dropped' | 'evicted' | 'insertFailed'): number => states.reduce((all, state) => all + state[what], 0);
  return { entries: Math.max(...states.map((s) => s.entries)), max: states[0]?.max ?? 0, dropped: sum('dropped'), evicted: sum('evicted'), insertFailed: sum('insertFailed') };
}

function nodeState(text: string): ConntrackState {
  const [entries = '', max = '', header = '', ...rows] = text.trim().split('\n');
  const names = header.trim().split(/\s+/);
  const column = (name: string): number => rows.reduce((sum, row) => sum + (Number.parseInt(row.trim().split(/\s+/)[names.indexOf(name)] ?? '', 16) || 0), 0);
  return { entries: Number(entries), max: Number(max), dropped: column('drop'), evicted: column('early_drop'), insertFailed: column('insert_failed') };
}
