import type { IpAddress } from '../../base/address.js';
import type { Problem } from '../../base/errors.js';
import { changedSpan } from '../../base/changed-span.js';
import { changesBetween } from '../../base/versioned-map.js';
import type { Node, Pod } from '../../model/objects.js';
import type { EndpointSlice } from '../../model/service.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { ClientNode } from './choose.js';
import { disputes, winner } from './claims.js';
import { byPort, type HealthCheck } from './health-checks.js';
import { compileHostPorts } from './host-ports.js';
import { ChangedRows } from './row-changes.js';
import { backText, backendText, frontText, liveText, type BackendAddress, type BackKey, type FrontKey, type FrontRow, rangeText, sameFront, type LiveKey, type RangeKey, type ServiceChanges } from './rows.js';
import { compileService, NOTHING, setKey, type BackendSet, type Balancing, type Claim, type CompiledService, type SlotHistory } from './service.js';

/** Label of a Node that says where it is. */
const ZONE = 'topology.kubernetes.io/zone';

/** A pod of this node, by its addresses as CNI gave them. */
export interface LocalPod {
  readonly namespace: string;
  readonly pod: string;
  readonly addresses: readonly IpAddress[];
}

export interface SyncInput {
  /** For hostPorts. */
  readonly localPods?: readonly LocalPod[];
  /** Slots that the kernel's rows have from a predecessor, for sets that this compiler has not seen; at the first call only. */
  readonly inherited?: SlotHistory;
}

/** As without settings. */
export const BALANCING: Balancing = { algorithm: 'random', tableSize: 1021 };

/**
 * Services of the snapshots to rows, as what has changed since the last call:
 * the first call's changes are the whole. Objects that are `===` to last time's
 * are not looked at again, so a change costs the same at any number of
 * services. Pure but for that memory, which decides nothing but slots.
 */
export class ServiceCompiler {
  readonly #compiled = new Map<string, CompiledService>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  /** By frontText: everybody who wants it. */
  readonly #claims = new Map<string, readonly Claim[]>();
  readonly #disputed = new Map<string, readonly Problem[]>();
  /** By service; few have one. */
  readonly #healthChecks = new Map<string, HealthCheck>();
  /** What single services complain of. */
  readonly #complaints = new Map<string, readonly Problem[]>();
  /** hostPorts by pod, `namespace/name`. */
  readonly #hostPorts = new Map<string, CompiledService>();
  #lastLocal: { readonly pods: Snapshot['pods']; readonly endpoints: readonly LocalPod[] } = { pods: new Map(), endpoints: [] };
  #last: Pick<Snapshot, 'services' | 'endpointSlices' | 'nodes'> = { services: new Map(), endpointSlices: new Map(), nodes: new Map() };
  /** Those of externalTrafficPolicy Local: other nodes' addresses matter to them. */
  readonly #local = new Set<string>();
  #node: ClientNode | undefined;

  constructor(private readonly balancing: Balancing = BALANCING) {}

