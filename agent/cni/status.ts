import { CniCode, CniError } from './cni-error.js';
import type { CniContext } from './context.js';
import { resolveSets } from './ipam-config.js';
import { decodeAttachConfig, type NetworkConfig } from './network-config.js';

/** How long STATUS waits for an answer that is not there yet. */
const WAIT_MS = 500;

/** Whether an ADD with this configuration could be served now; throws code 50 that says why not. */
export async function status(context: CniContext, config: NetworkConfig): Promise<void> {
  const attach = decodeAttachConfig(config);
  const podCidrs = context.network.podCidrs();
  if (podCidrs === undefined) throw new CniError(CniCode.UNAVAILABLE, "ipam: the node's lease is not known yet");
  if (resolveSets(attach.ipam, podCidrs) === undefined) throw new CniError(CniCode.UNAVAILABLE, "ipam: the node's lease has no pod CIDR of a family that is asked for");
  if (attach.mtu === 0 && context.network.podMtu() === undefined) throw new CniError(CniCode.UNAVAILABLE, "mtu: the overlay's is not known yet");
  const signal = AbortSignal.timeout(WAIT_MS);
  try {
    await context.dataplane.ready(signal);
  } catch (error) {
    throw new CniError(CniCode.UNAVAILABLE, 'policy: not known yet', (error as Error).message);
  }
}
