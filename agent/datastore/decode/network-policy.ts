import { Cidr } from '../../base/address.js';
import type { Problem } from '../../base/errors.js';
import { SCTP, TCP, UDP } from '../../model/objects.js';
import type { Direction, Peer, Policy, PortMatch, Rule, ServiceMatch } from '../../model/policy.js';
import { ALL, type Selector } from '../../model/selector.js';
import { decodeLabelSelector, isAbsent, isObject, unknownFields } from './label-selector.js';

/**
 * networking.k8s.io/v1 NetworkPolicy -> Policy, failing closed:
 *  - a rule, peer or port that is not understood (wrong type, invalid value,
 *    unknown field) allows nothing; what stands beside it keeps its effect;
 *  - an `except` that is not understood takes its whole ipBlock with it;
 *  - a podSelector or spec that is not understood isolates every pod of the
 *    namespace, without the rules: they were written for other pods;
 *  - policyTypes that are not understood isolate both directions.
 * Rules keep their index, so that rule names point at what the user wrote.
 * `policy` is undefined only where there is no namespace or name to tie it to.
 */
export function decodeNetworkPolicy(raw: unknown): { policy: Policy | undefined; problems: Problem[] } {
  const metadata = isObject(raw) && isObject(raw['metadata']) ? raw['metadata'] : {};
  const { namespace, name } = metadata;
  if (!isObject(raw) || typeof namespace !== 'string' || namespace === '' || typeof name !== 'string' || name === '') {
    const object = `NetworkPolicy ${typeof namespace === 'string' ? namespace : ''}/${typeof name === 'string' ? name : ''}`;
    return { policy: undefined, problems: [{ object, field: 'metadata', message: 'must have a namespace and a name' }] };
  }
  const problems: Problem[] = [];
  const report: Report = (field, message) => {
    problems.push({ object: `NetworkPolicy ${namespace}/${name}`, field, message });
    return undefined;
  };
  return { policy: decodeSpec(raw['spec'], namespace, name, report), problems };
}

/** Returns undefined, for the caller to return. */
type Report = (field: string, message: string) => undefined;

/** In none of no nets: a peer that nothing satisfies. */
const NOBODY: Peer = { nets: [] };
const ALLOWS_NOTHING: Rule = { action: 'allow', peers: [NOBODY], services: [] };

function decodeSpec(raw: unknown, namespace: string, name: string, report: Report): Policy {
  const policy = (pods: Selector, directions: Direction[], ingress: Rule[], egress: Rule[]): Policy => ({
    key: { kind: 'NetworkPolicy', namespace, name },
    tier: 'default',
    order: 1000,
    subject: { namespaces: { name: namespace }, pods },
    directions,
    ingress,
    egress,
  });
  const spec = raw ?? {};
  if (!isObject(spec)) {
    report('spec', 'must be an object; every pod of the namespace is isolated');
    return policy(ALL, ['ingress', 'egress'], [], []);
  }
  for (const fault of unknownFields(spec, ['podSelector', 'ingress', 'egress', 'policyTypes'])) report(`spec${fault.field}`, fault.message);
  const directions = decodeTypes(spec['policyTypes'], spec['egress'], report);
  const pods = decodeLabelSelector(spec['podSelector'] ?? {});
  if (!pods.ok) {
    for (const fault of pods.faults) report(`spec.podSelector${fault.field}`, `${fault.message}; every pod of the namespace is isolated`);
    return policy(ALL, directions, [], []);
  }
  const rules = (direction: Direction): Rule[] => decodeRules(spec[direction], direction, namespace, report);
  return policy(pods.selector, directions, rules('ingress'), rules('egress'));
}

/** The API server's own default (SetDefaults_NetworkPolicy): Ingress, and Egress where there are egress rules. */
function decodeTypes(raw: unknown, egress: unknown, report: Report): Direction[] {
  if (isAbsent(raw) || (Array.isArray(raw) && raw.length === 0)) {
    const hasEgress = Array.isArray(egress) ? egress.length > 0 : !isAbsent(egress);
    return hasEgress ? ['ingress', 'egress'] : ['ingress'];
  }
  const types: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  const faulty = types.findIndex((type) => type !== 'Ingress' && type !== 'Egress');
  if (!Array.isArray(raw) || faulty >= 0) {
    report(Array.isArray(raw) ? `spec.policyTypes[${faulty}]` : 'spec.policyTypes', 'must be Ingress or Egress; both directions are isolated');
    return ['ingress', 'egress'];
  }
  return (['ingress', 'egress'] as const).filter((d) => types.includes(d === 'ingress' ? 'Ingress' : 'Egress'));
}

function decodeRules(raw: unknown, direction: Direction, namespace: string, report: Report): Rule[] {
  if (isAbsent(raw)) return [];
  if (!Array.isArray(raw)) {
    report(`spec.${direction}`, 'must be a list; it allows nothing');
    return [];
  }
  return raw.map((rule: unknown, i) => decodeRule(rule, direction, namespace, `spec.${direction}[${i}]`, report));
}

function decodeRule(rule: unknown, direction: Direction, namespace: string, path: string, report: Report): Rule {
  const peersField = direction === 'ingress' ? 'from' : 'to';
  if (!isObject(rule)) {
    report(path, 'must be an object; the rule allows nothing');
    return ALLOWS_NOTHING;
  }
  const unknown = unknownFields(rule, [peersField, 'ports']);
  for (const fault of unknown) report(path + fault.field, `${fault.message}; the rule allows nothing`);
  const peers = decodeList(rule[peersField], `${path}.${peersField}`, report, (item, at) => decodePeer(item, namespace, at, report));
  const services = decodeList(rule['ports'], `${path}.ports`, report, (item, at) => decodePort(item, at, report));
  if (unknown.length > 0 || peers === undefined || services === undefined) return ALLOWS_NOTHING;
  return { action: 'allow', peers, services };
}

