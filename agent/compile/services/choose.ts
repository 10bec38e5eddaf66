import type { PortEndpoint } from './merge.js';
import type { NodeAddressOf } from './relay.js';

/** The node that clients are on. */
export interface ClientNode {
  readonly name: string;
  /** Label topology.kubernetes.io/zone; empty: none. */
  readonly zone: string;
  /** Of other nodes. */
  readonly addressOf: NodeAddressOf;
}

/** Which endpoints get new connections. */
export interface Chosen {
  /** By policy Cluster. */
  readonly cluster: readonly PortEndpoint[];
  /** By policy Local: those of this node. */
  readonly local: readonly PortEndpoint[];
  /** Some endpoint in the cluster could be used, whatever policy and hints say. */
  readonly any: boolean;
}

/**
 * As kube-proxy chooses (CategorizeEndpoints): the ready ones, near ones where
 * hints say so; if none is ready, terminating ones that still serve (KEP-1669),
 * wherever they are.
 */
export function choose(endpoints: readonly PortEndpoint[], node: ClientNode): Chosen {
  const ready = endpoints.filter((e) => e.ready);
  const leaving = endpoints.filter((e) => !e.ready && e.serving && e.terminating);
  const here = (e: PortEndpoint): boolean => e.nodeName === node.name;
  const firstOf = (a: readonly PortEndpoint[], b: readonly PortEndpoint[]): readonly PortEndpoint[] => (a.length > 0 ? a : b);
  return {
    cluster: firstOf(near(ready, node), leaving),
    local: firstOf(ready.filter(here), leaving.filter(here)),
    any: ready.length > 0 || leaving.length > 0,
  };
}

/**
 * Hints count only where every ready endpoint has them and one is for us; those
 * for nodes before those for zones. Who wrote them (trafficDistribution,
 * topology-mode) does not matter to a proxy.
 */
function near(ready: readonly PortEndpoint[], node: ClientNode): readonly PortEndpoint[] {
  for (const [hints, self] of [['nodeHints', node.name], ['zoneHints', node.zone]] as const) {
    if (!ready.every((e) => e[hints].length > 0)) continue;
    const ours = ready.filter((e) => e[hints].includes(self));
    if (ours.length > 0) return ours;
  }
  return ready;
}
