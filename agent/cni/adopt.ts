import { basename } from 'node:path';
import type { Problem } from '../base/errors.js';
import type { Pod } from '../model/objects.js';
import type { CniContext } from './context.js';
import type { PodDevice } from './dataplane.js';
import { identify, type Evidence } from './adoption-evidence.js';
import { recordKey, type EndpointRecord } from './endpoint-store.js';
import { hostDeviceName } from './request.js';
import { readResultCache } from './result-cache.js';

export interface AdoptOptions {
  /** host-local's directories of networks that pods may be of. */
  readonly addressDirectories: readonly string[];
  /** libcni's, `/var/lib/cni/results`. */
  readonly resultCache: string;
}

export interface Adoption {
  readonly adopted: readonly EndpointRecord[];
  /** Devices that stay nobody's, and why: what comes and goes through them is dropped. */
  readonly refused: readonly Problem[];
}

/** Runs work that concerns a host device, in its turn. */
export type InDeviceTurn = <T>(device: string, work: () => Promise<T>) => Promise<T>;

/**
 * Makes attachments that another plugin made (Calico's, on a node that ran Canal) ours, as they
 * stand: their pods come under policy without a restart, DEL undoes them, and their
 * addresses are given to nobody else. Whoever cannot be identified beyond doubt is refused.
 * May be repeated; does nothing where every pod device has a record.
 * @param pods this node's, as the API knows them
 */
export async function adopt(context: CniContext, pods: readonly Pod[], options: AdoptOptions, inTurn: InDeviceTurn): Promise<Adoption> {
  const strangers = unrecorded(context, await context.dataplane.survey());
  if (strangers.length === 0) return { adopted: [], refused: [] };
  const evidence = await gather(context, strangers, pods, options);
  const adopted: EndpointRecord[] = [];
  const refused: Problem[] = [];
  for (const device of strangers) {
    const outcome = await inTurn(device.name, () => take(context, device, evidence));
    if (typeof outcome === 'string') refused.push({ object: `Device ${device.name}`, field: '', message: outcome });
    else if (outcome !== undefined) adopted.push(outcome);
  }
  return { adopted, refused };
}

const unrecorded = (context: CniContext, devices: readonly PodDevice[]): PodDevice[] => devices.filter(({ name, ifindex }) => !context.endpoints.standsFor(name, ifindex));

async function gather(context: CniContext, devices: readonly PodDevice[], pods: readonly Pod[], options: AdoptOptions): Promise<Evidence> {
  const results = readResultCache(options.resultCache);
  const reservations = [];
  for (const directory of options.addressDirectories) {
    for (const reservation of await context.ipam.reservations(directory)) reservations.push({ ...reservation, directory });
  }
  const paths = results.map(({ netns }) => netns).filter((path) => path !== '');
  return {
    devices,
    links: await context.dataplane.examine(devices, paths),
    pods: new Map(pods.filter((pod) => !pod.hostNetwork).map((pod) => [hostDeviceName(pod.namespace, pod.name, ''), pod])),
    reservations,
    results,
    directories: options.addressDirectories,
  };
}

/** Undefined: in its turn it is gone, or an ADD's. A string: why it is nobody's. */
async function take(context: CniContext, device: PodDevice, evidence: Evidence): Promise<EndpointRecord | string | undefined> {
  const found = identify(device, evidence);
  if (typeof found === 'string') return found;
  const { endpoint, directory } = found;
  try {
    await context.ipam.claim(directory, endpoint.addresses, endpoint);
  } catch (error) {
    return (error as Error).message;
  }
  const there = unrecorded(context, await context.dataplane.survey()).some(({ name, ifindex }) => name === device.name && ifindex === device.ifindex);
  if (!there) {
    await context.ipam.release(directory, endpoint);
    return undefined;
  }
  const record: EndpointRecord = { state: 'ready', endpoint, network: basename(directory), addressDirectory: directory, portMappings: [], createdMs: context.clock.now() };
  context.endpoints.put(record);
  if (endpoint.pod !== '') context.annotator.attached(endpoint);
  context.log.info({ endpoint: recordKey(record), pod: `${endpoint.namespace}/${endpoint.pod}`, device: device.name, addresses: endpoint.addresses.map(String) }, 'adopted a pod that another plugin attached');
  return record;
}