/** Absent or empty: [], which means everything. Undefined: something was meant and nothing of it is left, so the rule matches nothing. */
function decodeList<T>(raw: unknown, path: string, report: Report, decode: (item: unknown, path: string) => T | undefined): T[] | undefined {
  if (isAbsent(raw)) return [];
  if (!Array.isArray(raw)) {
    report(path, 'must be a list; the rule allows nothing');
    return undefined;
  }
  const items = raw.map((item: unknown, i) => decode(item, `${path}[${i}]`)).filter((item) => item !== undefined);
  return raw.length > 0 && items.length === 0 ? undefined : items;
}

function decodePeer(raw: unknown, namespace: string, path: string, report: Report): Peer | undefined {
  const refuse = (field: string, message: string): undefined => report(path + field, `${message}; the peer matches nothing`);
  if (!isObject(raw)) return refuse('', 'must be an object');
  const unknown = unknownFields(raw, ['podSelector', 'namespaceSelector', 'ipBlock'])[0];
  if (unknown !== undefined) return refuse(unknown.field, unknown.message);
  const { podSelector, namespaceSelector, ipBlock } = raw;
  const bySelector = !isAbsent(podSelector) || !isAbsent(namespaceSelector);
  if (!isAbsent(ipBlock)) {
    if (bySelector) return refuse('.ipBlock', 'must stand alone');
    return decodeIpBlock(ipBlock, (field, message) => refuse(`.ipBlock${field}`, message));
  }
  if (!bySelector) return refuse('', 'must have podSelector, namespaceSelector or ipBlock');
  const pods = decodeLabelSelector(podSelector ?? {});
  if (!pods.ok) return refuse(`.podSelector${pods.faults[0]!.field}`, pods.faults[0]!.message);
  if (isAbsent(namespaceSelector)) return { selection: { namespaces: { name: namespace }, pods: pods.selector } };
  const namespaces = decodeLabelSelector(namespaceSelector);
  if (!namespaces.ok) return refuse(`.namespaceSelector${namespaces.faults[0]!.field}`, namespaces.faults[0]!.message);
  return { selection: { namespaces: namespaces.selector, pods: pods.selector } };
}

function decodeIpBlock(raw: unknown, refuse: (field: string, message: string) => undefined): Peer | undefined {
  if (!isObject(raw)) return refuse('', 'must be an object');
  const unknown = unknownFields(raw, ['cidr', 'except'])[0];
  if (unknown !== undefined) return refuse(unknown.field, unknown.message);
  const cidr = decodeCidr(raw['cidr']);
  if (cidr === undefined) return refuse('.cidr', 'must be a CIDR');
  const except: unknown = raw['except'] ?? [];
  if (!Array.isArray(except)) return refuse('.except', 'must be a list');
  const notNets = except.map(decodeCidr);
  const faulty = notNets.indexOf(undefined);
  if (faulty >= 0) return refuse(`.except[${faulty}]`, 'must be a CIDR');
  return notNets.length === 0 ? { nets: [cidr] } : { nets: [cidr], notNets: notNets as Cidr[] };
}

function decodeCidr(raw: unknown): Cidr | undefined {
  return typeof raw === 'string' ? Cidr.parseSloppy(raw) : undefined;
}

const PROTOCOLS: ReadonlyMap<unknown, number> = new Map([['TCP', TCP], ['UDP', UDP], ['SCTP', SCTP]]);
/** IANA service name, as container port names are: a letter somewhere, which tells it from a number in quotes. */
const PORT_NAME = /^(?=.*[a-z])[a-z0-9-]{1,15}$/;

function decodePort(raw: unknown, path: string, report: Report): ServiceMatch | undefined {
  const refuse = (field: string, message: string): undefined => report(path + field, `${message}; the port matches nothing`);
  if (!isObject(raw)) return refuse('', 'must be an object');
  const unknown = unknownFields(raw, ['protocol', 'port', 'endPort'])[0];
  if (unknown !== undefined) return refuse(unknown.field, unknown.message);
  const protocol = PROTOCOLS.get(raw['protocol'] ?? 'TCP');
  if (protocol === undefined) return refuse('.protocol', 'must be TCP, UDP or SCTP');
  const { port, endPort } = raw;
  if (isAbsent(port)) return isAbsent(endPort) ? { protocol, ports: [] } : refuse('.endPort', 'needs a port');
  if (typeof port === 'string') {
    if (!isAbsent(endPort)) return refuse('.endPort', 'needs a numeric port');
    return PORT_NAME.test(port) ? { protocol, ports: [{ name: port }] } : refuse('.port', 'must be a port number or name');
  }
  if (!isPort(port)) return refuse('.port', 'must be a port number or name');
  const to = endPort ?? port;
  if (!isPort(to) || to < port) return refuse('.endPort', 'must be a port number not below port');
  const range: PortMatch = { from: port, to };
  return { protocol, ports: [range] };
}

const isPort = (raw: unknown): raw is number => Number.isInteger(raw) && (raw as number) >= 1 && (raw as number) <= 65535;
