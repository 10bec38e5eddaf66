import type { IpAddress } from '../base/address.js';
import { isConflict, isMissing } from './api-error.js';
import type { KubeClient } from './client.js';
import { fields, text } from './decode/field.js';
import { CONTAINER_ID, POD_IP, POD_IPS } from './decode/pod.js';
import { PODS } from './resource.js';

export interface PodSandbox {
  readonly namespace: string;
  readonly name: string;
  /** K8S_POD_UID; empty where the runtime does not give it. */
  readonly uid: string;
  readonly containerId: string;
}

/** `newer`: another sandbox has the pod by now. `gone`: there is no such pod (of this UID). */
export type ClearOutcome = 'cleared' | 'already' | 'newer' | 'gone';

const CONFLICT_RETRIES = 5;
/** The Calico plugin's field manager (compat.md 14). */
const WRITE = { subresource: 'status', fieldManager: 'calico' };

/**
 * Writes what the Calico plugin writes after ADD (compat.md 5.6): addresses and
 * container on the pod's annotations, by a strategic merge patch of
 * pods/status without resourceVersion. Throws ApiError; status 422 when the
 * name belongs to a pod of another UID by now.
 */
export async function publishPodAddresses(client: KubeClient, sandbox: PodSandbox, addresses: readonly IpAddress[], signal?: AbortSignal): Promise<void> {
  const prefixes = addresses.map((address) => `${address.text}/${address.family === 4 ? 32 : 128}`);
  const metadata = {
    annotations: { [CONTAINER_ID]: sandbox.containerId, [POD_IP]: prefixes[0] ?? '', [POD_IPS]: prefixes.join(',') },
    ...(sandbox.uid === '' ? {} : { uid: sandbox.uid }),
  };
  await retryConflicts(() => client.patch(PODS, sandbox, 'strategic', { metadata }, { ...WRITE, signal }));
}

/**
 * Blanks the addresses at DEL (compat.md 5.8), which tells every Felix that a
 * terminating pod's address is free. Guarded by UID and resourceVersion; a
 * conflict is read again, at most five times. `containerID` stays, so that a
 * repeated DEL can compare. Throws ApiError; a missing pod is no error.
 */
export async function clearPodAddresses(client: KubeClient, sandbox: PodSandbox, signal?: AbortSignal): Promise<ClearOutcome> {
  return retryConflicts(async () => {
    try {
      const metadata = fields((await client.get(PODS, sandbox, { signal }))['metadata']);
      const annotations = fields(metadata['annotations']);
      const owner = text(annotations[CONTAINER_ID]);
      if (sandbox.uid !== '' && metadata['uid'] !== sandbox.uid) return 'gone';
      if (owner !== '' && owner !== sandbox.containerId) return 'newer';
      if (annotations[POD_IP] === '' && annotations[POD_IPS] === '') return 'already';
      const guard = { uid: text(metadata['uid']), resourceVersion: text(metadata['resourceVersion']) };
      const body = { metadata: { ...guard, annotations: { [POD_IP]: '', [POD_IPS]: '' } } };
      await client.patch(PODS, sandbox, 'strategic', body, { ...WRITE, signal });
      return 'cleared';
    } catch (error) {
      if (isMissing(error)) return 'gone';
      throw error;
    }
  });
}

async function retryConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isConflict(error) || retries >= CONFLICT_RETRIES) throw error;
    }
  }
}
