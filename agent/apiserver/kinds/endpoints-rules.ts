import type { CoreV1EndpointPort, V1EndpointSubset } from '@kubernetes/client-node';
import { IpAddress } from '../../base/address.js';
import type { KubeObject } from '../kube-object.js';
import { dnsLabel, portNumber } from '../registry/name-rules.js';
import { fieldError, type FieldError } from '../status.js';
import { NOT_ADDRESS, ordinaryAddressErrors } from './address-rules.js';
import { oneOf } from './pod-rules.js';

/** pkg/apis/core/validation ValidateEndpoints. */
export function validateEndpoints(object: KubeObject): FieldError[] {
  return ((object['subsets'] as V1EndpointSubset[] | undefined) ?? []).flatMap((subset, index) => subsetErrors(subset, `subsets[${index}]`));
}

function subsetErrors({ addresses = [], notReadyAddresses = [], ports = [] }: V1EndpointSubset, path: string): FieldError[] {
  const none = addresses.length === 0 && notReadyAddresses.length === 0;
  const lists = Object.entries({ addresses, notReadyAddresses });
  return [
    ...(none ? [fieldError.required(path, 'must specify `addresses` or `notReadyAddresses`')] : []),
    ...lists.flatMap(([list, some]) => some.flatMap(({ ip }, index) => addressErrors(ip, `${path}.${list}[${index}].ip`))),
    ...ports.flatMap((port, index) => portErrors(port, ports.length > 1, `${path}.ports[${index}]`)),
  ];
}

/** Told twice by a real server, in two words. */
function addressErrors(ip: string, field: string): FieldError[] {
  if (IpAddress.parse(ip) !== undefined) return ordinaryAddressErrors(ip, field);
  return [fieldError.invalid(field, ip, NOT_ADDRESS), fieldError.invalid(field, ip, 'must be a valid IP address')];
}

function portErrors({ name = '', port, protocol }: CoreV1EndpointPort, named: boolean, path: string): FieldError[] {
  const names = name === '' ? (named ? [fieldError.required(`${path}.name`)] : []) : dnsLabel(name).map((why) => fieldError.invalid(`${path}.name`, name, why));
  return [...names, ...portNumber(port).map((why) => fieldError.invalid(`${path}.port`, port, why)), ...oneOf(protocol, ['SCTP', 'TCP', 'UDP'], `${path}.protocol`)];
}
