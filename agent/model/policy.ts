import type { Cidr } from '../base/address.js';
import type { ProtocolNumber } from './objects.js';
import type { Selector } from './selector.js';

/**
 * The internal policy model: what Kubernetes NetworkPolicy, Calico's policies
 * and (Admin|Baseline|Cluster)NetworkPolicy all become before compile.
 * Evaluation order: tiers by order; in a tier the policies that apply, by order
 * then name; in a policy the rules as written; the first allow or deny decides
 * (compat.md 6.7).
 */
export interface Tier {
  readonly name: string;
  /** Ascending; undefined is last. */
  readonly order: number | undefined;
  /** What happens at the end of a tier in which some policy applies. */
  readonly defaultAction: 'deny' | 'pass';
}

/** The tier of Kubernetes NetworkPolicy and of Calico policies that name none. */
export const DEFAULT_TIER: Tier = { name: 'default', order: 1_000_000, defaultAction: 'deny' };

export type Direction = 'ingress' | 'egress';

export interface PolicyKey {
  /** `NetworkPolicy` and so on, with Calico's kinds as `GlobalNetworkPolicy` …; part of a rule's identity. */
  readonly kind: string;
  /** Empty for cluster-wide kinds. */
  readonly namespace: string;
  readonly name: string;
}

/** A set of pods: those in namespaces that `namespaces` selects whose labels `pods` selects. */
export interface PodSelection {
  /** A namespace by name, or a selector over namespaces' labels. */
  readonly namespaces: { readonly name: string } | Selector;
  readonly pods: Selector;
}

/** A selection by name rather than by labels. */
export function namesNamespace(n: PodSelection['namespaces']): n is { readonly name: string } {
  return 'name' in n;
}

/** Whom a rule speaks of. A peer satisfies it when every part that is given is satisfied. */
export interface Peer {
  readonly selection?: PodSelection;
  /** In at least one of these. */
  readonly nets?: readonly Cidr[];
  /** In none of these. */
  readonly notNets?: readonly Cidr[];
}

/** Destination ports. `name` is looked up on the destination pod's container ports, with the rule's protocol. */
export type PortMatch =
  | { readonly from: number; readonly to: number }
  | { readonly name: string };

/** Protocol and ports of a rule; ports empty: every port. ICMP: port is type << 8 | code. */
export interface ServiceMatch {
  readonly protocol: ProtocolNumber;
  readonly ports: readonly PortMatch[];
}

export interface Rule {
  readonly action: 'allow' | 'deny' | 'pass' | 'log';
  /** Any of these; empty: every peer. */
  readonly peers: readonly Peer[];
  /** Any of these; empty: every protocol and port. */
  readonly services: readonly ServiceMatch[];
}

export interface Policy {
  readonly key: PolicyKey;
  readonly tier: string;
  /** Ascending; undefined is last. Kubernetes policies have 1000. */
  readonly order: number | undefined;
  readonly subject: PodSelection;
  readonly directions: readonly Direction[];
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
}

/** A rule's name: `Kind/namespace/name/ingress/3`. Its contentId is the rule id in the kernel. */
export function ruleName(key: PolicyKey, direction: Direction, index: number): string {
  return `${key.kind}/${key.namespace}/${key.name}/${direction}/${index}`;
}
