import type { Path } from './report.js';

/** A pod of the benchmark's lab. */
export interface PodPlan {
  readonly name: string;
  readonly node: NodeName;
  readonly address: string;
  /** Host side of its veth. */
  readonly device: string;
}

export type NodeName = 'n1' | 'n2';

export interface NodePlan {
  readonly name: NodeName;
  readonly address: string;
  readonly mac: string;
  readonly podCidr: string;
  readonly vtepAddress: string;
  readonly vtepMac: string;
}

/**
 * Two nodes joined by one veth, flannel's VXLAN between them, two pods on one
 * and one on the other, with Calico's names and routes: every contender gets a
 * copy of this.
 */
export const NODES: readonly NodePlan[] = ([1, 2] as const).map((n) => ({
  name: `n${n}`,
  address: `10.0.0.${n}`,
  mac: `02:00:00:00:00:0${n}`,
  podCidr: `10.42.${n - 1}.0/24`,
  vtepAddress: `10.42.${n - 1}.0`,
  vtepMac: `66:00:00:00:00:0${n}`,
}));

export const PODS: readonly PodPlan[] = [
  { name: 'a1', node: 'n1', address: '10.42.0.2', device: 'cali1' },
  { name: 'a2', node: 'n1', address: '10.42.0.3', device: 'cali2' },
  { name: 'b1', node: 'n2', address: '10.42.1.2', device: 'cali3' },
];

/** The bare veth between two pods, which is the same-node limit. */
export const LIMIT = { a1: '10.44.0.1', a2: '10.44.0.2' } as const;

export const UPLINK = 'u0';
export const OVERLAY = 'flannel.1';
export const UPLINK_MTU = 1500;
export const POD_MTU = 1450;
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
export const PORT = 8080;
export const NAMESPACE = 'bench';

export interface Ends {
  readonly client: string;
  readonly server: string;
  /** Where the server listens. */
  readonly address: string;
}

export const podAddress = (name: string): string => PODS.find((pod) => pod.name === name)!.address;

/** Who asks whom on a path. */
export const endsOf = (path: Path): Ends => (path === 'same' ? { client: 'a1', server: 'a2', address: podAddress('a2') } : { client: 'a1', server: 'b1', address: podAddress('b1') });

/** The physical limit: no node between the pods; no overlay between the nodes. */
export const limitEndsOf = (path: Path): Ends => (path === 'same' ? { client: 'a1', server: 'a2', address: LIMIT.a2 } : { client: 'n1', server: 'n2', address: '10.0.0.2' });
