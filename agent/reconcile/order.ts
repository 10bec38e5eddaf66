/** One phase of an apply: a table and what is done to it, and why here. */
export interface Phase {
  readonly table: TableName;
  readonly verb: 'upsert' | 'remove';
  /** Packets may be judged differently after this phase: conntrack's epoch grows. */
  readonly judged: boolean;
  /** Of the rows to write only those whose key the table does not have yet, or only those that it has otherwise; undefined: both. */
  readonly rows?: 'new' | 'changed';
  readonly why: string;
}

/** The tables that the reconciler keeps, by the names that metrics and logs use. Maps of both families are one table. */
export type TableName =
  | 'sysctl' | 'attachment' | 'link' | 'address' | 'fdb' | 'neighbour' | 'route'
  | 'socket' | 'canal_front' | 'canal_back' | 'canal_live' | 'canal_range'
  | 'canal_outside' | 'canal_nomasq' | 'canal_config' | 'canal_route' | 'canal_rule' | 'canal_table' | 'canal_peer' | 'canal_cidr' | 'canal_local' | 'canal_endpoint';

const put = (table: TableName, why: string): Phase => ({ table, verb: 'upsert', judged: false, why });
const gone = (table: TableName, why: string): Phase => ({ table, verb: 'remove', judged: false, why });
const only = (rows: 'new' | 'changed', phase: Phase): Phase => ({ ...phase, rows });
const judged = (phase: Phase): Phase => ({ ...phase, judged: true });

/**
 * The order of every apply. Attach first, rows next, pointers last; then the
 * removals, the other way round.
 */
export const ORDER: readonly Phase[] = [
  only('new', put('attachment', 'a device without an endpoint row drops, so a program that comes first opens nothing; one that comes late lets packets by unjudged')),

  put('canal_outside', 'which address masquerade gives where, before the flag that asks for it'),
  put('canal_nomasq', 'what pods reach under their own address, before the flag that gives them the node\'s'),
  put('canal_config', 'programs without it drop everything; its flags name no row that is not there yet'),

  put('sysctl', 'forwarding, before there is anything to forward'),
  put('link', 'everything of the overlay names the device by its ifindex'),
  put('address', 'the kernel picks the source of what the node itself sends to pods from it, so it is there before the first route'),
  put('fdb', 'where a VTEP MAC lives must be known before a packet is addressed to that MAC'),
  put('neighbour', 'the gateway must resolve before a route names it: the device has no ARP'),
  put('route', 'host and slow path; only now is the way behind it complete'),
  put('canal_route', 'the fast path redirects to the same neighbour, so it comes when the slow path stands'),

  put('canal_rule', 'rows are immutable and nothing points at new ones yet'),
  judged(put('canal_table', 'entries point at rows that are complete now; new classes enter tables in force before an address has them')),
  judged(put('canal_peer', 'every table in force knows the class now')),
  judged(put('canal_cidr', 'as peers; after them, because an exact address wins over a prefix')),
  judged(put('canal_endpoint', 'the pointer that puts a pod under its new tables, whole, in one write')),
  put('canal_local', 'delivery on the fast path, once the pod it delivers to is guarded'),

  put('canal_live', 'services last, when pods can be reached; and of a service first what says that a backend is good, for whoever chooses it remembers it'),
  put('canal_back', 'a slot beyond the count is asked for by nobody; one within it changes hands in one write, and both backends are good'),
  put('canal_range', 'clients that are let in, before the front that asks for it'),
  put('canal_front', 'the count grows when every slot below it is filled, and shrinks before one is emptied'),
  only('changed', put('attachment', 'a device that an older program of ours guards keeps it until here: the maps that came with the new one have their rows now')),
  put('socket', 'programs at sockets translate once there is something to translate to'),

  gone('socket', 'when they are switched off; before the rows go, so that no service is refused'),
  gone('canal_front', 'a service that is gone: nobody asks for its slots any more'),
  gone('canal_range', 'no front asks any more, or it asks of fewer'),
  gone('canal_back', 'slots that no frontend counts'),
  gone('canal_live', 'last: with it go UDP flows and affinity, which then choose among what is left'),

  gone('canal_local', 'stop delivering before the guard goes'),
  judged(gone('canal_endpoint', 'a pod that is gone: its device drops from here on')),
  judged(gone('canal_peer', 'no table needs to tell the address apart any more')),
  judged(gone('canal_cidr', 'as peers')),
  // The epoch settles here: whatever follows is out of every packet's reach.
  gone('canal_table', 'nothing points at these entries any more'),
  gone('canal_rule', 'no entry points at these rows any more'),

  gone('canal_route', 'the fast path lets go first'),
  gone('canal_nomasq', 'flows that began under their own address keep it'),
  gone('route', 'before the neighbour it needs: a route to an unknown gateway would swallow packets'),
  gone('neighbour', 'no route names it any more'),
  gone('fdb', 'no neighbour has its MAC any more'),
  gone('address', 'of the overlay device, when no route uses it as source'),
  gone('link', 'last of the overlay: it takes what is left with it'),
  gone('canal_outside', 'a device that led outside: its flows have their addresses in rows of their own'),
  gone('attachment', 'a program that is not wanted any more, on a device that has nothing left to guard'),
];

/** All of them. */
export const TABLES: readonly TableName[] = [...new Set(ORDER.map(({ table }) => table))];
