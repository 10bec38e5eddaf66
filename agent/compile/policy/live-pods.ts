import type { Cidr, IpAddress } from '../../base/address.js';
import { changedSpan } from '../../base/changed-span.js';
import { changesBetween } from '../../base/versioned-map.js';
import type { NamedPort, Pod } from '../../model/objects.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { LocalEndpoint, NodeFacts } from '../desired.js';

export const isLive = (pod: Pod): boolean => !pod.hostNetwork && !pod.finished;

/** An address with the live pods that claim it: one, and for a moment more where pods come and go. */
export interface Owner {
  readonly address: IpAddress;
  readonly pods: readonly Pod[];
}

/** What became of owners since the last call. A pod object that was replaced by another has left. */
export interface OwnerChanges {
  /** IpAddress.text. */
  readonly addresses: ReadonlySet<string>;
  readonly entered: readonly Pod[];
  readonly left: readonly Pod[];
}

/**
 * Pods by the addresses that are theirs alone. A pod on the host's network has
 * the node's addresses, which selectors never match; a finished one has
 * given its addresses back. A local pod owns what CNI gave it, which is known
 * before its status says so. Looks only at pods and endpoints that have changed.
 */
export class Owners {
  readonly #owners = new Map<string, Owner>();
  readonly #blocks = new Blocks();
  /** By `namespace/name`. */
  readonly #claims = new Map<string, Claim>();
  #pods: Snapshot['pods'] = new Map();
  #endpoints: readonly LocalEndpoint[] = [];
  readonly #local = new Map<string, readonly IpAddress[]>();

