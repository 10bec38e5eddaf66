import type { CniContext } from './context.js';
import type { EndpointRecord } from './endpoint-store.js';

/**
 * Undoes an attachment, finished or half made: link, then addresses, then the record. An address is
 * free only when nothing can send from it any more; the record goes last, so that what
 * failed is tried again by the next DEL, GC or start. Repeating it is success.
 */
export async function takeDown(context: CniContext, record: EndpointRecord): Promise<void> {
  const { containerId, ifname, netns, hostDevice, ifindex } = record.endpoint;
  await context.dataplane.remove({ netns, ifname, hostDevice, ifindex: ifindex === 0 ? undefined : ifindex });
  await context.ipam.release(record.addressDirectory, { containerId, ifname });
  context.endpoints.delete(record);
}
