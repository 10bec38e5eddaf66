import type { AppliedView } from '../apply-loop.js';

export interface Owner {
  readonly kind: 'pod' | 'host' | 'node';
  readonly name: string;
}

/** Whose an address is, by its text. What CNI gave on this node wins over what the API says. */
export function addressOwners({ snapshot, facts }: Pick<AppliedView, 'snapshot' | 'facts'>): ReadonlyMap<string, Owner> {
  const owners = new Map<string, Owner>();
  for (const node of snapshot.nodes.values()) for (const a of node.internalAddresses) owners.set(a.text, { kind: 'node', name: node.name });
  for (const a of facts.hostAddresses) owners.set(a.text, { kind: 'host', name: facts.nodeName });
  for (const [name, pod] of snapshot.pods) {
    if (!pod.finished && !pod.hostNetwork) for (const a of pod.addresses) owners.set(a.text, { kind: 'pod', name });
  }
  for (const e of facts.endpoints) for (const a of e.addresses) owners.set(a.text, { kind: 'pod', name: `${e.namespace}/${e.pod}` });
  return owners;
}
