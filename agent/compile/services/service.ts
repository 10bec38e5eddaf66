import type { Problem } from '../../base/errors.js';
import type { Family } from '../../base/address.js';
import { contentId } from '../../base/hash.js';
import type { Algorithm, EndpointSlice, Service, ServicePort, TrafficPolicy } from '../../model/service.js';
import { choose, type Chosen, type ClientNode } from './choose.js';
import { facesOf, familiesOf, type Face, type Rank } from './faces.js';
import { healthCheck, type HealthCheck } from './health-checks.js';
import { maglevTable } from './maglev.js';
import { mergeEndpoints, type PortEndpoint } from './merge.js';
import { frontText, rangeText, type BackendAddress, type FrontKey, type FrontRow, type RangeKey } from './rows.js';
import { relayed } from './relay.js';
import { assignSlots } from './slots.js';

/** Backends that some frontends share: of one port, in one family, by one traffic policy. */
export interface BackendSet {
  readonly id: bigint;
  readonly family: Family;
  /** Each once; in a Maglev table as often as it has slots. */
  readonly slots: readonly BackendAddress[];
}

/** A frontend that a service wants, or a pod for its hostPort. */
export interface Claim {
  /** `namespace/name` of the Service; of the Pod for a hostPort. */
  readonly service: string;
  readonly rank: Rank;
  readonly key: FrontKey;
  readonly row: FrontRow;
}

export interface CompiledService {
  /** By `setKey`. */
  readonly sets: ReadonlyMap<string, BackendSet>;
  /** By frontText; one each. */
  readonly claims: ReadonlyMap<string, Claim>;
  /** Clients that may use load balancer addresses, by rangeText; of sets whose fronts ask. */
  readonly ranges: ReadonlyMap<string, RangeKey>;
  readonly healthCheck: HealthCheck | undefined;
  readonly problems: readonly Problem[];
}

export const NOTHING: CompiledService = { sets: new Map(), claims: new Map(), ranges: new Map(), healthCheck: undefined, problems: [] };

/** Which slots a set's backends had before; empty for one that is new. */
export type SlotHistory = (set: bigint, family: Family) => readonly BackendAddress[];

/** How backends are chosen for what comes from outside, unless the service says. */
export interface Balancing {
  readonly algorithm: Algorithm;
  /** Slots of a Maglev table: a prime, the same on every node. */
  readonly tableSize: number;
}

export const setKey = (id: bigint, family: Family): string => `${id.toString(16)}/${family}`;

/** Which endpoints, and how they are laid out; relayed: all, other nodes' by their node. */
export type SetKind = TrafficPolicy | `${TrafficPolicy}/maglev` | 'relayed';
export const SET_KINDS: readonly SetKind[] = ['cluster', 'local', 'cluster/maglev', 'local/maglev'];

/** A set's name, from which its id is made: the same on every node and every run. */
export const setId = (service: Service, port: ServicePort, kind: SetKind): bigint =>
  contentId(`Service/${service.namespace}/${service.name}/${port.name}/${port.protocol}/${kind}`);

/** Whether canal has anything to do with it: not ExternalName, not headless, not another proxy's. */
export const isServed = (service: Service): boolean => service.type !== 'ExternalName' && service.proxyName === '' && service.clusterIps.length > 0;

/** The API server itself. Emptying it would cut off all who could mend it, this agent not among them. */
const isApiServer = ({ namespace, name }: Service): boolean => namespace === 'default' && name === 'kubernetes';

/** Frontends and backends of one service for clients on `node`. Pure. */
export function compileService(service: Service, slices: readonly EndpointSlice[], node: ClientNode, balancing: Balancing, history: SlotHistory): CompiledService {
  if (!isServed(service)) return NOTHING;
  const made = new Making(service, node, balancing, history);
  const here: PortEndpoint[] = [];
  for (const port of service.ports) {
    for (const family of familiesOf(service)) {
      const chosen = choose(mergeEndpoints(slices, port, family, node.name), node);
      here.push(...chosen.local);
      for (const face of facesOf(service, port, family)) made.claim(port, family, face, chosen);
    }
  }
  return { sets: made.sets, claims: made.claims, ranges: made.ranges, healthCheck: healthCheck(service, here), problems: made.problems };
}

