import { changedSpan } from '../../base/changed-span.js';
import { changesBetween } from '../../base/versioned-map.js';
import type { Pod } from '../../model/objects.js';
import type { Direction, Policy } from '../../model/policy.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { LocalEndpoint, NodeFacts } from '../desired.js';
import type { AtomPool } from './atoms.js';
import { PolicyIndex, policiesInForce } from './in-force.js';
import { isLive } from './live-pods.js';
import { type TableSpec, type TierPolicies, tableSpec } from './table-spec.js';

/** The tables of a local pod; undefined: not isolated in that direction. */
export interface EndpointTables {
  readonly ingress: TableSpec | undefined;
  readonly egress: TableSpec | undefined;
}

/** By `namespace/name`: the tables of a local pod before and now; undefined: it is none. */
export type ChosenChanges = ReadonlyMap<string, { readonly before: EndpointTables | undefined; readonly now: EndpointTables | undefined }>;

/**
 * Chooses each local pod's tables, and looks again only at pods of which
 * something has changed. A pod that the snapshot does not know, or whose
 * namespace it does not know, or that cannot have an endpoint of its own
 * (finished, on the host's network), is denied everything: we cannot tell
 * which policies are meant for it.
 */
export class TableChooser {
  readonly #index = new PolicyIndex();
  readonly #local = new LocalNames();
  readonly #chosen = new Map<string, Choice>();
  readonly #shared = new SharedSpecs();
  readonly #identities = new WeakMap<Policy, Identity>();
  #lastIdentity = 0;
  readonly #denyAll: Choice;
  #last: Pick<Snapshot, 'pods' | 'namespaces'> & { readonly tiers: Snapshot['tiers'] | undefined } = { pods: new Map(), namespaces: new Map(), tiers: undefined };

  constructor(private readonly pool: AtomPool) {
    const denyAll: TierPolicies = { tier: { name: '', order: 0, defaultAction: 'deny' }, policies: [] };
    this.#denyAll = { ingress: tableSpec('ingress', [denyAll], [], pool), egress: tableSpec('egress', [denyAll], [], pool), texts: [] };
  }

  /** @returns what is other than at the last call */
  sync(snapshot: Snapshot, facts: NodeFacts): ChosenChanges {
    const changes = new Map<string, { before: Choice | undefined; now: Choice | undefined }>();
    for (const key of this.#dirty(snapshot, facts)) {
      const before = this.#chosen.get(key);
      const now = this.#local.has(key) ? this.#choose(key, snapshot) : undefined;
      if (now === undefined) this.#chosen.delete(key);
      else this.#chosen.set(key, now);
      changes.set(key, { before, now });
    }
    // Only now: what one pod no longer has, another may have got.
    for (const { before } of changes.values()) for (const text of before?.texts ?? []) this.#shared.release(text);
    return changes;
  }

