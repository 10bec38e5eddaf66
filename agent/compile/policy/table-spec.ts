import type { NamedPort } from '../../model/objects.js';
import { type Direction, type Policy, type Tier, ruleName } from '../../model/policy.js';
import { contentId } from '../../base/hash.js';
import { type Atom, type AtomPool, portQuery } from './atoms.js';

/** What a table decides: the policies of one direction, in order, with nothing left to look up but the peer's class. */
export interface TableSpec {
  /** contentId of everything below. */
  readonly id: bigint;
  readonly tiers: readonly TierSpec[];
  /** Every rule in order, with `tier` its index in `tiers`. */
  readonly rules: readonly RuleSpec[];
  /** Atoms that some rule asks for. */
  readonly atoms: ReadonlySet<Atom>;
  /** Named ports of peers that some rule asks for. */
  readonly queries: ReadonlySet<string>;
}

export interface TierSpec {
  readonly defaultAction: 'deny' | 'pass';
}

export interface RuleSpec {
  readonly tier: number;
  readonly name: string;
  /** contentId(name). */
  readonly id: bigint;
  readonly action: 'allow' | 'deny' | 'pass' | 'log';
  /** Undefined: every peer. Otherwise one of these, of which every atom must hold. */
  readonly peers: readonly (readonly Atom[])[] | undefined;
  /** Undefined: every protocol and port. */
  readonly services: readonly ServiceSpec[] | undefined;
}

export interface ServiceSpec {
  readonly protocol: number;
  /** Undefined (with `queries`): every port. */
  readonly ports: PortSpec | undefined;
}

export interface PortSpec {
  readonly ranges: readonly { readonly from: number; readonly to: number }[];
  /** Names that the peer's class resolves (egress only). */
  readonly queries: readonly string[];
}

/** A tier with the policies of it that apply to an endpoint in one direction, in order. */
export interface TierPolicies {
  readonly tier: Tier;
  readonly policies: readonly Policy[];
}

/**
 * `subjectPorts`: the container ports of the pod that the table is for. An
 * ingress rule's named ports are this pod's, so they become numbers here;
 * an egress rule's are the peer's and stay names until a class answers them.
 */
export function tableSpec(direction: Direction, tiers: readonly TierPolicies[], subjectPorts: readonly NamedPort[], pool: AtomPool): TableSpec {
  const rules = tiers.flatMap(({ policies }, tier) =>
    policies.flatMap((policy) => policy[direction].map((_, index) => ruleSpec(policy, direction, index, tier, subjectPorts, pool))),
  );
  const tierSpecs = tiers.map(({ tier }) => ({ defaultAction: tier.defaultAction }));
  return {
    id: contentId(JSON.stringify(['table', direction, tierSpecs, rules.map(ruleText)])),
    tiers: tierSpecs,
    rules,
    atoms: new Set(rules.flatMap((rule) => rule.peers?.flat() ?? [])),
    queries: new Set(rules.flatMap((rule) => rule.services?.flatMap((s) => s.ports?.queries ?? []) ?? [])),
  };
}

function ruleSpec(
  policy: Policy, direction: Direction, index: number, tier: number, subjectPorts: readonly NamedPort[], pool: AtomPool,
): RuleSpec {
  const rule = policy[direction][index]!;
  const name = ruleName(policy.key, direction, index);
  const peers = rule.peers.map((peer) => pool.ofPeer(peer));
  const everyPeer = peers.length === 0 || peers.some((atoms) => atoms.length === 0);
  const services = rule.services.map(({ protocol, ports }): ServiceSpec => {
    if (ports.length === 0) return { protocol, ports: undefined };
    const ranges = ports.flatMap((port) => {
      if (!('name' in port)) return [port];
      if (direction === 'egress') return [];
      return namedPorts(subjectPorts, protocol, port.name).map((number) => ({ from: number, to: number }));
    });
    const queries = direction === 'ingress' ? [] : ports.flatMap((port) => ('name' in port ? [portQuery(protocol, port.name)] : []));
    return { protocol, ports: { ranges, queries } };
  });
  return {
    tier, name, id: contentId(name), action: rule.action,
    peers: everyPeer ? undefined : peers,
    services: services.length === 0 ? undefined : services,
  };
}

/** Every number that `ports` give this name; more than one only if the pod itself says so. */
function namedPorts(ports: readonly NamedPort[], protocol: number, name: string): number[] {
  return [...new Set(ports.filter((p) => p.protocol === protocol && p.name === name).map((p) => p.port))].sort((a, b) => a - b);
}

function ruleText(rule: RuleSpec): unknown {
  return [rule.tier, rule.name, rule.action, rule.peers?.map((atoms) => atoms.map((a) => a.text)) ?? null, rule.services ?? null];
}
