import type { IpAddress } from '../base/address.js';
import { CniCode, CniError } from './cni-error.js';
import { addressDirectory, type CniContext } from './context.js';
import type { LinkFacts } from './dataplane.js';
import type { EndpointRecord } from './endpoint-store.js';
import { decodeAttachConfig, type NetworkConfig } from './network-config.js';
import type { PrevResult } from './prev-result.js';
import type { Attachment } from './request.js';

/** Looks whether everything that ADD made is there. Throws code 102 that names what is not, 3 for a container that was never added. */
export async function check(context: CniContext, config: NetworkConfig, attachment: Attachment): Promise<void> {
  const { prevResult } = decodeAttachConfig(config);
  if (prevResult === undefined) throw new CniError(CniCode.INVALID_CONFIG, 'prevResult: not set; CHECK needs it');
  const record = context.endpoints.get(attachment.containerId, attachment.ifname);
  if (record === undefined) throw new CniError(CniCode.UNKNOWN_CONTAINER, `CNI_CONTAINERID: ${attachment.containerId} is not attached by ${attachment.ifname}`);
  const facts = await context.dataplane.inspect(record.endpoint);
  const reserved = await context.ipam.held(addressDirectory(config), attachment);
  const wrong = [...wrongState(record, attachment), ...wrongResult(record, prevResult), ...wrongFacts(record, facts), ...wrongReservation(record, reserved)];
  if (wrong.length > 0) throw new CniError(CniCode.CHECK_FAILED, wrong[0]!, wrong.slice(1).join('; '));
}

function wrongState(record: EndpointRecord, attachment: Attachment): string[] {
  if (record.state !== 'ready') return ['endpoint: ADD has not finished'];
  if (record.endpoint.netns !== attachment.netns) return [`CNI_NETNS: attached in ${record.endpoint.netns}`];
  return [];
}

function wrongResult({ endpoint }: EndpointRecord, result: PrevResult): string[] {
  const index = result.interfaces.findIndex(({ name, sandbox }) => name === endpoint.ifname && sandbox === endpoint.netns);
  if (index < 0) return [`prevResult.interfaces: ${endpoint.ifname} is not there`];
  const listed = result.ips.filter((ip) => ip.interface === index).map((ip) => ip.address);
  return missing(endpoint.addresses, listed).map((address) => `prevResult.ips: ${address.text} is not there`);
}

function wrongFacts({ endpoint }: EndpointRecord, facts: LinkFacts): string[] {
  const { hostDevice, ifname, netns, addresses } = endpoint;
  if (!facts.netnsAlive) return [`netns: ${netns} is gone`];
  const wrong: string[] = [];
  if (facts.hostIfindex === undefined) wrong.push(`device: ${hostDevice} is gone`);
  else if (facts.hostIfindex !== endpoint.ifindex) wrong.push(`device: ${hostDevice} is another one`);
  if (!facts.podDevice) wrong.push(`device: ${ifname} is gone from the pod`);
  if (wrong.length > 0) return wrong; // what hangs on a device is gone with it
  if (!facts.up) wrong.push(`device: ${hostDevice} or ${ifname} is down`);
  wrong.push(...missing(addresses, facts.podAddresses).map((address) => `address: ${address.text} is not on ${ifname}`));
  if (!facts.podRoute) wrong.push(`route: the pod has no default route through ${ifname}`);
  wrong.push(...missing(addresses, facts.hostRoutes).map((address) => `route: ${address.text} does not go to ${hostDevice}`));
  if (!facts.enforced) wrong.push(`policy: not in force on ${hostDevice}`);
  return wrong;
}

function wrongReservation({ endpoint }: EndpointRecord, reserved: readonly IpAddress[]): string[] {
  return missing(endpoint.addresses, reserved).map((address) => `ipam: ${address.text} is not reserved for the container`);
}

function missing(wanted: readonly IpAddress[], there: readonly IpAddress[]): IpAddress[] {
  return wanted.filter((address) => !there.some((other) => other.equals(address)));
}
