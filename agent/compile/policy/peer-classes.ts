import { addressBytes, type Cidr, type IpAddress } from '../../base/address.js';
import { MapEditor } from '../../base/versioned-map.js';
import type { Pod } from '../../model/objects.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { NodeFacts, PolicyState } from '../desired.js';
import { Asked } from './asked.js';
import { type Atom, type AtomPool, type PodsAtom, portQuery } from './atoms.js';
import { Owners, PodKinds, type PodKind } from './live-pods.js';
import { Membership } from './membership.js';
import { type ClassChanges, ClassPool, type PeerClass } from './peer-class.js';
import { type Prefix, PrefixTable } from './prefixes.js';
import type { SpecChanges } from './spec-counts.js';

/** Which address is in which class. */
export interface Classified extends ClassChanges {
  readonly peers: PolicyState['peers'];
  readonly cidrs: PolicyState['cidrs'];
}

type PeerRow = { readonly address: IpAddress; readonly classId: bigint };
type CidrRow = { readonly cidr: Cidr; readonly classId: bigint };

/**
 * Sorts addresses into classes. Looks again at those whose pods, or whose pods'
 * or prefix's answers, have changed; at all of them where other named ports are asked for. What it remembers saves work and never changes the answer.
 */
export class Classifier {
  readonly #owners = new Owners();
  readonly #kinds = new PodKinds();
  readonly #membership = new Membership();
  readonly #asked = new Asked();
  readonly #classes = new ClassPool();
  readonly #peers = new MapEditor<string, PeerRow>();
  readonly #classOfPeer = new Map<string, PeerClass>();
  readonly #prefixes = new PrefixTable();
  readonly #cidrs = new MapEditor<string, CidrRow>();
  readonly #classOfCidr = new Map<string, PeerClass>();
  /** Prefixes of one address, by its text. */
  readonly #singles = new Map<string, Prefix>();
  /** By address that somebody owns. */
  readonly #found = new Map<string, Prefix | undefined>();
  readonly #ofPrefix = new WeakMap<Prefix, PeerClass>();
  #ofKind = new Map<PodKind, KindClasses>();

  constructor(private readonly pool: AtomPool) {}

