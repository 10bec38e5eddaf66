import type { Logger } from '../../base/log.js';
import { isMissing } from '../../datastore/api-error.js';
import type { KubeClient } from '../../datastore/client.js';
import type { ObjectCache } from '../world/object-cache.js';
import type { Pod } from '../world/objects.js';
import { PODS } from '../world/resources.js';

/**
 * Writes pods' statuses: the latest of each, one request at a time a pod, and
 * none where nothing changed. A write that fails is tried again.
 */
export class StatusWriter {
  readonly #wanted = new Map<string, { pod: Pod; status: Record<string, unknown> }>();
  readonly #written = new Map<string, string>();
  readonly #busy = new Map<string, Promise<void>>();

  constructor(
    private readonly client: KubeClient,
    private readonly cache: ObjectCache<Pod>,
    private readonly log: Logger,
    private readonly signal: AbortSignal,
  ) {}

  write(pod: Pod, status: Record<string, unknown>): void {
    const { uid } = pod.metadata;
    // Containers change several times in one turn: one write for all.
    this.#wanted.set(uid, { pod, status });
    if (!this.#busy.has(uid)) this.#busy.set(uid, this.#drain(uid));
  }

  /** Resolves when nothing is left to write about a pod. */
  async settled(uid: string): Promise<void> {
    await this.#busy.get(uid);
  }

  forget(uid: string): void {
    this.#wanted.delete(uid);
    this.#written.delete(uid);
  }

  async #drain(uid: string): Promise<void> {
    await Promise.resolve();
    for (let next = this.#wanted.get(uid); next !== undefined && !this.signal.aborted; next = this.#wanted.get(uid)) {
      this.#wanted.delete(uid);
      const text = JSON.stringify(next.status);
      if (this.#written.get(uid) === text) continue;
      try {
        await this.#patch(next.pod, next.status);
        this.#written.set(uid, text);
      } catch (error) {
        if (isMissing(error)) break;
        this.log.warn({ err: error, pod: next.pod.metadata.name }, 'pod status not written');
        if (!this.#wanted.has(uid)) this.#wanted.set(uid, next);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
    this.#busy.delete(uid);
  }

  async #patch(pod: Pod, status: Record<string, unknown>): Promise<void> {
    const { name, namespace = 'default', uid } = pod.metadata;
    // The uid makes a successor of the same name refuse it.
    const body = { metadata: { uid }, status };
    this.cache.put((await this.client.patch(PODS, { namespace, name }, 'merge', body, { subresource: 'status', fieldManager: 'kubelet' })) as unknown as Pod);
  }
}