class Making {
  readonly sets = new Map<string, BackendSet>();
  readonly claims = new Map<string, Claim>();
  readonly ranges = new Map<string, RangeKey>();
  readonly problems: Problem[] = [];

  constructor(
    private readonly service: Service,
    private readonly node: ClientNode,
    private readonly balancing: Balancing,
    private readonly history: SlotHistory,
  ) {}

  claim(port: ServicePort, family: Family, { rank, scope, policy, address, port: number, nodeApart = false }: Face, chosen: Chosen): void {
    const key: FrontKey = { address, port: number, protocol: port.protocol, scope };
    const text = frontText(key);
    if (this.claims.has(text)) return; // of the same service: the first rank stays
    const kind = scope === 'node' ? 'relayed' : scope === 'outside' && this.#hashes(chosen[policy], port) ? (`${policy}/maglev` as const) : policy;
    const set = this.#set(port, family, kind, chosen[policy]);
    const restricted = rank === 'loadBalancer' && scope !== 'node' && this.service.sourceRanges.length > 0;
    if (restricted) this.#admit(set);
    const row: FrontRow = {
      service: set.id,
      backends: set.slots.length,
      affinityS: this.service.affinityS,
      dropEmpty: policy === 'local' && set.slots.length === 0 && chosen.any,
      sourceRanges: restricted,
      hashed: kind === 'cluster/maglev' || kind === 'local/maglev',
      nodeApart,
    };
    this.claims.set(text, { service: `${this.service.namespace}/${this.service.name}`, rank, key, row });
  }

  /** A table cannot have more backends than slots. */
  #hashes(wanted: readonly PortEndpoint[], port: ServicePort): boolean {
    const { algorithm, tableSize } = this.balancing;
    if ((this.service.algorithm ?? algorithm) !== 'maglev') return false;
    if (wanted.length <= tableSize) return true;
    const field = `spec.ports[${this.service.ports.indexOf(port)}]`;
    const message = `${wanted.length} endpoints are more than the ${tableSize} slots of a Maglev table: chosen at random`;
    if (!this.problems.some((one) => one.field === field)) this.problems.push({ object: `Service ${this.service.namespace}/${this.service.name}`, field, message });
    return false;
  }

  #set(port: ServicePort, family: Family, kind: SetKind, wanted: readonly PortEndpoint[]): BackendSet {
    const id = setId(this.service, port, kind);
    const known = this.sets.get(setKey(id, family));
    if (known !== undefined) return known;
    const backends = kind === 'relayed' ? relayed(wanted, this.node.name, port.nodePort, this.node.addressOf) : wanted;
    const set: BackendSet = { id, family, slots: this.#slots(id, family, kind, backends) };
    this.sets.set(setKey(id, family), set);
    return set;
  }

  #slots(id: bigint, family: Family, kind: SetKind, wanted: readonly PortEndpoint[]): readonly BackendAddress[] {
    const before = this.history(id, family);
    if (wanted.length === 0 && isApiServer(this.service)) return before;
    const plain = ({ address, port }: BackendAddress): BackendAddress => ({ address, port });
    if (kind !== 'cluster/maglev' && kind !== 'local/maglev') return assignSlots(before, wanted).map(plain);
    const backends = wanted.map(plain);
    return Array.from(maglevTable(wanted.map(({ text }) => text), this.balancing.tableSize), (index) => backends[index]!);
  }

  #admit({ id, family }: BackendSet): void {
    for (const cidr of this.service.sourceRanges) {
      const key: RangeKey = { service: id, cidr };
      if (cidr.family === family) this.ranges.set(rangeText(key), key);
    }
  }
}
