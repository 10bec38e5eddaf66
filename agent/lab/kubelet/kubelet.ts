import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import { isConflict, isMissing } from '../../datastore/api-error.js';
import type { KubeClient, RawObject } from '../../datastore/client.js';
import type { LabNode } from '../machine/lab-node.js';
import { isFinished, keyOf, type Pod } from '../world/objects.js';
import { CONFIG_MAPS, PODS, SECRETS } from '../world/resources.js';
import type { Caches } from '../world/world.js';
import { CniRunner } from './cni-runner.js';
import { registerNode, reportNode, type RegistrationOptions } from './node-registration.js';
import { PodWorker } from './pod-worker.js';
import type { Slots } from '../world/slots.js';
import { StatusWriter } from './status-writer.js';

export interface KubeletOptions {
  readonly node: LabNode;
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly log: Logger;
  /** Bounds how many pods all kubelets of the lab set up at a time. */
  readonly slots: Slots;
  /** For containers' logs. */
  readonly podDirectory: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The kubelet's part in the lab: one node's pods as processes of the machine. */
export class Kubelet {
  readonly node: LabNode;
  readonly cni: CniRunner;
  readonly #options: KubeletOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #closing = new AbortController();
  readonly #statuses: StatusWriter;
  #unsubscribe: (() => void) | undefined;
  #scheduled = false;

  constructor(options: KubeletOptions) {
    setMaxListeners(0, this.#closing.signal);
    this.node = options.node;
    this.cni = new CniRunner(options.node);
    this.#options = options;
    this.#statuses = new StatusWriter(options.client, options.caches.pods, options.log, this.#closing.signal);
  }

  /** Registers the node and takes care of its pods from now on. */
  async start(): Promise<void> {
    const { caches, client, clock, log, node, labels = {} } = this.#options;
    const registration: RegistrationOptions = { node, client, cache: caches.nodes, cni: this.cni, clock, log, labels, signal: this.#closing.signal };
    await registerNode(registration);
    void reportNode(registration);
    this.#unsubscribe = caches.pods.onChange(() => this.#wake());
    this.#wake();
  }

  /** Stops looking after the pods; they run on until their cgroup is destroyed. */
  close(): void {
    this.#closing.abort();
    this.#unsubscribe?.();
  }

  workers(): readonly PodWorker[] {
    return [...this.#workers.values()];
  }

  /** The worker of a pod of this node. */
  worker(namespace: string, pod: string): PodWorker | undefined {
    return this.workers().find((one) => one.pod.metadata.name === pod && (one.pod.metadata.namespace ?? 'default') === namespace);
  }

  #wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closing.signal.aborted) this.#sync();
    });
  }

  #sync(): void {
    const bound = this.#options.caches.pods.list().filter((pod) => pod.spec.nodeName === this.node.name);
    const present = new Set(bound.map((pod) => pod.metadata.uid));
    for (const pod of bound) {
      const worker = this.#workers.get(pod.metadata.uid);
      if (worker !== undefined) worker.update(pod);
      else if (!isFinished(pod) || pod.metadata.deletionTimestamp !== undefined) this.#adopt(pod);
    }
    for (const [uid, worker] of this.#workers) if (!present.has(uid)) worker.stop(0);
  }

  #adopt(pod: Pod): void {
    const { node, clock, log, podDirectory } = this.#options;
    const { uid } = pod.metadata;
    const namesake = this.workers().find((one) => keyOf(one.pod) === keyOf(pod));
    const worker = new PodWorker(pod, {
      node,
      clock,
      log,
      cni: this.cni,
      slots: this.#options.slots,
      directory: podDirectory,
      data: (kind, name) => this.#data(kind, pod.metadata.namespace ?? 'default', name),
      report: (of, statusOf) => this.#statuses.write(of, statusOf),
      finalize: (of) => this.#finalize(of),
      after: namesake?.done,
    });
    this.#workers.set(uid, worker);
    if (pod.metadata.deletionTimestamp !== undefined) worker.stop(0);
    void worker.done.then(() => this.#workers.delete(uid));
  }

  /** Tells the API server that a deleted pod is gone; tried until it has heard. */
  async #finalize(pod: Pod): Promise<void> {
    const { name, namespace = 'default', uid } = pod.metadata;
    await this.#statuses.settled(uid);
    while (!this.#closing.signal.aborted) {
      try {
        await this.#options.client.remove(PODS, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
        return;
      } catch (error) {
        // Gone already, or a successor has its name.
        if (isMissing(error) || isConflict(error)) return;
        if (!this.#closing.signal.aborted) this.#options.log.warn({ err: error, pod: name }, 'pod object not removed yet');
        await this.#options.clock.sleep(500, this.#closing.signal);
      }
    }
  }

  async #data(kind: 'ConfigMap' | 'Secret', namespace: string, name: string): Promise<Record<string, string> | undefined> {
    try {
      const object = await this.#options.client.get(kind === 'Secret' ? SECRETS : CONFIG_MAPS, { namespace, name });
      return decoded(kind, object);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

function decoded(kind: 'ConfigMap' | 'Secret', object: RawObject): Record<string, string> {
  const data = (object['data'] ?? {}) as Record<string, string>;
  if (kind === 'ConfigMap') return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}
