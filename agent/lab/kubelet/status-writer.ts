import type { Logger } from '../../base/log.js';
import { isMissing } from '../../datastore/api-error.js';
import type { KubeClient } from '../../datastore/client.js';
import type { ObjectCache } from '../world/object-cache.js';
import { keyOf, type Pod } from '../world/objects.js';
import { PODS } from '../world/resources.js';

export type Status = Readonly<Record<string, unknown>>;

/** How a pod's status is to be, given what its object says now. */
export type StatusOf = (pod: Pod) => Status;

const RETRY_MS = 200;

/**
 * Makes the API server show pods' statuses: one request at a time a pod, none
 * where it shows them already. What it shows decides, not what was sent: a
 * write that was given up and came through after its successor is mended when
 * the pod is seen again. A write that fails is tried again.
 */
export class StatusWriter {
  readonly #wanted = new Map<string, { pod: Pod; statusOf: StatusOf }>();
  readonly #busy = new Map<string, Promise<void>>();

  constructor(
    private readonly client: KubeClient,
    private readonly cache: ObjectCache<Pod>,
    private readonly log: Logger,
    private readonly signal: AbortSignal,
  ) {}

  write(pod: Pod, statusOf: StatusOf): void {
    const { uid } = pod.metadata;
    // Containers change several times in one turn: one write for all.
    this.#wanted.set(uid, { pod, statusOf });
    if (!this.#busy.has(uid)) this.#busy.set(uid, this.#drain(uid));
  }

  /** Resolves when nothing is left to write about a pod. */
  async settled(uid: string): Promise<void> {
    await this.#busy.get(uid);
  }

  async #drain(uid: string): Promise<void> {
    await Promise.resolve();
    for (let next = this.#wanted.get(uid); next !== undefined && !this.signal.aborted; next = this.#wanted.get(uid)) {
      this.#wanted.delete(uid);
      try {
        await this.#write(next.pod, next.statusOf);
      } catch (error) {
        if (isMissing(error)) break;
        this.log.warn({ err: error, pod: next.pod.metadata.name }, 'pod status not written');
        if (!this.#wanted.has(uid)) this.#wanted.set(uid, next);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#busy.delete(uid);
  }

  async #write(seen: Pod, statusOf: StatusOf): Promise<void> {
    const { name, namespace = 'default', uid } = seen.metadata;
    const newest = this.cache.get(keyOf(seen));
    const pod = newest?.metadata.uid === uid ? newest : seen;
    const status = statusOf(pod);
    if (shows(pod.status, status)) return;
    // The uid makes a successor of the same name refuse it.
    const body = { metadata: { uid }, status };
    this.cache.put((await this.client.patch(PODS, { namespace, name }, 'merge', body, { subresource: 'status', fieldManager: 'kubelet' })) as unknown as Pod);
  }
}

/** Whether a status says all of another; times of transitions alone are no reason to write. */
export function shows(actual: object | undefined, wanted: Status): boolean {
  const of = (actual ?? {}) as Status;
  return Object.entries(wanted).every(([key, value]) => canonical(of[key]) === canonical(value));
}

/** Text that is equal for equal values: keys sorted, transition times, nulls and empty values left out. */
function canonical(value: unknown): string {
  return JSON.stringify(trim(value)) ?? '';
}

function trim(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(trim);
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const entries = Object.entries(value).map(([key, inner]) => [key, trim(inner)] as const);
  const kept = entries.filter(([key, inner]) => key !== 'lastTransitionTime' && inner !== undefined && inner !== '');
  return kept.length === 0 ? undefined : Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}
