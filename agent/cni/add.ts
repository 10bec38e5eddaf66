import type { IpAddress } from '../base/address.js';
import { CanalError, isNoDevice, isNotFound } from '../base/errors.js';
import type { LocalEndpoint } from '../compile/desired.js';
import type { PodAsks } from '../model/objects.js';
import { asksPods, decodeAsked, requireInRanges, type Asked } from './asked.js';
import { CniCode, CniError } from './cni-error.js';
import { addressDirectory, type CniContext } from './context.js';
import type { LinkFacts } from './dataplane.js';
import { recordKey, type EndpointRecord } from './endpoint-store.js';
import { resolveSets } from './ipam-config.js';
import { decodeAttachConfig, type AttachConfig, type NetworkConfig } from './network-config.js';
import type { Attachment, CniRequest } from './request.js';
import { encodeResult } from './result.js';
import { takeDown } from './take-down.js';

export type AddRequest = Pick<Extract<CniRequest, { readonly args: unknown }>, 'config' | 'attachment' | 'args'>;

/**
 * Attaches a container. When it returns, the pod's policy is in force and its device is up,
 * in that order; when it throws, nothing of the attempt is left. The same container again gets the
 * same answer; the same pod with another container takes over the device.
 */
export async function add(context: CniContext, { config, attachment, args }: AddRequest, signal: AbortSignal): Promise<object> {
  const attach = decodeAttachConfig(config);
  if (attach.ignored.length > 0) context.log.debug({ network: config.name, members: attach.ignored }, 'members of the CNI configuration without effect');
  refuseSecondInterface(context, attach, attachment);
  const existing = context.endpoints.get(attachment.containerId, attachment.ifname);
  if (existing !== undefined) {
    if (existing.state === 'ready' && existing.endpoint.netns === attachment.netns && intact(existing.endpoint, await context.dataplane.inspect(existing.endpoint))) {
      return answer(existing.endpoint, attach, config);
    }
    await takeDown(context, existing);
  }
  await awaited('policy', () => context.dataplane.ready(signal), signal);
  const asked = decodeAsked(config, args, podName(attachment), await asksOf(context, config, attachment, signal));
  const record = await attachNew(context, config, { ...attach, asked }, attachment, signal);
  if (attachment.pod !== '') context.annotator.attached(record.endpoint);
  return answer(record.endpoint, attach, config);
}

async function attachNew(context: CniContext, config: NetworkConfig, attach: AttachConfig & { readonly asked: Asked }, attachment: Attachment, signal: AbortSignal): Promise<EndpointRecord> {
  for (const other of context.endpoints.all()) {
    if (other.endpoint.hostDevice === attachment.hostDevice) await takeDown(context, other);
  }
  const pending = pendingRecord(context, config, attach, attachment);
  const { containerId, ifname } = attachment;
  try {
    const sets = resolveSets(attach.ipam, knownLease(context));
    if (sets === undefined) throw new CniError(CniCode.TRY_LATER, "ipam: the node's lease has no pod CIDR of a family that is asked for");
    requireInRanges(attach.asked, sets);
    context.endpoints.put(pending);
    const asked = attach.asked.addresses.map(({ address }) => address);
    const addresses = await context.ipam.allocate(pending.addressDirectory, sets, { containerId, ifname }, asked);
    const endpoint = await makeLink(context, attach, pending.endpoint, addresses);
    await awaited('policy', () => context.dataplane.enforce(endpoint, signal), signal);
    await context.dataplane.up(endpoint);
    const record: EndpointRecord = { ...pending, state: 'ready', endpoint };
    context.endpoints.put(record);
    return record;
  } catch (error) {
    await undo(context, pending);
    throw vanished(error) ? new CniError(CniCode.DATAPLANE, `CNI_NETNS: ${attachment.netns} is no network namespace, or went away meanwhile`, (error as Error).message) : error;
  }
}

/** The pod's end takes the host's with it. */
const vanished = (error: unknown): boolean => error instanceof CanalError && error.code === 'KERNEL' && (isNotFound(error) || isNoDevice(error));

