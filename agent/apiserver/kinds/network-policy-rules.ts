import type { V1IPBlock, V1NetworkPolicy, V1NetworkPolicyPeer, V1NetworkPolicyPort, V1NetworkPolicySpec } from '@kubernetes/client-node';
import { Cidr } from '../../base/address.js';
import type { KubeObject } from '../kube-object.js';
import { portName, portNumber } from '../registry/name-rules.js';
import { goStrings } from '../go-text.js';
import { fieldError, type FieldError } from '../status.js';
import { cidrWarnings, NOT_CIDR } from './address-rules.js';
import { fill } from './pod-defaults.js';
import { validateLabelSelector } from './selector-rules.js';

/** Ports are TCP; a policy is about ingress, and about egress if it has such rules. */
export function defaultNetworkPolicy(draft: KubeObject): void {
  const spec = draft['spec'] as V1NetworkPolicySpec | undefined;
  if (spec === undefined) {
    draft['spec'] = { podSelector: {}, policyTypes: ['Ingress'] };
    return;
  }
  fill(spec, 'podSelector', {});
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) fill(port, 'protocol', 'TCP');
  if ((spec.policyTypes ?? []).length === 0) spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

/** pkg/apis/networking/validation. */
export function validateNetworkPolicy(object: KubeObject): FieldError[] {
  const spec = (object as unknown as V1NetworkPolicy).spec as V1NetworkPolicySpec;
  const errors = validateLabelSelector(spec.podSelector, 'spec.podSelector');
  for (const [index, rule] of (spec.ingress ?? []).entries()) {
    errors.push(...(rule.ports ?? []).flatMap((port, i) => portErrors(port, `spec.ingress[${index}].ports[${i}]`)));
    errors.push(...(rule._from ?? fromOf(rule)).flatMap((peer, i) => peerErrors(peer, `spec.ingress[${index}].from[${i}]`)));
  }
  for (const [index, rule] of (spec.egress ?? []).entries()) {
    errors.push(...(rule.ports ?? []).flatMap((port, i) => portErrors(port, `spec.egress[${index}].ports[${i}]`)));
    errors.push(...(rule.to ?? []).flatMap((peer, i) => peerErrors(peer, `spec.egress[${index}].to[${i}]`)));
  }
  return [...errors, ...policyTypeErrors(spec.policyTypes ?? [])];
}

/** The client's model calls the field `_from`; on the wire it is `from`. */
const fromOf = (rule: object): readonly V1NetworkPolicyPeer[] => (rule as { from?: V1NetworkPolicyPeer[] }).from ?? [];

function policyTypeErrors(types: readonly string[]): FieldError[] {
  if (types.length > 2) return [fieldError.invalid('spec.policyTypes', goStrings(types, 'networking.PolicyType'), 'may not specify more than two policyTypes')];
  return types.flatMap((type, index) => (type === 'Ingress' || type === 'Egress' ? [] : [fieldError.notSupported(`spec.policyTypes[${index}]`, type, ['Ingress', 'Egress'])]));
}

function portErrors(port: V1NetworkPolicyPort, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const protocols = ['TCP', 'UDP', 'SCTP'];
  if (port.protocol !== undefined && !protocols.includes(port.protocol)) errors.push(fieldError.notSupported(`${path}.protocol`, port.protocol, protocols));
  if (port.port === undefined) {
    if (port.endPort !== undefined) errors.push(fieldError.invalid(`${path}.endPort`, port.endPort, 'may not be specified when `port` is not specified'));
    return errors;
  }
  if (typeof port.port === 'number') {
    errors.push(...portNumber(port.port).map((why) => fieldError.invalid(`${path}.port`, port.port, why)));
    if (port.endPort !== undefined) errors.push(...endPortErrors(port.port, port.endPort, path));
  } else {
    if (port.endPort !== undefined) errors.push(fieldError.invalid(`${path}.endPort`, port.endPort, 'may not be specified when `port` is non-numeric'));
    errors.push(...portName(port.port).map((why) => fieldError.invalid(`${path}.port`, port.port, why)));
  }
  return errors;
}

function endPortErrors(port: number, endPort: number, path: string): FieldError[] {
  const errors = endPort < port ? [fieldError.invalid(`${path}.endPort`, port, 'must be greater than or equal to `port`')] : [];
  return [...errors, ...portNumber(endPort).map((why) => fieldError.invalid(`${path}.endPort`, endPort, why))];
}

function peerErrors(peer: V1NetworkPolicyPeer, path: string): FieldError[] {
  const errors = [...validateLabelSelector(peer.podSelector, `${path}.podSelector`), ...validateLabelSelector(peer.namespaceSelector, `${path}.namespaceSelector`)];
  if (peer.ipBlock !== undefined) errors.push(...ipBlockErrors(peer.ipBlock, `${path}.ipBlock`));
  const peers = [peer.podSelector, peer.namespaceSelector, peer.ipBlock].filter((one) => one !== undefined).length;
  if (peers === 0) errors.push(fieldError.required(path, 'must specify a peer'));
  if (peer.ipBlock !== undefined && peers > 1) errors.push(fieldError.forbidden(path, 'may not specify both ipBlock and another peer'));
  return errors;
}

/** Prefixes in forms that will not be taken for ever. */
export function networkPolicyWarnings(object: KubeObject): string[] {
  const { ingress = [], egress = [] } = (object as unknown as V1NetworkPolicy).spec ?? {};
  const ofPeers = (peers: readonly V1NetworkPolicyPeer[], path: string): string[] =>
    peers.flatMap(({ ipBlock }, i) => (ipBlock === undefined ? [] : [...cidrWarnings(ipBlock.cidr, `${path}[${i}].ipBlock.cidr`), ...(ipBlock.except ?? []).flatMap((text, n) => cidrWarnings(text, `${path}[${i}].ipBlock.except[${n}]`))]));
  return [...ingress.flatMap((rule, i) => ofPeers(fromOf(rule), `spec.ingress[${i}].from`)), ...egress.flatMap((rule, i) => ofPeers(rule.to ?? [], `spec.egress[${i}].to`))];
}

function ipBlockErrors(block: V1IPBlock, path: string): FieldError[] {
  if (!block.cidr) return [fieldError.required(`${path}.cidr`)];
  const cidr = Cidr.parseSloppy(block.cidr);
  if (cidr === undefined) return [fieldError.invalid(`${path}.cidr`, block.cidr, NOT_CIDR)];
  return (block.except ?? []).flatMap((text, index) => exceptErrors(cidr, text, `${path}.except[${index}]`));
}

function exceptErrors(cidr: Cidr, text: string, path: string): FieldError[] {
  const except = Cidr.parseSloppy(text);
  if (except === undefined) return [fieldError.invalid(path, text, NOT_CIDR)];
  const inside = except.length > cidr.length && cidr.covers(except);
  return inside ? [] : [fieldError.invalid(path, text, 'must be a strict subset of `cidr`')];
}
