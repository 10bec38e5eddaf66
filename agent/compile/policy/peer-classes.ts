import type { Cidr, IpAddress } from '../../base/address.js';
import type { Pod } from '../../model/objects.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { NodeFacts, PolicyState } from '../desired.js';
import { type Atom, type AtomPool, type NetsAtom, type PodsAtom, portQuery } from './atoms.js';
import { PodKinds, livePods, type PodKind } from './live-pods.js';
import { Membership } from './membership.js';
import { ClassPool, type PeerClass } from './peer-class.js';
import { type Prefix, PrefixTable } from './prefixes.js';
import type { TableSpec } from './table-spec.js';

/** Which address is in which class. */
export interface Classified {
  readonly peers: PolicyState['peers'];
  readonly cidrs: PolicyState['cidrs'];
  /** Every class in use but 0. */
  readonly classes: ReadonlySet<PeerClass>;
}

type PeerRow = { readonly address: IpAddress; readonly classId: bigint };
type CidrRow = { readonly cidr: Cidr; readonly classId: bigint };

/** Sorts addresses into classes. What it remembers between calls saves work and never changes the answer. */
export class Classifier {
  readonly #kinds = new PodKinds();
  readonly #membership = new Membership();
  readonly #classes = new ClassPool();
  #nets: ReadonlySet<NetsAtom> = new Set();
  #prefixes = new PrefixTable([]);
  #queries: ReadonlySet<string> = new Set();
  #found = new Map<string, Prefix | undefined>();
  #ofKind = new Map<PodKind, KindClasses>();
  #ofPrefix = new Map<Prefix, PeerClass>();
  #peers: PolicyState['peers'] = new Map();
  #cidrs: PolicyState['cidrs'] = new Map();

  constructor(private readonly pool: AtomPool) {}

  sync(snapshot: Snapshot, facts: NodeFacts, specs: Iterable<TableSpec>): Classified {
    const asked = askedBy(specs);
    this.pool.keep(new Set<Atom>([...asked.pods, ...asked.nets]));
    const owners = livePods(snapshot, facts);
    const kinds = new Set<PodKind>();
    for (const { pods } of owners.values()) for (const pod of pods) kinds.add(this.#kinds.of(pod));
    this.#membership.sync(kinds, snapshot.namespaces, asked.pods);
    this.#forget(asked, kinds);
    const classes = new Set<PeerClass>();
    const peers = new Map<string, PeerRow>();
    for (const [text, { address, pods }] of owners) {
      const peer = this.#classOfPods(pods, this.#prefixOf(address));
      if (peer.id === 0n) continue; // no CIDR row speaks of it either, or its atoms would be here
      classes.add(peer);
      peers.set(text, this.#peerRow(address, peer.id));
    }
    const cidrs = this.#prefixRows(peers, classes);
    this.#classes.keep(classes);
    this.#peers = peers;
    this.#cidrs = cidrs;
    return { peers, cidrs, classes };
  }

  /** Drops what was remembered about questions that have changed. */
  #forget(asked: Asked, kinds: ReadonlySet<PodKind>): void {
    if (!equalSets(asked.nets, this.#nets)) {
      this.#nets = asked.nets;
      this.#prefixes = new PrefixTable(asked.nets);
      this.#found = new Map();
      this.#ofKind = new Map();
      this.#ofPrefix = new Map();
    }
    if (!equalSets(asked.queries, this.#queries)) {
      this.#queries = asked.queries;
      this.#ofKind = new Map();
    }
    for (const kind of this.#ofKind.keys()) if (!kinds.has(kind)) this.#ofKind.delete(kind);
    this.#kinds.keep(kinds);
  }

  #prefixOf(address: IpAddress): Prefix | undefined {
    if (this.#nets.size === 0) return undefined;
    if (!this.#found.has(address.text)) this.#found.set(address.text, this.#prefixes.find(address));
    return this.#found.get(address.text);
  }

  #classOfPods(pods: readonly Pod[], prefix: Prefix | undefined): PeerClass {
    if (pods.length > 1) return this.#classes.of(pods.map((pod) => this.#atomsOf(this.#kinds.of(pod), prefix)));
    const kind = this.#kinds.of(pods[0]!);
    const selections = this.#membership.atomsOf(kind);
    let known = this.#ofKind.get(kind);
    if (known?.selections !== selections) {
      known = { selections, byPrefix: new Map() };
      this.#ofKind.set(kind, known);
    }
    let peer = known.byPrefix.get(prefix);
    if (peer === undefined) {
      peer = this.#classes.of([this.#atomsOf(kind, prefix)]);
      known.byPrefix.set(prefix, peer);
    }
    return peer;
  }

  #atomsOf(kind: PodKind, prefix: Prefix | undefined): Atom[] {
    const asked = kind.namedPorts.filter((p) => this.#queries.has(portQuery(p.protocol, p.name)));
    const ports = asked.map((p) => this.pool.port(portQuery(p.protocol, p.name), p.port));
    return [...this.#membership.atomsOf(kind), ...ports, ...(prefix?.atoms ?? [])];
  }

  #classOfPrefix(prefix: Prefix): PeerClass {
    let peer = this.#ofPrefix.get(prefix);
    if (peer === undefined) {
      peer = this.#classes.of([prefix.atoms]);
      this.#ofPrefix.set(prefix, peer);
    }
    return peer;
  }

  /** Last time's row where it is the same. */
  #peerRow(address: IpAddress, classId: bigint): PeerRow {
    const last = this.#peers.get(address.text);
    return last?.classId === classId ? last : { address, classId };
  }

  /** Rows for prefixes that differ from what covers them. Single addresses join `peers`, unless a pod has them. */
  #prefixRows(peers: Map<string, PeerRow>, classes: Set<PeerClass>): Map<string, CidrRow> {
    const rows: CidrRow[] = [];
    for (const prefix of this.#prefixes.prefixes) {
      const { cidr, parent, single } = prefix;
      const { id } = this.#classOfPrefix(prefix);
      if (id === (parent === undefined ? 0n : this.#classOfPrefix(parent).id)) continue;
      if (single && peers.has(cidr.address.text)) continue;
      if (id !== 0n) classes.add(this.#classOfPrefix(prefix));
      if (single) peers.set(cidr.address.text, this.#peerRow(cidr.address, id));
      else rows.push(this.#cidrs.get(cidr.text)?.classId === id ? this.#cidrs.get(cidr.text)! : { cidr, classId: id });
    }
    rows.sort((a, b) => b.cidr.length - a.cidr.length);
    return new Map(rows.map((row) => [row.cidr.text, row]));
  }
}

interface KindClasses {
  readonly selections: readonly PodsAtom[];
  readonly byPrefix: Map<Prefix | undefined, PeerClass>;
}

/** What the tables in force ask of peers. */
interface Asked {
  readonly pods: ReadonlySet<PodsAtom>;
  readonly nets: ReadonlySet<NetsAtom>;
  readonly queries: ReadonlySet<string>;
}

function askedBy(specs: Iterable<TableSpec>): Asked {
  const pods = new Set<PodsAtom>();
  const nets = new Set<NetsAtom>();
  const queries = new Set<string>();
  for (const spec of specs) {
    for (const atom of spec.atoms) {
      if (atom.kind === 'pods') pods.add(atom);
      else if (atom.kind === 'nets') nets.add(atom);
    }
    for (const query of spec.queries) queries.add(query);
  }
  return { pods, nets, queries };
}

function equalSets<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  if (a.size !== b.size) return false;
  for (const item of a) if (!b.has(item)) return false;
  return true;
}
