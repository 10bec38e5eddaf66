import { addressDirectory, type CniContext } from './context.js';
import type { NetworkConfig } from './network-config.js';
import type { Attachment } from './request.js';
import { takeDown } from './take-down.js';

/**
 * Detaches a container. Succeeds whatever is gone already: netns, device, record, API server.
 * Without a record the container is one that a newer sandbox replaced, or one that another
 * plugin attached before canal came: what is in its own netns and under its own ID goes, nothing else.
 */
export async function del(context: CniContext, config: NetworkConfig, attachment: Attachment): Promise<void> {
  const { containerId, ifname, netns } = attachment;
  const record = context.endpoints.get(containerId, ifname);
  const directory = addressDirectory(config);
  if (record === undefined) {
    const shared = context.endpoints.all().some(({ endpoint }) => endpoint.netns === netns && endpoint.ifname === ifname);
    if (!shared) await context.dataplane.remove({ netns, ifname, hostDevice: undefined, ifindex: undefined });
  } else {
    await takeDown(context, record);
  }
  if (record?.addressDirectory !== directory) await context.ipam.release(directory, { containerId, ifname });
  if (attachment.pod !== '') context.annotator.detached(attachment);
  else if (record !== undefined && record.endpoint.pod !== '') context.annotator.detached(record.endpoint);
}
