import { addressDirectory, type CniContext } from './context.js';
import { endpointKey, recordKey, type EndpointRecord } from './endpoint-store.js';
import { invalid, objectsAt, stringAt } from './fields.js';
import type { NetworkConfig } from './network-config.js';
import { takeDown } from './take-down.js';

/** Runs work that changes one attachment, in its turn. */
export type InTurn = (record: EndpointRecord, work: () => Promise<void>) => Promise<void>;

const VALID = 'cni.dev/valid-attachments';
const VALID_BEFORE_1_2_3 = 'cni.dev/attachments'; // libcni's name until it was put right

/**
 * Frees everything of this network that is not in the list of valid attachments: our
 * endpoints, and addresses (with the device that uses them) whoever reserved them. Tries all
 * and throws the first failure at the end.
 */
export async function gc(context: CniContext, config: NetworkConfig, inTurn: InTurn): Promise<void> {
  const valid = decodeValid(config);
  const startedMs = context.clock.now();
  const failures: unknown[] = [];
  for (const record of context.endpoints.all()) {
    if (record.network !== config.name || valid.has(recordKey(record)) || record.createdMs >= startedMs) continue;
    await inTurn(record, () => free(context, record)).catch((error: unknown) => failures.push(error));
  }
  await freeAddresses(context, config, valid, startedMs);
  if (failures.length > 0) throw failures[0];
}

/** In its turn a record may be gone, or be another attachment's. */
async function free(context: CniContext, record: EndpointRecord): Promise<void> {
  if (context.endpoints.get(record.endpoint.containerId, record.endpoint.ifname) !== record) return;
  await takeDown(context, record);
  context.log.info({ endpoint: recordKey(record), pod: `${record.endpoint.namespace}/${record.endpoint.pod}` }, 'GC freed an attachment');
}

async function freeAddresses(context: CniContext, config: NetworkConfig, valid: ReadonlySet<string>, startedMs: number): Promise<void> {
  const devices = await context.dataplane.survey();
  const known = (containerId: string, ifname: string | undefined, keys: Iterable<string>): boolean =>
    [...keys].some((key) => (ifname === undefined ? key.startsWith(`${containerId}@`) : key === endpointKey(containerId, ifname)));
  const isLive = (containerId: string | undefined, ifname: string | undefined): boolean =>
    containerId !== undefined && (known(containerId, ifname, valid) || known(containerId, ifname, context.endpoints.all().map(recordKey)));
  const directory = addressDirectory(config);
  for (const { address, containerId, ifname } of await context.ipam.reservations(directory)) {
    const device = devices.find(({ addresses }) => addresses.some((other) => other.equals(address)));
    if (device === undefined || isLive(containerId, ifname)) continue;
    await context.dataplane.remove({ netns: '', ifname: '', hostDevice: device.name, ifindex: device.ifindex });
  }
  const freed = await context.ipam.sweep(directory, (r, reservedAtMs) => reservedAtMs >= startedMs || isLive(r.containerId, r.ifname));
  if (freed.length > 0) context.log.info({ addresses: freed.map(({ address }) => address.text) }, 'GC freed addresses');
}

/** Without the list nothing may be freed; null is how Go writes an empty one. */
function decodeValid(config: NetworkConfig): Set<string> {
  const key = VALID in config.json ? VALID : VALID_BEFORE_1_2_3;
  const list = config.json[key] === null ? [] : objectsAt(config.json, key);
  if (list === undefined) throw invalid(VALID, 'not set');
  return new Set(
    list.map(({ value, path }) => {
      const containerId = stringAt(value, 'containerID', path);
      const ifname = stringAt(value, 'ifname', path);
      if (containerId === undefined || ifname === undefined) throw invalid(path, 'containerID or ifname is not set');
      return endpointKey(containerId, ifname);
    }),
  );
}