  sync(snapshot: Snapshot, facts: NodeFacts, specs: SpecChanges): Classified {
    const asked = this.#asked.sync(specs);
    this.pool.keep(this.#asked.atoms);
    const owners = this.#owners.sync(snapshot, facts);
    const kinds = this.#kinds.sync(owners);
    for (const kind of kinds.left) this.#ofKind.delete(kind);
    const touched = this.#membership.sync({ ...kinds, ...asked, namespaces: snapshot.namespaces });
    const places = new Set(owners.addresses);
    for (const kind of touched) for (const pod of this.#kinds.podsOf(kind)) for (const address of this.#owners.addressesOf(pod)) places.add(address);
    for (const { cidr, now } of this.#prefixes.sync(asked.nets.began, asked.nets.ended).values()) this.#renew(cidr, now, places);
    if (asked.queries) {
      this.#ofKind = new Map();
      for (const address of this.#owners.addresses()) places.add(address);
    }
    for (const address of places) this.#place(address);
    return { peers: this.#peers.version(), cidrs: this.#cidrs.version(), ...this.#classes.take() };
  }

  /** Puts an address in its class. A pod in no class needs no row: then no CIDR row speaks of it either, or it would have its atoms. */
  #place(text: string): void {
    const owner = this.#owners.of(text);
    if (owner === undefined) this.#found.delete(text);
    const ofPods = owner === undefined ? undefined : this.#classOfPods(owner.pods, this.#prefixOf(owner.address));
    if (ofPods !== undefined && ofPods.id !== 0n) return this.#put(text, owner!.address, ofPods);
    const single = this.#singles.get(text);
    const ofSingle = single === undefined ? undefined : this.#distinct(single);
    if (ofSingle !== undefined) this.#put(text, single!.cidr.address, ofSingle);
    else this.#remove(text);
  }

  #put(text: string, address: IpAddress, peer: PeerClass): void {
    const before = this.#classOfPeer.get(text);
    if (before === peer) return;
    this.#classes.move(before, peer);
    this.#classOfPeer.set(text, peer);
    if (this.#peers.get(text)?.classId !== peer.id) this.#peers.set(text, { address, classId: peer.id });
  }

  #remove(text: string): void {
    const before = this.#classOfPeer.get(text);
    if (before === undefined) return;
    this.#classes.move(before, undefined);
    this.#classOfPeer.delete(text);
    this.#peers.delete(text);
  }

  /** A prefix is another, or gone. It has a row where it differs from what covers it; one of a single address is among the peers. `places` gets whoever was found by it. */
  #renew(cidr: Cidr, now: Prefix | undefined, places: Set<string>): void {
    for (const address of this.#owners.within(cidr)) {
      this.#found.delete(address);
      places.add(address);
    }
    if (cidr.length === addressBytes(cidr.family) * 8) {
      if (now === undefined) this.#singles.delete(cidr.address.text);
      else this.#singles.set(cidr.address.text, now);
      places.add(cidr.address.text);
      return;
    }
    const peer = now === undefined ? undefined : this.#distinct(now);
    const before = this.#classOfCidr.get(cidr.text);
    if (before === peer) return;
    this.#classes.move(before, peer);
    if (peer === undefined) {
      this.#classOfCidr.delete(cidr.text);
      this.#cidrs.delete(cidr.text);
      return;
    }
    this.#classOfCidr.set(cidr.text, peer);
    if (this.#cidrs.get(cidr.text)?.classId !== peer.id) this.#cidrs.set(cidr.text, { cidr, classId: peer.id });
  }

  #prefixOf(address: IpAddress): Prefix | undefined {
    if (this.#prefixes.size === 0) return undefined;
    if (!this.#found.has(address.text)) this.#found.set(address.text, this.#prefixes.find(address));
    return this.#found.get(address.text);
  }

  #classOfPods(pods: readonly Pod[], prefix: Prefix | undefined): PeerClass {
    if (pods.length > 1) return this.#classes.of(pods.map((pod) => this.#atomsOf(this.#kinds.of(pod), prefix)));
    const kind = this.#kinds.of(pods[0]!);
    const selections = this.#membership.atomsOf(kind);
    let known = this.#ofKind.get(kind);
    if (known?.selections !== selections) {
      known = { selections, byPrefix: new WeakMap() };
      this.#ofKind.set(kind, known);
    }
    const made = known.byPrefix.get(prefix ?? NOWHERE) ?? this.#classes.of([this.#atomsOf(kind, prefix)]);
    const peer = this.#classes.current(made);
    known.byPrefix.set(prefix ?? NOWHERE, peer);
    return peer;
  }

  #atomsOf(kind: PodKind, prefix: Prefix | undefined): Atom[] {
    const asked = kind.namedPorts.filter((p) => this.#asked.asks(portQuery(p.protocol, p.name)));
    const ports = asked.map((p) => this.pool.port(portQuery(p.protocol, p.name), p.port));
    return [...this.#membership.atomsOf(kind), ...ports, ...(prefix?.atoms ?? [])];
  }

  /** The class of a prefix, where it is another than that of what covers it. */
  #distinct(prefix: Prefix): PeerClass | undefined {
    const peer = this.#classOfPrefix(prefix);
    return peer.id === (prefix.parent === undefined ? 0n : this.#classOfPrefix(prefix.parent).id) ? undefined : peer;
  }

  #classOfPrefix(prefix: Prefix): PeerClass {
    const peer = this.#classes.current(this.#ofPrefix.get(prefix) ?? this.#classes.of([prefix.atoms]));
    this.#ofPrefix.set(prefix, peer);
    return peer;
  }
}

interface KindClasses {
  readonly selections: readonly PodsAtom[];
  readonly byPrefix: WeakMap<object, PeerClass>;
}

/** For addresses in no prefix. */
const NOWHERE = {};
