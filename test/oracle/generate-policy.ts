import { Cidr, type Family } from '../../agent/base/address.js';
import { decodeNetworkPolicy } from '../../agent/datastore/decode/network-policy.js';
import { ICMP, ICMPV6 } from '../../agent/model/objects.js';
import type { Peer, PodSelection, Policy, PortMatch, Rule, ServiceMatch } from '../../agent/model/policy.js';
import { ALL, type Selector } from '../../agent/model/selector.js';
import { LABELS, PORT_NAMES, PORT_NUMBERS, PROTOCOLS, type SceneSize, randomAddress } from './generate.js';
import type { Random } from '../support/random.js';

/** A policy: by its manifest through the decoder, or of the model's whole range. */
export function randomPolicy(random: Random, index: number, namespace: string, size: SceneSize): Policy {
  if (size.tiered && random.chance(0.5)) return tieredPolicy(random, index, namespace, size.families);
  return decodeNetworkPolicy(randomManifest(random, index, namespace, size.families)).policy!;
}

export function randomCidr(random: Random, family: Family): Cidr {
  const lengths = family === 4 ? [0, 8, 9, 15, 16, 17, 24, 25, 30, 31, 32, 32] : [0, 16, 32, 33, 56, 64, 120, 127, 128, 128];
  return Cidr.of(randomAddress(random, family), random.pick(lengths));
}

// ---- Kubernetes

export function randomManifest(random: Random, index: number, namespace: string, families: readonly Family[]): unknown {
  const rules = (field: 'from' | 'to'): unknown[] => random.list(0, 3, () => manifestRule(random, field, families));
  const spec: Record<string, unknown> = { podSelector: random.chance(0.3) ? {} : labelSelector(random) };
  if (random.chance(0.8)) spec['ingress'] = rules('from');
  if (random.chance(0.6)) spec['egress'] = rules('to');
  if (random.chance(0.7)) spec['policyTypes'] = random.pick([['Ingress'], ['Egress'], ['Ingress', 'Egress']]);
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name: `np-${index}` }, spec };
}

function manifestRule(random: Random, field: 'from' | 'to', families: readonly Family[]): unknown {
  const rule: Record<string, unknown> = {};
  if (random.chance(0.8)) rule[field] = random.list(0, 3, () => manifestPeer(random, families));
  if (random.chance(0.7)) rule['ports'] = random.list(0, 3, () => manifestPort(random));
  return rule;
}

function manifestPeer(random: Random, families: readonly Family[]): unknown {
  if (random.chance(0.4)) {
    const cidr = randomCidr(random, random.pick(families));
    return { ipBlock: { cidr: cidr.text, except: random.list(0, 2, () => randomCidr(random, cidr.family).text) } };
  }
  const peer: Record<string, unknown> = {};
  if (random.chance(0.6)) peer['podSelector'] = labelSelector(random);
  if (random.chance(0.5)) peer['namespaceSelector'] = labelSelector(random);
  return peer; // sometimes empty, which matches nothing
}

function manifestPort(random: Random): unknown {
  const port: Record<string, unknown> = {};
  if (random.chance(0.7)) port['protocol'] = random.pick(['TCP', 'UDP', 'SCTP']);
  if (random.chance(0.3)) port['port'] = random.pick(PORT_NAMES);
  else if (random.chance(0.85)) {
    const from = random.pick(PORT_NUMBERS);
    port['port'] = from;
    if (random.chance(0.4)) port['endPort'] = Math.min(65535, from + random.pick([0, 1, 7, 1000, 40000]));
  }
  return port;
}

function labelSelector(random: Random): unknown {
  const selector: Record<string, unknown> = {};
  const [key, values] = random.pick(Object.entries(LABELS));
  if (random.chance(0.6)) selector['matchLabels'] = { [key]: random.pick(values) };
  if (random.chance(0.5)) selector['matchExpressions'] = random.list(0, 2, () => expression(random));
  return selector;
}

function expression(random: Random): unknown {
  const [key, values] = random.pick(Object.entries(LABELS));
  const operator = random.pick(['In', 'NotIn', 'Exists', 'DoesNotExist']);
  return operator.endsWith('In') ? { key, operator, values: random.list(1, 2, () => random.pick(values)) } : { key, operator };
}

// ---- the whole model: tiers, deny, pass, log, negated nets, any selector

function tieredPolicy(random: Random, index: number, namespace: string, families: readonly Family[]): Policy {
  const global = random.chance(0.3);
  const rules = (): Rule[] => random.list(0, 4, () => modelRule(random, namespace, families));
  return {
    key: { kind: global ? 'GlobalNetworkPolicy' : 'CalicoNetworkPolicy', namespace: global ? '' : namespace, name: `cp-${index}` },
    tier: random.pick(['first', 'default', 'last', 'nowhere']),
    order: random.pick([undefined, 10, 1000, 1000, 2000]),
    subject: { namespaces: global ? selector(random, 1) : { name: namespace }, pods: selector(random, 1) },
    directions: random.pick([['ingress'], ['egress'], ['ingress', 'egress']]),
    ingress: rules(),
    egress: rules(),
  };
}

function modelRule(random: Random, namespace: string, families: readonly Family[]): Rule {
  return {
    action: random.pick(['allow', 'allow', 'deny', 'pass', 'log']),
    peers: random.list(0, 2, () => modelPeer(random, namespace, families)),
    services: random.list(0, 2, () => modelService(random)),
  };
}

function modelPeer(random: Random, namespace: string, families: readonly Family[]): Peer {
  const nets = (): Cidr[] => random.list(0, 3, () => randomCidr(random, random.pick(families)));
  const peer: { selection?: PodSelection; nets?: Cidr[]; notNets?: Cidr[] } = {};
  if (random.chance(0.5)) peer.selection = { namespaces: random.chance(0.4) ? { name: namespace } : selector(random, 1), pods: selector(random, 2) };
  if (random.chance(0.4)) peer.nets = nets();
  if (random.chance(0.3)) peer.notNets = nets();
  return peer;
}

function modelService(random: Random): ServiceMatch {
  if (random.chance(0.1)) return { protocol: random.pick([ICMP, ICMPV6]), ports: random.list(0, 1, () => ({ from: 8 << 8, to: (8 << 8) | 255 })) };
  if (random.chance(0.05)) return { protocol: 47, ports: [] };
  return { protocol: random.pick(PROTOCOLS), ports: random.list(0, 3, () => portMatch(random)) };
}

function portMatch(random: Random): PortMatch {
  if (random.chance(0.3)) return { name: random.pick(PORT_NAMES) };
  const from = random.chance(0.8) ? random.pick(PORT_NUMBERS) : random.int(0, 65535);
  return { from, to: Math.min(65535, from + random.pick([0, 0, 1, 100, 65535])) };
}

function selector(random: Random, depth: number): Selector {
  const [key, values] = random.pick(Object.entries(LABELS));
  const leaves: (() => Selector)[] = [
    () => ALL,
    () => ({ op: 'has', key }),
    () => ({ op: 'in', key, values: random.list(1, 2, () => random.pick(values)) }),
    () => ({ op: random.pick(['startsWith', 'endsWith', 'contains'] as const), key, value: random.pick(['a', 'b', 'fr', '']) }),
  ];
  if (depth === 0 || random.chance(0.5)) return random.pick(leaves)();
  if (random.chance(0.3)) return { op: 'not', of: selector(random, depth - 1) };
  return { op: random.pick(['and', 'or'] as const), of: random.list(0, 2, () => selector(random, depth - 1)) };
}

