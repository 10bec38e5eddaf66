import type { IpAddress } from '../../base/address.js';
import type { NamedPort, Pod } from '../../model/objects.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { NodeFacts } from '../desired.js';

/**
 * Pods by the addresses that are theirs alone. A pod on the host's network has
 * the node's addresses, which selectors never match; a finished one has
 * given its addresses back. A local pod owns what CNI gave it, which is known
 * before its status says so.
 */
export function livePods(snapshot: Snapshot, facts: NodeFacts): Map<string, { address: IpAddress; pods: Pod[] }> {
  const owners = new Map<string, { address: IpAddress; pods: Pod[] }>();
  const own = (address: IpAddress, pod: Pod): void => {
    const owner = owners.get(address.text);
    if (owner === undefined) owners.set(address.text, { address, pods: [pod] });
    else if (!owner.pods.includes(pod)) owner.pods.push(pod);
  };
  for (const pod of snapshot.pods.values()) {
    if (isLive(pod)) for (const address of pod.addresses) own(address, pod);
  }
  for (const endpoint of facts.endpoints) {
    const pod = snapshot.pods.get(`${endpoint.namespace}/${endpoint.pod}`);
    if (pod !== undefined && isLive(pod)) for (const address of endpoint.addresses) own(address, pod);
  }
  return owners;
}

export const isLive = (pod: Pod): boolean => !pod.hostNetwork && !pod.finished;

/** Pods that no rule can tell apart. */
export interface PodKind {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Pod['labels'];
  readonly namedPorts: readonly NamedPort[];
}

/** Interns kinds, and remembers each pod object's. */
export class PodKinds {
  readonly #kinds = new Map<string, PodKind>();
  readonly #ofPod = new WeakMap<Pod, PodKind>();

  of(pod: Pod): PodKind {
    const known = this.#ofPod.get(pod);
    if (known !== undefined) return known;
    const ports = pod.namedPorts.map((p) => `${p.protocol}/${p.name}=${p.port}`);
    const labels = Object.keys(pod.labels).sort().map((key) => [key, pod.labels[key]]);
    const key = JSON.stringify([pod.namespace, labels, ports]);
    const kind = this.#kinds.get(key) ?? { key, namespace: pod.namespace, labels: pod.labels, namedPorts: pod.namedPorts };
    this.#kinds.set(key, kind);
    this.#ofPod.set(pod, kind);
    return kind;
  }

  /** Forgets kinds that no pod has any more. */
  keep(kinds: ReadonlySet<PodKind>): void {
    for (const [key, kind] of this.#kinds) if (!kinds.has(kind)) this.#kinds.delete(key);
  }
}
