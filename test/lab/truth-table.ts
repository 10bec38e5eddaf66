/** Who asks. The backend is one pod, on a node that is called here its own. */
export const CLIENTS = ['the pod itself', 'pod, same node', 'pod, other node', 'the node', 'the other node', 'outside'] as const;
export type Client = (typeof CLIENTS)[number];

/** Which address is asked. Own node: the client's; from outside, and of a hostPort, the backend's. */
export const DOORS = ['ClusterIP', 'NodePort, own node', 'NodePort, other node', 'externalIP', 'load balancer IP', 'hostPort'] as const;
export type Door = (typeof DOORS)[number];

/** Both traffic policies of the service, internal and external. */
export const POLICIES = ['Cluster', 'Local'] as const;
export type Policy = (typeof POLICIES)[number];

export const PROTOCOLS = ['TCP', 'UDP'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/**
 * What the pod sees as source, or why it sees nothing.
 * client: the client's own address. node: the address of the node that the client is on.
 * asked: the address that was asked. overlay: the overlay address of the node that was asked, or, where no node was, of the client's.
 * drop: silence. none: nothing leads there.
 */
export type Seen = 'client' | 'node' | 'asked' | 'overlay' | 'drop' | 'none';

/** A connected UDP socket of a pod is translated packet by packet, so that it can move: a pod that meets itself sees the door. */
type Cell = Seen | { readonly [P in Protocol]: Seen };
const ITSELF: Cell = { TCP: 'client', UDP: 'asked' };

type Row = readonly [Cell, Cell, Cell, Cell, Cell, Cell];
const INSIDE: Row = [ITSELF, 'client', 'client', 'node', 'overlay', 'client'];
/** Local keeps the client's address, also a node's that has no endpoint itself. */
const KEPT: Row = [ITSELF, 'client', 'client', 'node', 'node', 'client'];

const TABLE: Readonly<Record<Policy, Readonly<Record<Door, Row>>>> = {
  Cluster: {
    'ClusterIP': [ITSELF, 'client', 'client', 'node', 'overlay', 'none'],
    'NodePort, own node': INSIDE,
    'NodePort, other node': ['overlay', 'overlay', 'node', 'overlay', 'node', 'overlay'],
    'externalIP': INSIDE,
    'load balancer IP': INSIDE,
    'hostPort': [ITSELF, 'client', 'node', 'node', 'node', 'client'],
  },
  Local: {
    'ClusterIP': [ITSELF, 'client', 'drop', 'node', 'drop', 'none'],
    'NodePort, own node': KEPT,
    'NodePort, other node': ['drop', 'drop', 'node', 'drop', 'node', 'drop'],
    'externalIP': KEPT,
    'load balancer IP': KEPT,
    'hostPort': [ITSELF, 'client', 'node', 'node', 'node', 'client'],
  },
};

export function expected(policy: Policy, door: Door, client: Client, protocol: Protocol): Seen {
  const cell = TABLE[policy][door][CLIENTS.indexOf(client)]!;
  return typeof cell === 'string' ? cell : cell[protocol];
}

/** The table as the README of agent/compile/services has it. */
export function markdown(): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const text = (policy: Policy, door: Door, client: Client): string => [...new Set(PROTOCOLS.map((protocol) => expected(policy, door, client, protocol)))].join(' / ');
  const lines = DOORS.flatMap((door) => POLICIES.map((policy) => row([door, policy, ...CLIENTS.map((client) => text(policy, door, client))])));
  return [row(['asked', 'policy', ...CLIENTS]), row(['---', '---', ...CLIENTS.map(() => '---')]), ...lines].join('\n');
}