  /** Local pods, and such as were, of which something has changed that their tables are made of. */
  #dirty(snapshot: Snapshot, facts: NodeFacts): ReadonlySet<string> {
    const dirty = new Set(this.#local.sync(facts.endpoints));
    const mark = (keys: Iterable<string>): void => {
      for (const key of keys) dirty.add(key);
    };
    const { namespaces, anywhere } = this.#index.sync(snapshot.policies);
    if (anywhere || this.#last.tiers !== snapshot.tiers) mark(this.#local.all());
    for (const name of namespaces) mark(this.#local.of(name));
    for (const [name] of changesBetween(this.#last.namespaces, snapshot.namespaces)) mark(this.#local.of(name));
    for (const [key] of changesBetween(this.#last.pods, snapshot.pods)) if (this.#local.has(key)) dirty.add(key);
    this.#last = snapshot;
    return dirty;
  }

  #choose(key: string, snapshot: Snapshot): Choice {
    const pod = snapshot.pods.get(key);
    const namespace = pod && snapshot.namespaces.get(pod.namespace);
    if (pod === undefined || namespace === undefined || !isLive(pod)) return this.#denyAll;
    const texts: string[] = [];
    const table = (direction: Direction): TableSpec | undefined => {
      const inForce = policiesInForce(direction, pod, namespace, this.#index, snapshot.tiers);
      if (inForce.length === 0) return undefined;
      const text = this.#identity(direction, inForce, pod);
      texts.push(text);
      return this.#shared.use(text, () => tableSpec(direction, inForce, pod.namedPorts, this.pool));
    };
    return { ingress: table('ingress'), egress: table('egress'), texts };
  }

  /** What a table depends on, shortly: which policy objects, in which tiers, and the subject's port names if they are asked for. */
  #identity(direction: Direction, inForce: readonly TierPolicies[], pod: Pod): string {
    const identities = inForce.map(({ policies }) => policies.map((policy) => this.#identityOf(policy)));
    const named = direction === 'ingress' && identities.flat().some((i) => i.namesPorts);
    const tiers = inForce.map(({ tier }, i) => [tier.defaultAction, ...identities[i]!.map(({ number }) => number)]);
    return JSON.stringify([direction, tiers, named ? pod.namedPorts : null]);
  }

  #identityOf(policy: Policy): Identity {
    let identity = this.#identities.get(policy);
    if (identity === undefined) {
      const namesPorts = policy.ingress.some((rule) => rule.services.some((s) => s.ports.some((port) => 'name' in port)));
      identity = { number: ++this.#lastIdentity, namesPorts };
      this.#identities.set(policy, identity);
    }
    return identity;
  }
}

interface Choice extends EndpointTables {
  /** Of the specs that it shares with others. */
  readonly texts: readonly string[];
}

interface Identity {
  readonly number: number;
  readonly namesPorts: boolean;
}

/** Names of local pods, `namespace/name`, with the number of endpoints that each has. A container that is no pod has none: no policy can select it. */
class LocalNames {
  readonly #names = new Map<string, number>();
  readonly #byNamespace = new Map<string, Set<string>>();
  #endpoints: readonly LocalEndpoint[] = [];

  /** @returns names that may have come or gone */
  sync(endpoints: readonly LocalEndpoint[]): ReadonlySet<string> {
    const { gone, come } = changedSpan(this.#endpoints, endpoints);
    this.#endpoints = endpoints;
    const touched = new Set<string>();
    for (const endpoint of come) this.#count(endpoint, 1, touched);
    for (const endpoint of gone) this.#count(endpoint, -1, touched);
    return touched;
  }

  has(key: string): boolean {
    return this.#names.has(key);
  }

  all(): Iterable<string> {
    return this.#names.keys();
  }

  of(namespace: string): Iterable<string> {
    return this.#byNamespace.get(namespace) ?? [];
  }

  #count({ namespace, pod }: LocalEndpoint, step: 1 | -1, touched: Set<string>): void {
    if (pod === '') return;
    const key = `${namespace}/${pod}`;
    touched.add(key);
    const now = (this.#names.get(key) ?? 0) + step;
    const siblings = this.#byNamespace.get(namespace) ?? new Set();
    if (now > 0) {
      this.#names.set(key, now);
      this.#byNamespace.set(namespace, siblings.add(key));
      return;
    }
    this.#names.delete(key);
    if (siblings.delete(key) && siblings.size === 0) this.#byNamespace.delete(namespace);
  }
}

/** Specs by what they depend on, as long as somebody uses them. */
class SharedSpecs {
  readonly #specs = new Map<string, { readonly spec: TableSpec; uses: number }>();

  use(text: string, make: () => TableSpec): TableSpec {
    const known = this.#specs.get(text) ?? { spec: make(), uses: 0 };
    known.uses++;
    this.#specs.set(text, known);
    return known.spec;
  }

  release(text: string): void {
    const known = this.#specs.get(text)!;
    if (--known.uses === 0) this.#specs.delete(text);
  }
}
