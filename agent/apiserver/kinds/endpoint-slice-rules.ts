import type { DiscoveryV1EndpointPort, V1Endpoint, V1EndpointSlice } from '@kubernetes/client-node';
import { IpAddress } from '../../base/address.js';
import type { KubeObject } from '../kube-object.js';
import { dnsLabel, dnsSubdomain } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';
import { ordinaryAddressErrors } from './address-rules.js';
import { oneOf } from './pod-rules.js';

const TYPES = ['FQDN', 'IPv4', 'IPv6'];

/** pkg/apis/discovery/validation. */
export function validateEndpointSlice(object: KubeObject): FieldError[] {
  const { addressType, endpoints, ports } = object as unknown as V1EndpointSlice;
  if (!addressType) return [fieldError.required('addressType')];
  if (!TYPES.includes(addressType)) return [fieldError.notSupported('addressType', addressType, TYPES)];
  return [...(endpoints ?? []).flatMap((endpoint, index) => [...addressErrors(endpoint, addressType, `endpoints[${index}].addresses`), ...placeErrors(endpoint, `endpoints[${index}]`)]), ...portErrors(ports ?? [])];
}

export function validateEndpointSliceUpdate(object: KubeObject, previous: KubeObject): FieldError[] {
  const { addressType } = object as unknown as V1EndpointSlice;
  return addressType === previous['addressType'] ? [] : [fieldError.invalid('addressType', addressType, 'field is immutable')];
}

function placeErrors({ nodeName, hostname }: V1Endpoint, path: string): FieldError[] {
  const node = nodeName === undefined ? [] : dnsSubdomain(nodeName).map((why) => fieldError.invalid(`${path}.nodeName`, nodeName, why));
  return [...node, ...(hostname === undefined ? [] : dnsLabel(hostname).map((why) => fieldError.invalid(`${path}.hostname`, hostname, why)))];
}

function addressErrors({ addresses = [] }: V1Endpoint, type: string, path: string): FieldError[] {
  if (addresses.length === 0) return [fieldError.required(path, 'must contain at least 1 address')];
  return addresses.flatMap((address, index) => {
    const at = `${path}[${index}]`;
    if (type === 'FQDN') return dnsSubdomain(address).map((why) => fieldError.invalid(at, address, why));
    const parsed = IpAddress.parse(address);
    const other = parsed !== undefined && `IPv${parsed.family}` !== type;
    return [...(other ? [fieldError.invalid(path, address, `must be an ${type} address`)] : []), ...ordinaryAddressErrors(address, at)];
  });
}

function portErrors(ports: readonly DiscoveryV1EndpointPort[]): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap(({ name = '', protocol }, index) => {
    const at = `ports[${index}]`;
    const errors = name === '' ? [] : dnsLabel(name).map((why) => fieldError.invalid(`${at}.name`, name, why));
    if (names.has(name)) errors.push(fieldError.duplicate(`${at}.name`, name));
    names.add(name);
    return [...errors, ...oneOf(protocol, ['SCTP', 'TCP', 'UDP'], `${at}.protocol`)];
  });
}

export function defaultEndpointSlice(draft: KubeObject): void {
  for (const port of (draft as unknown as V1EndpointSlice).ports ?? []) {
    port.name ??= '';
    port.protocol ??= 'TCP';
  }
}
