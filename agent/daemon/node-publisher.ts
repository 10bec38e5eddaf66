import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { KubeClient } from '../datastore/client.js';
import { publishLease, setNetworkAvailable } from '../datastore/node-writer.js';
import type { Labels, Node } from '../model/objects.js';

/** What this node's object should say. */
export interface Publication {
  /** Without prefix. */
  readonly annotations: Labels;
  /** Routes stand, so the node may be called reachable. */
  readonly networkReady: boolean;
}

export interface PublisherOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly node: string;
  /** Complete annotation prefix. */
  readonly prefix: string;
  readonly setCondition: boolean;
}

const RETRY_MS = 5000;

/**
 * Keeps this node's lease annotations and NetworkUnavailable condition as they
 * should be: level-triggered against the node as last seen, one write at a time.
 */
export class NodePublisher {
  #wanted: Publication | undefined;
  #seen: Node | undefined;
  #working: Promise<void> | undefined;
  #error: string | undefined;
  #done = false;
  readonly #stop = new AbortController();

  constructor(private readonly options: PublisherOptions) {}

  /** The last failure; undefined while all is well. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Whether lease and condition have been written, or found right, at least once. */
  get published(): boolean {
    return this.#done;
  }

  update(wanted: Publication, seen: Node): void {
    this.#wanted = wanted;
    this.#seen = seen;
    if (this.#working === undefined && this.#due() && !this.#stop.signal.aborted) {
      this.#working = this.#work().finally(() => (this.#working = undefined));
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#working;
  }

  #due(): boolean {
    return this.#leaseDue() || this.#conditionDue() || !this.#done;
  }

  #leaseDue(): boolean {
    return Object.entries(this.#wanted!.annotations).some(([key, value]) => this.#seen!.flannelAnnotations[key] !== value);
  }

  #conditionDue(): boolean {
    const standing = this.#seen!.networkUnavailable;
    return this.options.setCondition && this.#wanted!.networkReady && !(standing?.status === 'False' && standing.reason === 'FlannelIsUp');
  }

  /** Until nothing is due any more; what is seen and wanted may change meanwhile. */
  async #work(): Promise<void> {
    const { clock, log } = this.options;
    let waitMs = 0;
    do {
      await clock.sleep(waitMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        await this.#write();
        this.#error = undefined;
        return; // what was written comes back as a new view of the node
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#error = (error as Error).message;
        log.warn({ err: error }, 'node object cannot be written, will retry');
        waitMs = RETRY_MS;
      }
    } while (this.#due());
  }

  async #write(): Promise<void> {
    const { client, clock, node, prefix, log, setCondition } = this.options;
    const writer = { client, clock, node, signal: this.#stop.signal };
    const wanted = this.#wanted!;
    const lease = this.#leaseDue() && (await publishLease(writer, prefix, wanted.annotations));
    const condition = this.#conditionDue() && (await setNetworkAvailable(writer));
    if (lease || condition) log.info({ lease, condition, annotations: wanted.annotations }, 'node object written');
    this.#done = !setCondition || wanted.networkReady;
  }
}