async function makeLink(context: CniContext, attach: AttachConfig & { readonly asked: Asked }, pending: LocalEndpoint, addresses: readonly IpAddress[]): Promise<LocalEndpoint> {
  const { netns, ifname, hostDevice, mtu } = pending;
  const made = await context.dataplane.addLink({ netns, ifname, hostDevice, mtu, addresses, queues: attach.queues, ipForward: attach.ipForward, podMac: attach.asked.podMac });
  return { ...pending, addresses, ifindex: made.ifindex, hostMac: made.hostMac, podMac: made.podMac };
}

async function asksOf(context: CniContext, config: NetworkConfig, { namespace, pod }: Attachment, signal: AbortSignal): Promise<PodAsks> {
  if (pod === '' || !asksPods(config)) return {};
  let asks: PodAsks = {};
  await awaited(`pod ${namespace}/${pod}`, async () => void (asks = await context.pods.asks(namespace, pod, signal)), signal);
  return asks;
}

const podName = ({ namespace, pod }: Attachment): string => `${namespace}/${pod}`;

/** What cannot be undone now keeps its record and its address; the next start, GC or DEL tries again. */
async function undo(context: CniContext, record: EndpointRecord): Promise<void> {
  if (context.endpoints.get(record.endpoint.containerId, record.endpoint.ifname) === undefined) return;
  try {
    await takeDown(context, record);
  } catch (error) {
    context.log.error({ err: error, endpoint: recordKey(record) }, 'a failed ADD could not be undone; will retry');
  }
}

function pendingRecord(context: CniContext, config: NetworkConfig, attach: AttachConfig, attachment: Attachment): EndpointRecord {
  const mtu = attach.mtu === 0 ? context.network.podMtu() : attach.mtu;
  if (mtu === undefined) throw new CniError(CniCode.TRY_LATER, "mtu: the overlay's is not known yet");
  return {
    state: 'pending',
    endpoint: { ...attachment, addresses: [], mtu, podMac: '', hostMac: '', ifindex: 0 },
    network: config.name,
    addressDirectory: addressDirectory(config),
    portMappings: attach.portMappings,
    createdMs: context.clock.now(),
  };
}

function knownLease(context: CniContext): NonNullable<ReturnType<CniContext['network']['podCidrs']>> {
  const podCidrs = context.network.podCidrs();
  if (podCidrs === undefined) throw new CniError(CniCode.TRY_LATER, "ipam: the node's lease is not known yet");
  return podCidrs;
}

/** One interface a pod: its device on the host is named by the pod alone (compat.md 5.6). */
function refuseSecondInterface(context: CniContext, attach: AttachConfig, { containerId, ifname, netns }: Attachment): void {
  const other = context.endpoints.all().find(({ endpoint }) => endpoint.containerId === containerId && endpoint.ifname !== ifname);
  if (other !== undefined) throw new CniError(CniCode.INVALID_ENV, `CNI_IFNAME: the container is attached by ${other.endpoint.ifname} already; a pod has one interface`);
  if (attach.prevResult?.interfaces.some(({ name, sandbox }) => name === ifname && sandbox === netns) === true) {
    throw new CniError(CniCode.INVALID_CONFIG, `prevResult.interfaces: ${ifname} exists already`);
  }
}

/** Whether a repeated ADD may be answered from memory. */
function intact(endpoint: LocalEndpoint, facts: LinkFacts): boolean {
  const has = (list: readonly IpAddress[]): boolean => endpoint.addresses.every((address) => list.some((other) => other.equals(address)));
  return facts.netnsAlive && facts.podDevice && facts.up && facts.enforced && facts.hostIfindex === endpoint.ifindex && has(facts.podAddresses) && has(facts.hostRoutes);
}

async function awaited(what: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new CniError(CniCode.TRY_LATER, `${what}: ${what === 'policy' ? 'not in force' : 'not known'} before the deadline; the pod is not attached`, String((error as Error).message));
  }
}

function answer(endpoint: LocalEndpoint, attach: AttachConfig, config: NetworkConfig): object {
  const { hostDevice, hostMac, ifname, podMac, netns, mtu, addresses } = endpoint;
  return encodeResult({ hostDevice, hostMac, ifname, podMac, netns, mtu, addresses, dns: attach.dns, prevResult: attach.prevResult }, config.cniVersion);
}
