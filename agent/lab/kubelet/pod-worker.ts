import { join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import type { LabNode } from '../machine/lab-node.js';
import type { Pod } from '../world/objects.js';
import type { Attachment, CniRunner } from './cni-runner.js';
import { PodContainer, type RestartPolicy } from './container.js';
import type { EnvironmentSources } from './environment.js';
import { podStatus } from './pod-status.js';
import { createSandbox, type Sandbox } from './sandbox.js';
import type { StatusOf } from './status-writer.js';
import type { Slots } from '../world/slots.js';

export interface PodWorkerOptions {
  readonly node: LabNode;
  readonly cni: CniRunner;
  /** Bounds how many sandboxes a node makes at a time. */
  readonly slots: Slots;
  readonly clock: Clock;
  readonly log: Logger;
  /** For the logs of its containers. */
  readonly directory: string;
  readonly data: EnvironmentSources['data'];
  /** Has the status written; never throws. */
  readonly report: (pod: Pod, statusOf: StatusOf) => void;
  /** Removes the object once the pod is gone; never throws. */
  readonly finalize: (pod: Pod) => Promise<void>;
  /** The worker of an earlier pod of the same name, which must be gone first. */
  readonly after: Promise<void> | undefined;
}

const RETRY_MS = [100, 200, 400, 800, 1_600, 3_000];

/** One pod on its node, from the first sight of it to the last. */
export class PodWorker {
  pod: Pod;
  sandbox: Sandbox | undefined;
  podIPs: readonly string[] = [];
  containers: readonly PodContainer[] = [];
  initContainers: readonly PodContainer[] = [];
  /** Resolves when nothing of it is left. */
  readonly done: Promise<void>;
  readonly #options: PodWorkerOptions;
  readonly #stopping = new AbortController();
  readonly #startTime: string;
  #graceMs = 30_000;
  #problem: string | undefined;
  #over = false;
  #attached: Attachment | undefined;

  constructor(pod: Pod, options: PodWorkerOptions) {
    this.pod = pod;
    this.#options = options;
    this.#startTime = new Date(options.clock.now()).toISOString().replace(/\.\d+/, '');
    this.done = this.#live();
  }

  /** Takes a newer version of the object; one that is being deleted stops the pod. */
  update(pod: Pod): void {
    if (pod.metadata.resourceVersion === this.pod.metadata.resourceVersion) return;
    this.pod = pod;
    if (pod.metadata.deletionTimestamp !== undefined) this.stop((pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000);
    // A readiness gate may have opened, or somebody else may have written the status.
    this.#report();
  }

  stop(graceMs: number): void {
    const shorter = graceMs < this.#graceMs;
    this.#graceMs = Math.min(this.#graceMs, graceMs);
    if (!this.#stopping.signal.aborted) this.#stopping.abort();
    else if (shorter && graceMs === 0) for (const one of this.#all()) void one.kill();
  }

  async #live(): Promise<void> {
    await this.#options.after;
    try {
      if (await this.#start()) await this.#runContainers();
    } catch (error) {
      this.#options.log.error({ err: error, pod: this.#name }, 'pod failed');
      this.#problem = error instanceof Error ? error.message : String(error);
    }
    await this.#end();
    await new Promise<void>((resolve) => (this.#stopping.signal.aborted ? resolve() : this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true })));
    await this.#options.finalize(this.pod);
  }

  /** The sandbox and its network, tried until they stand. False: stopped before. */
  async #start(): Promise<boolean> {
    for (let attempt = 0; !this.#stopping.signal.aborted; attempt++) {
      try {
        await this.#options.slots.use(() => this.#attach());
        this.#problem = undefined;
        return !this.#stopping.signal.aborted;
      } catch (error) {
        this.#problem = `Failed to create pod sandbox: ${error instanceof Error ? error.message : String(error)}`;
        this.#options.log.warn({ pod: this.#name, problem: this.#problem }, 'pod sandbox failed');
        this.#report();
        await this.#detach();
        await this.#options.clock.sleep(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]!, this.#stopping.signal);
      }
    }
    return false;
  }

  async #attach(): Promise<void> {
    const { node, cni } = this.#options;
    if (this.#stopping.signal.aborted) return;
    this.sandbox = await createSandbox(node, this.pod);
    if (this.pod.spec.hostNetwork === true) {
      this.podIPs = [node.address];
    } else {
      this.#attached = this.#attachment(this.sandbox);
      const { ips = [] } = await cni.add(this.#attached);
      this.podIPs = ips.map(({ address }) => address.split('/')[0]!);
    }
    this.sandbox.writeFiles(this.podIPs);
  }

  #attachment(sandbox: Sandbox): Attachment {
    const { name, namespace = 'default', uid } = this.pod.metadata;
    const ports = this.pod.spec.containers.flatMap((container) => container.ports ?? []);
    const portMappings = ports.flatMap(({ hostPort, containerPort, protocol = 'TCP' }) => (hostPort === undefined ? [] : [{ hostPort, containerPort, protocol: protocol.toLowerCase() }]));
    return { containerId: sandbox.id, netns: sandbox.netns, namespace, pod: name, uid, portMappings };
  }

  async #runContainers(): Promise<void> {
    const policy = (this.pod.spec.restartPolicy ?? 'Always') as RestartPolicy;
    const initPolicy = policy === 'Never' ? 'Never' : 'OnFailure';
    this.initContainers = (this.pod.spec.initContainers ?? []).map((spec) => this.#container(spec, spec.restartPolicy === 'Always' ? 'Always' : initPolicy));
    this.containers = this.pod.spec.containers.map((spec) => this.#container(spec, policy));
    for (const one of this.initContainers) one.state = { waiting: { reason: 'PodInitializing' } };
    this.#report();
    const stopped = this.#whenStopping();
    const sidecars = this.initContainers.filter((one) => one.spec.restartPolicy === 'Always');
    for (const one of this.initContainers) {
      const life = one.live();
      if (sidecars.includes(one)) continue;
      await Promise.race([life, this.#stopped()]);
      if (one.finalExitCode !== 0) return stopped.cancel();
    }
    const lives = this.containers.map((one) => one.live());
    await Promise.race([Promise.all(lives), stopped.done]);
    await Promise.all(sidecars.map((one) => one.stop(this.#graceMs)));
    stopped.cancel();
  }

  /** Stops all containers when the pod is to stop; done once all have. */
  #whenStopping(): { done: Promise<void>; cancel: () => void } {
    const finished = new AbortController();
    const done = this.#stopped().then(async () => {
      if (!finished.signal.aborted) await Promise.all(this.#all().map((one) => one.stop(this.#graceMs)));
    });
    return { done, cancel: () => finished.abort() };
  }

  #stopped(): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
  }

  #container(spec: Pod['spec']['containers'][number], restartPolicy: RestartPolicy): PodContainer {
    const { node, clock, data, directory } = this.#options;
    const { namespace = 'default', name, uid } = this.pod.metadata;
    return new PodContainer({
      pod: () => this.pod,
      container: spec,
      sandbox: this.sandbox!,
      sources: { nodeName: node.name, hostIP: node.address, podIPs: this.podIPs, data },
      restartPolicy,
      node: node.placeIn('runtime'),
      directory: join(directory, `${namespace}_${name}_${uid}`),
      clock,
      changed: () => this.#report(),
    });
  }

  /** Takes down what stands; tried until it succeeds, as an address that is not released would leak. */
  async #end(): Promise<void> {
    await Promise.all(this.#all().map((one) => one.stop(0)));
    this.#over = true;
    this.#report();
    for (let attempt = 0; !(await this.#detach()); attempt++) await this.#options.clock.sleep(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]!);
  }

  async #detach(): Promise<boolean> {
    try {
      if (this.#attached !== undefined) await this.#options.cni.del(this.#attached);
      this.#attached = undefined;
      await this.sandbox?.destroy();
      this.sandbox = undefined;
      return true;
    } catch (error) {
      this.#options.log.warn({ err: error, pod: this.#name }, 'pod sandbox cannot be removed yet');
      return false;
    }
  }

  #all(): readonly PodContainer[] {
    return [...this.containers, ...this.initContainers];
  }

  get #name(): string {
    return `${this.pod.metadata.namespace}/${this.pod.metadata.name}`;
  }

  #report(): void {
    const facts = {
      hostIP: this.#options.node.address,
      podIPs: this.podIPs,
      startTime: this.#startTime,
      problem: this.#problem,
      initContainers: this.initContainers,
      containers: this.containers,
      over: this.#over,
    };
    const now = new Date(this.#options.clock.now()).toISOString().replace(/\.\d+/, '');
    this.#options.report(this.pod, (pod) => podStatus(pod, facts, now));
  }
}