  /** What has changed since the last call. */
  sync(snapshot: Snapshot, nodeName: string, { localPods = [], inherited = () => [] }: SyncInput = {}): ServiceChanges {
    const node: ClientNode = {
      name: nodeName, zone: snapshot.nodes.get(nodeName)?.labels[ZONE] ?? '',
      addressOf: (other, family) => snapshot.nodes.get(other)?.internalAddresses.find((address) => address.family === family),
    };
    const changes = new Changes();
    const fronts = new Map<string, FrontRow | undefined>();
    for (const name of this.#dirty(snapshot, node)) {
      const before = this.#compiled.get(name) ?? NOTHING;
      const history: SlotHistory = (id, family) => before.sets.get(setKey(id, family))?.slots ?? inherited(id, family);
      const service = snapshot.services.get(name);
      const now = service === undefined ? NOTHING : compileService(service, [...(this.#slices.get(name)?.values() ?? [])], node, this.balancing, history);
      this.#note(name, now);
      this.#replace(before, now, changes, fronts);
    }
    this.#syncHostPorts(snapshot, localPods, changes, fronts);
    for (const [text, before] of fronts) this.#decide(text, before, changes);
    return changes.take();
  }

  /** Services that want what another has. */
  problems(): readonly Problem[] {
    return [...[...this.#complaints.values(), ...this.#disputed.values()].flat(), ...byPort(this.#healthChecks.values()).problems];
  }

  /** Which services' health is asked for, by node port. */
  healthChecks(): ReadonlyMap<number, HealthCheck> {
    return byPort(this.#healthChecks.values()).ports;
  }

  /** Services with anything in the kernel, by `namespace/name`. */
  get compiled(): ReadonlyMap<string, CompiledService> {
    return this.#compiled;
  }

  /** hostPorts of this node's pods, by `namespace/name` of the pod. */
  hostPorts(): ReadonlyMap<string, CompiledService> {
    return new Map(this.#hostPorts);
  }

  /** Slices by service and slice, both `namespace/name`. */
  get slices(): ReadonlyMap<string, ReadonlyMap<string, EndpointSlice>> {
    return this.#slices;
  }

  /** Services that must be looked at, and takes note of what there is now. */
  #dirty(snapshot: Snapshot, node: ClientNode): Set<string> {
    const { services, endpointSlices, nodes } = snapshot;
    const dirty = new Set<string>();
    for (const [name, , now] of changesBetween(this.#last.services, services)) {
      dirty.add(name);
      if (now?.externalPolicy === 'local') this.#local.add(name);
      else this.#local.delete(name);
    }
    for (const [key, before, now] of changesBetween(this.#last.endpointSlices, endpointSlices)) {
      if (before !== undefined) dirty.add(this.#drop(key, before));
      if (now !== undefined) dirty.add(this.#file(key, now));
    }
    for (const [, before, now] of changesBetween(this.#last.nodes, nodes)) if (addresses(before) !== addresses(now)) for (const name of this.#local) dirty.add(name);
    if (this.#node?.name !== node.name || this.#node.zone !== node.zone) for (const name of services.keys()) dirty.add(name);
    this.#node = node;
    this.#last = { services, endpointSlices, nodes };
    return dirty;
  }

  #file(key: string, slice: EndpointSlice): string {
    const service = `${slice.namespace}/${slice.service}`;
    (this.#slices.get(service) ?? this.#slices.set(service, new Map()).get(service)!).set(key, slice);
    return service;
  }

  #drop(key: string, slice: EndpointSlice): string {
    const service = `${slice.namespace}/${slice.service}`;
    const all = this.#slices.get(service);
    all?.delete(key);
    if (all?.size === 0) this.#slices.delete(service);
    return service;
  }

  #syncHostPorts({ pods }: Snapshot, localPods: readonly LocalPod[], changes: Changes, fronts: Map<string, FrontRow | undefined>): void {
    const { gone, come } = changedSpan(this.#lastLocal.endpoints, localPods);
    const touched = new Set([...gone, ...come].map(nameOf));
    for (const [name, was, is] of changesBetween(this.#lastLocal.pods, pods)) if (asksPorts(was) || asksPorts(is)) touched.add(name);
    this.#lastLocal = { pods, endpoints: localPods };
    for (const name of touched) {
      const before = this.#hostPorts.get(name);
      const pod = pods.get(name);
      const own = asksPorts(pod) ? localPods.findLast((local) => nameOf(local) === name) : undefined;
      const compiled = own === undefined ? NOTHING : compileHostPorts(pod!, own.addresses);
      if (own === undefined) this.#hostPorts.delete(name);
      else this.#hostPorts.set(name, compiled);
      if (before !== undefined || own !== undefined) this.#replace(before ?? NOTHING, compiled, changes, fronts);
    }
  }

  #note(name: string, now: CompiledService): void {
    const { claims, healthCheck, problems } = now;
    const keep = <V>(map: Map<string, V>, value: V | undefined): void => void (value === undefined ? map.delete(name) : map.set(name, value));
    keep(this.#compiled, claims.size > 0 ? now : undefined);
    keep(this.#healthChecks, healthCheck);
    keep(this.#complaints, problems.length > 0 ? problems : undefined);
  }

  /** Notes the new state of one service; `fronts` gets the rows that touched frontends had before. */
  #replace(before: CompiledService, now: CompiledService, changes: Changes, fronts: Map<string, FrontRow | undefined>): void {
    for (const key of new Set([...before.sets.keys(), ...now.sets.keys()])) changes.set(before.sets.get(key), now.sets.get(key));
    for (const [text, key] of now.ranges) if (!before.ranges.has(text)) changes.ranges.put(key, 0);
    for (const [text, key] of before.ranges) if (!now.ranges.has(text)) changes.ranges.gone(key);
    for (const text of new Set([...before.claims.keys(), ...now.claims.keys()])) {
      const claims = this.#claims.get(text) ?? [];
      if (!fronts.has(text)) fronts.set(text, winner(claims)?.row);
      const old = before.claims.get(text);
      const others = claims.filter((claim) => claim !== old);
      const claim = now.claims.get(text);
      const wanted = claim === undefined ? others : [...others, claim];
      if (wanted.length > 0) this.#claims.set(text, wanted);
      else this.#claims.delete(text);
      if (old !== undefined) changes.known.set(text, old.key);
    }
  }

  #decide(text: string, before: FrontRow | undefined, changes: Changes): void {
    const claims = this.#claims.get(text) ?? [];
    const first = winner(claims);
    if (first === undefined) changes.fronts.gone(changes.known.get(text)!);
    else if (before === undefined || !sameFront(before, first.row)) changes.fronts.put(first.key, first.row);
    if (claims.length > 1) this.#disputed.set(text, disputes(claims, text));
    else this.#disputed.delete(text);
  }
}

const nameOf = ({ namespace, pod }: LocalPod): string => `${namespace}/${pod}`;
const addresses = (node: Node | undefined): string => node?.internalAddresses.map(({ text }) => text).join() ?? '';
const asksPorts = (pod: Pod | undefined): boolean => pod !== undefined && pod.hostPorts.length > 0;

/** Rows that change, of all tables. */
class Changes {
  readonly fronts = new ChangedRows<FrontKey, FrontRow>(frontText);
  readonly backs = new ChangedRows<BackKey, BackendAddress>(backText);
  readonly live = new ChangedRows<LiveKey, 0>(liveText);
  readonly ranges = new ChangedRows<RangeKey, 0>(rangeText);
  /** Keys of frontends that may be gone. */
  readonly known = new Map<string, FrontKey>();

  take(): ServiceChanges {
    return { fronts: this.fronts.take(), backs: this.backs.take(), live: this.live.take(), ranges: this.ranges.take() };
  }

  set(before: BackendSet | undefined, now: BackendSet | undefined): void {
    const { id: service, family } = (now ?? before)!;
    const was = before?.slots ?? [];
    const is = now?.slots ?? [];
    is.forEach((backend, slot) => {
      if (was[slot] === undefined || backendText(was[slot]) !== backendText(backend)) this.backs.put({ family, service, slot }, backend);
    });
    for (let slot = is.length; slot < was.length; slot++) this.backs.gone({ family, service, slot });
    const had = new Set(was.map(backendText));
    const has = new Set(is.map(backendText));
    for (const backend of new Set(is)) if (!had.has(backendText(backend))) this.live.put({ service, backend }, 0);
    for (const backend of new Set(was)) if (!has.has(backendText(backend))) this.live.gone({ service, backend });
  }
}
