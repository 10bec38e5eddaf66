import type { Clock } from '../base/clock.js';
import type { Labels } from '../model/objects.js';
import type { KubeClient } from './client.js';
import { fields } from './decode/field.js';
import { NODES } from './resource.js';

export interface NodeWriterOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly node: string;
  readonly signal?: AbortSignal | undefined;
}

/** As flannel: every 3 s, for 30 s. */
const RETRY_MS = 3_000;
const GIVE_UP_MS = 30_000;
/** flanneld's field manager, so that a cluster's history of the field stays one (compat.md 14). */
const FIELD_MANAGER = 'flanneld';

/**
 * Publishes lease annotations on the own Node as flannel does (compat.md 1.3):
 * one strategic merge patch of nodes/status with only what differs from what
 * is there, and none at all when nothing does. `annotations` are keyed without
 * `prefix`, which is complete (`normalizeAnnotationPrefix`). Gives whether it
 * wrote. Throws the last ApiError after 30 s of trying.
 */
export async function publishLease(options: NodeWriterOptions, prefix: string, annotations: Labels): Promise<boolean> {
  return persist(options, async () => {
    const node = await options.client.get(NODES, { name: options.node }, { signal: options.signal });
    const present = fields(fields(node['metadata'])['annotations']);
    const wanted = Object.entries(annotations).map(([key, value]): [string, string] => [prefix + key, value]);
    const differing = wanted.filter(([key, value]) => present[key] !== value);
    if (differing.length === 0) return false;
    await patchStatus(options, { metadata: { annotations: Object.fromEntries(differing) } });
    return true;
  });
}

/**
 * Sets condition NetworkUnavailable to False with flannel's reason and message
 * (compat.md 1.6), so that the cloud's route taint goes and mixed tooling sees
 * the same. Not written again when it stands already. Gives whether it wrote;
 * throws as `publishLease`.
 */
export async function setNetworkAvailable(options: NodeWriterOptions): Promise<boolean> {
  return persist(options, async () => {
    const node = await options.client.get(NODES, { name: options.node }, { signal: options.signal });
    const { conditions } = fields(node['status']);
    const standing = (Array.isArray(conditions) ? conditions : []).map(fields).find((c) => c['type'] === CONDITION.type);
    if (standing?.['status'] === CONDITION.status && standing['reason'] === CONDITION.reason) return false;
    const now = new Date(options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    await patchStatus(options, { status: { conditions: [{ ...CONDITION, lastHeartbeatTime: now, lastTransitionTime: now }] } });
    return true;
  });
}

const CONDITION = {
  type: 'NetworkUnavailable',
  status: 'False',
  reason: 'FlannelIsUp',
  message: 'Flannel is running on this node',
};

function patchStatus(options: NodeWriterOptions, body: unknown): Promise<unknown> {
  const write = { subresource: 'status', fieldManager: FIELD_MANAGER, signal: options.signal };
  return options.client.patch(NODES, { name: options.node }, 'strategic', body, write);
}

async function persist<T>(options: NodeWriterOptions, attempt: () => Promise<T>): Promise<T> {
  const { clock, signal } = options;
  const end = clock.monotonic() + GIVE_UP_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (signal?.aborted || clock.monotonic() + RETRY_MS > end) throw error;
      await clock.sleep(RETRY_MS, signal);
    }
  }
}
