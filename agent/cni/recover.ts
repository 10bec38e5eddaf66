import type { CniContext } from './context.js';
import type { PodDevice } from './dataplane.js';
import { endpointKey, recordKey, type EndpointRecord } from './endpoint-store.js';
import { takeDown } from './take-down.js';

/** Others (the host-local plugin under Calico's) reserve an address a moment before its device exists. */
const GRACE_MS = 120_000;

/** What a recovery did. */
export interface Recovery {
  /** Attachments undone: half made, or without netns and device. */
  readonly undone: readonly string[];
  /** Addresses freed that nobody used. */
  readonly freed: readonly string[];
}

/**
 * Makes records, devices and addresses agree after whatever happened: kill -9 in the middle of
 * an ADD, a reboot, a lost DEL. At start only, before requests are served: an ADD under way would
 * look half made. What fails is logged and left for the next DEL, GC or start.
 *
 * @param directories address directories to look after besides those that records name
 */
export async function recover(context: CniContext, directories: readonly string[]): Promise<Recovery> {
  const devices = await context.dataplane.survey();
  const undone: string[] = [];
  for (const record of context.endpoints.all()) {
    if (record.state === 'ready' && (await alive(context, record, devices))) continue;
    const network = record.addressDirectory;
    if (await attempt(context, recordKey(record), () => takeDown(context, record))) undone.push(recordKey(record));
    directories = [...directories, network];
  }
  const all = new Set([...directories, ...context.endpoints.all().map((record) => record.addressDirectory)]);
  const freed: string[] = [];
  for (const directory of all) await attempt(context, directory, async () => void freed.push(...(await sweep(context, directory, devices))));
  if (undone.length > 0 || freed.length > 0) context.log.info({ undone, freed }, 'attachments and addresses recovered');
  return { undone, freed };
}

/** Gone only if both are: a netns path that this process cannot see is no proof. */
async function alive(context: CniContext, { endpoint }: EndpointRecord, devices: readonly PodDevice[]): Promise<boolean> {
  if (devices.some(({ name, ifindex }) => name === endpoint.hostDevice && ifindex === endpoint.ifindex)) return true;
  const facts = await context.dataplane.inspect(endpoint);
  return facts.netnsAlive && facts.podDevice;
}

/** An address is in use if a record vouches for its owner, or if the host routes it to a pod's device, whoever made that. */
async function sweep(context: CniContext, directory: string, devices: readonly PodDevice[]): Promise<string[]> {
  const used = new Set(devices.flatMap(({ addresses }) => addresses.map(({ text }) => text)));
  const now = context.clock.now();
  const freed = await context.ipam.sweep(directory, ({ address, containerId, ifname }, reservedAtMs) => {
    if (used.has(address.text)) return true;
    if (containerId === undefined) return false; // its writer died under the lock
    const vouched = context.endpoints.all().some((r) => (ifname === undefined ? r.endpoint.containerId === containerId : recordKey(r) === endpointKey(containerId, ifname)));
    return vouched || now - reservedAtMs < GRACE_MS;
  });
  return freed.map(({ address }) => address.text);
}

async function attempt(context: CniContext, subject: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    context.log.warn({ err: error, subject }, 'recovery failed; will retry');
    return false;
  }
}