  sync(snapshot: Snapshot, facts: NodeFacts): OwnerChanges {
    const changed = new Set<string>();
    for (const [key] of changesBetween(this.#pods, snapshot.pods)) changed.add(key);
    for (const key of this.#followLocal(facts.endpoints)) changed.add(key);
    this.#pods = snapshot.pods;
    const changes = { addresses: new Set<string>(), entered: [] as Pod[], left: [] as Pod[] };
    for (const key of changed) this.#claim(key, snapshot.pods.get(key), changes);
    return changes;
  }

  of(address: string): Owner | undefined {
    return this.#owners.get(address);
  }

  addresses(): Iterable<string> {
    return this.#owners.keys();
  }

  /** Addresses of a prefix that somebody owns. */
  *within(cidr: Cidr): Generator<string> {
    for (const address of this.#blocks.near(cidr) ?? this.#owners.keys()) if (cidr.contains(this.#owners.get(address)!.address)) yield address;
  }

  /** What a pod that has entered owns, as texts. */
  addressesOf(pod: Pod): Iterable<string> {
    return this.#claims.get(`${pod.namespace}/${pod.name}`)?.addresses.keys() ?? [];
  }

  /** @returns pods whose endpoints have other addresses than at the last call */
  *#followLocal(endpoints: readonly LocalEndpoint[]): Generator<string> {
    const { gone, come } = changedSpan(this.#endpoints, endpoints);
    this.#endpoints = endpoints;
    if (gone.length === 0 && come.length === 0) return;
    const touched = new Set([...gone, ...come].map(podName));
    const local = byPod(endpoints.filter((endpoint) => touched.has(podName(endpoint))));
    for (const key of touched) {
      const now = local.get(key);
      if (!sameTexts(this.#local.get(key), now)) yield key;
      if (now === undefined) this.#local.delete(key);
      else this.#local.set(key, now);
    }
  }

  #claim(key: string, pod: Pod | undefined, changes: { addresses: Set<string>; entered: Pod[]; left: Pod[] }): void {
    const before = this.#claims.get(key);
    if (before !== undefined) {
      for (const text of before.addresses.keys()) {
        this.#disown(text, before.pod);
        changes.addresses.add(text);
      }
      this.#claims.delete(key);
      changes.left.push(before.pod);
    }
    if (pod === undefined || !isLive(pod)) return;
    const addresses = new Map([...pod.addresses, ...(this.#local.get(key) ?? [])].map((address) => [address.text, address]));
    if (addresses.size === 0) return;
    for (const [text, address] of addresses) {
      const owner = this.#owners.get(text);
      if (owner === undefined) this.#blocks.add(address);
      this.#owners.set(text, { address: owner?.address ?? address, pods: [...(owner?.pods ?? []), pod] });
      changes.addresses.add(text);
    }
    this.#claims.set(key, { pod, addresses });
    changes.entered.push(pod);
  }

  #disown(text: string, pod: Pod): void {
    const { address, pods } = this.#owners.get(text)!;
    if (pods.length === 1) {
      this.#owners.delete(text);
      this.#blocks.remove(address);
    } else this.#owners.set(text, { address, pods: pods.filter((other) => other !== pod) });
  }
}

/** Addresses by their first 16 bits, of IPv6 48: those of one cluster are in few blocks, and what most rules name is in others. */
class Blocks {
  readonly #addresses = new Map<string, Set<string>>();

  add(address: IpAddress): void {
    const block = blockOf(address);
    const set = this.#addresses.get(block);
    if (set === undefined) this.#addresses.set(block, new Set([address.text]));
    else set.add(address.text);
  }

  remove(address: IpAddress): void {
    const block = blockOf(address);
    const set = this.#addresses.get(block);
    if (set?.delete(address.text) && set.size === 0) this.#addresses.delete(block);
  }

  /** A superset of those in the prefix; undefined: it is more than a block. */
  near({ address, length }: Cidr): Iterable<string> | undefined {
    return length < blockBytes(address) * 8 ? undefined : (this.#addresses.get(blockOf(address)) ?? []);
  }
}

const blockBytes = ({ family }: IpAddress): number => (family === 4 ? 2 : 6);
const blockOf = (address: IpAddress): string => address.bytes.subarray(0, blockBytes(address)).join('.');

interface Claim {
  readonly pod: Pod;
  readonly addresses: ReadonlyMap<string, IpAddress>;
}

const podName = ({ namespace, pod }: LocalEndpoint): string => `${namespace}/${pod}`;

function byPod(endpoints: readonly LocalEndpoint[]): Map<string, readonly IpAddress[]> {
  const local = new Map<string, readonly IpAddress[]>();
  for (const endpoint of endpoints) {
    const { addresses } = endpoint;
    const key = podName(endpoint);
    const known = local.get(key);
    local.set(key, known === undefined ? addresses : [...known, ...addresses]);
  }
  return local;
}

function sameTexts(a: readonly IpAddress[] | undefined, b: readonly IpAddress[] | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((address, i) => address.text === b[i]!.text);
}

/** Pods that no rule can tell apart. */
export interface PodKind {
  readonly key: string;
  readonly namespace: string;
  readonly labels: Pod['labels'];
  readonly namedPorts: readonly NamedPort[];
}

/** Interns the kinds of the pods that there are. */
export class PodKinds {
  readonly #kinds = new Map<string, PodKind>();
  readonly #ofPod = new Map<Pod, PodKind>();
  readonly #pods = new Map<PodKind, Set<Pod>>();

  /** The kind of a pod that has entered and not left. */
  of(pod: Pod): PodKind {
    return this.#ofPod.get(pod)!;
  }

  podsOf(kind: PodKind): Iterable<Pod> {
    return this.#pods.get(kind) ?? [];
  }

  /** @returns kinds that were not there before, and kinds that no pod has any more */
  sync({ entered, left }: Pick<OwnerChanges, 'entered' | 'left'>): { readonly entered: ReadonlySet<PodKind>; readonly left: ReadonlySet<PodKind> } {
    const fresh = new Set<PodKind>();
    const bare = new Set<PodKind>();
    for (const pod of left) {
      const kind = this.#ofPod.get(pod)!;
      this.#ofPod.delete(pod);
      const pods = this.#pods.get(kind)!;
      if (pods.delete(pod) && pods.size === 0) bare.add(kind);
    }
    for (const pod of entered) {
      const kind = this.#intern(pod);
      if (!this.#pods.has(kind)) {
        this.#pods.set(kind, new Set());
        fresh.add(kind);
      }
      this.#pods.get(kind)!.add(pod);
      this.#ofPod.set(pod, kind);
      bare.delete(kind);
    }
    for (const kind of bare) {
      this.#pods.delete(kind);
      this.#kinds.delete(kind.key);
    }
    return { entered: fresh, left: bare };
  }

  #intern(pod: Pod): PodKind {
    const ports = pod.namedPorts.map((p) => `${p.protocol}/${p.name}=${p.port}`);
    const labels = Object.keys(pod.labels).sort().map((key) => [key, pod.labels[key]]);
    const key = JSON.stringify([pod.namespace, labels, ports]);
    const kind = this.#kinds.get(key) ?? { key, namespace: pod.namespace, labels: pod.labels, namedPorts: pod.namedPorts };
    this.#kinds.set(key, kind);
    return kind;
  }
}
