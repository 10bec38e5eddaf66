import type { Problem } from '../../base/errors.js';
import { changesBetween } from '../../base/versioned-map.js';
import type { EndpointSlice } from '../../model/service.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { ClientNode } from './choose.js';
import { disputes, winner } from './claims.js';
import { byPort, type HealthCheck } from './health-checks.js';
import { ChangedRows } from './row-changes.js';
import { backText, backendText, frontText, liveText, type BackendAddress, type BackKey, type FrontKey, type FrontRow, type LiveKey, type ServiceChanges } from './rows.js';
import { compileService, setKey, type BackendSet, type Claim, type CompiledService, type SlotHistory } from './service.js';

/** Label of a Node that says where it is. */
const ZONE = 'topology.kubernetes.io/zone';
const NOTHING: CompiledService = { sets: new Map(), claims: new Map(), healthCheck: undefined };

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
  #last: { readonly services: Snapshot['services']; readonly endpointSlices: Snapshot['endpointSlices'] } = { services: new Map(), endpointSlices: new Map() };
  #node: ClientNode | undefined;

  /** @param inherited slots that the kernel's rows have from a predecessor, for sets that this compiler has not seen; the first call's only */
  sync(snapshot: Snapshot, nodeName: string, inherited: SlotHistory = () => []): ServiceChanges {
    const node: ClientNode = { name: nodeName, zone: snapshot.nodes.get(nodeName)?.labels[ZONE] ?? '' };
    const dirty = this.#dirty(snapshot, node);
    const changes = new Changes();
    const fronts = new Map<string, FrontRow | undefined>();
    for (const name of dirty) {
      const before = this.#compiled.get(name) ?? NOTHING;
      const history: SlotHistory = (id, family) => before.sets.get(setKey(id, family))?.slots ?? inherited(id, family);
      const service = snapshot.services.get(name);
      const now = service === undefined ? NOTHING : compileService(service, [...(this.#slices.get(name)?.values() ?? [])], node, history);
      this.#replace(name, before, now, changes, fronts);
    }
    for (const [text, before] of fronts) this.#decide(text, before, changes);
    return { fronts: changes.fronts.take(), backs: changes.backs.take(), live: changes.live.take() };
  }

  /** Services that want what another has. */
  problems(): readonly Problem[] {
    return [...[...this.#disputed.values()].flat(), ...byPort(this.#healthChecks.values()).problems];
  }

  /** Which services' health is asked for, by node port. */
  healthChecks(): ReadonlyMap<number, HealthCheck> {
    return byPort(this.#healthChecks.values()).ports;
  }

  /** Services with anything in the kernel, by `namespace/name`. */
  get compiled(): ReadonlyMap<string, CompiledService> {
    return this.#compiled;
  }

  /** Slices by service and slice, both `namespace/name`. */
  get slices(): ReadonlyMap<string, ReadonlyMap<string, EndpointSlice>> {
    return this.#slices;
  }

  /** Services that must be looked at, and takes note of what there is now. */
  #dirty(snapshot: Snapshot, node: ClientNode): Set<string> {
    const { services, endpointSlices } = snapshot;
    const dirty = new Set<string>();
    for (const [name] of changesBetween(this.#last.services, services)) dirty.add(name);
    for (const [key, before, now] of changesBetween(this.#last.endpointSlices, endpointSlices)) {
      if (before !== undefined) dirty.add(this.#drop(key, before));
      if (now !== undefined) dirty.add(this.#file(key, now));
    }
    if (this.#node?.name !== node.name || this.#node.zone !== node.zone) for (const name of services.keys()) dirty.add(name);
    this.#node = node;
    this.#last = { services, endpointSlices };
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

  /** Notes the new state of one service; `fronts` gets the rows that touched frontends had before. */
  #replace(name: string, before: CompiledService, now: CompiledService, changes: Changes, fronts: Map<string, FrontRow | undefined>): void {
    if (now.claims.size > 0) this.#compiled.set(name, now);
    else this.#compiled.delete(name);
    if (now.healthCheck !== undefined) this.#healthChecks.set(name, now.healthCheck);
    else this.#healthChecks.delete(name);
    for (const key of new Set([...before.sets.keys(), ...now.sets.keys()])) changes.set(before.sets.get(key), now.sets.get(key));
    for (const text of new Set([...before.claims.keys(), ...now.claims.keys()])) {
      const claims = this.#claims.get(text) ?? [];
      if (!fronts.has(text)) fronts.set(text, winner(claims)?.row);
      const others = claims.filter((claim) => claim.service !== name);
      const claim = now.claims.get(text);
      const wanted = claim === undefined ? others : [...others, claim];
      if (wanted.length > 0) this.#claims.set(text, wanted);
      else this.#claims.delete(text);
      if (before.claims.get(text) !== undefined) changes.known.set(text, before.claims.get(text)!.key);
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

/** Rows that change, of all tables. */
class Changes {
  readonly fronts = new ChangedRows<FrontKey, FrontRow>(frontText);
  readonly backs = new ChangedRows<BackKey, BackendAddress>(backText);
  readonly live = new ChangedRows<LiveKey, 0>(liveText);
  /** Keys of frontends that may be gone. */
  readonly known = new Map<string, FrontKey>();

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
    for (const backend of is) if (!had.has(backendText(backend))) this.live.put({ service, backend }, 0);
    for (const backend of was) if (!has.has(backendText(backend))) this.live.gone({ service, backend });
  }
}

export const sameFront = (a: FrontRow, b: FrontRow): boolean =>
  a.service === b.service && a.backends === b.backends && a.affinityS === b.affinityS && a.dropEmpty === b.dropEmpty;
