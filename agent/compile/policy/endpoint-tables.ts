import type { Namespace, Pod } from '../../model/objects.js';
import type { Direction, Policy, Tier } from '../../model/policy.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { NodeFacts } from '../desired.js';
import type { AtomPool } from './atoms.js';
import { PolicyIndex, policiesInForce } from './in-force.js';
import { isLive } from './live-pods.js';
import { type TableSpec, type TierPolicies, tableSpec } from './table-spec.js';

/** The tables of a local pod; undefined: not isolated in that direction. */
export interface EndpointTables {
  readonly ingress: TableSpec | undefined;
  readonly egress: TableSpec | undefined;
}

/**
 * Chooses each local pod's tables. A pod that the snapshot does not know, or
 * whose namespace it does not know, or that cannot have an endpoint of its own
 * (finished, on the host's network), is denied everything: we cannot tell
 * which policies are meant for it.
 */
export class TableChooser {
  readonly #index = new PolicyIndex();
  #chosen = new Map<string, Choice>();
  #specs = new Map<string, TableSpec>();
  readonly #identities = new WeakMap<Policy, Identity>();
  #lastIdentity = 0;
  readonly #denyAll: EndpointTables;

  constructor(private readonly pool: AtomPool) {
    const denyAll: TierPolicies = { tier: { name: '', order: 0, defaultAction: 'deny' }, policies: [] };
    this.#denyAll = { ingress: tableSpec('ingress', [denyAll], [], pool), egress: tableSpec('egress', [denyAll], [], pool) };
  }

  /** By `namespace/name`. */
  sync(snapshot: Snapshot, facts: NodeFacts): Map<string, EndpointTables> {
    this.#index.sync(snapshot.policies);
    const chosen = new Map<string, Choice>();
    const specs = new Map<string, TableSpec>();
    const result = new Map<string, EndpointTables>();
    for (const { namespace, pod: name } of facts.endpoints) {
      if (name === '') continue; // a container that is no pod: no policy can select it
      const key = `${namespace}/${name}`;
      const choice = this.#choose(key, snapshot, specs);
      if (choice !== undefined) chosen.set(key, choice);
      result.set(key, choice?.tables ?? this.#denyAll);
    }
    this.#chosen = chosen;
    this.#specs = specs;
    return result;
  }

  #choose(key: string, snapshot: Snapshot, specs: Map<string, TableSpec>): Choice | undefined {
    const pod = snapshot.pods.get(key);
    const namespace = pod && snapshot.namespaces.get(pod.namespace);
    if (pod === undefined || namespace === undefined || !isLive(pod)) return undefined;
    const inputs: Inputs = [pod, namespace, this.#index.ofNamespace(pod.namespace), this.#index.anywhere, snapshot.tiers];
    const last = this.#chosen.get(key);
    const made = last?.inputs.every((input, i) => input === inputs[i]) ? last : this.#make(inputs, pod, namespace, snapshot.tiers);
    for (const [text, spec] of made.specs) specs.set(text, spec);
    return made;
  }

  #make(inputs: Inputs, pod: Pod, namespace: Namespace, tiers: ReadonlyMap<string, Tier>): Choice {
    const specs: [string, TableSpec][] = [];
    const table = (direction: Direction): TableSpec | undefined => {
      const inForce = policiesInForce(direction, pod, namespace, this.#index, tiers);
      if (inForce.length === 0) return undefined;
      const text = this.#identity(direction, inForce, pod);
      const spec = specs.find(([t]) => t === text)?.[1] ?? this.#specs.get(text) ?? tableSpec(direction, inForce, pod.namedPorts, this.pool);
      specs.push([text, spec]);
      return spec;
    };
    return { inputs, tables: { ingress: table('ingress'), egress: table('egress') }, specs };
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

type Inputs = readonly [Pod, Namespace, readonly Policy[] | undefined, readonly Policy[], ReadonlyMap<string, Tier>];

interface Choice {
  readonly inputs: Inputs;
  readonly tables: EndpointTables;
  readonly specs: readonly (readonly [string, TableSpec])[];
}

interface Identity {
  readonly number: number;
  readonly namesPorts: boolean;
}
