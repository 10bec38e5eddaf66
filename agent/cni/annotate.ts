import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { CONTAINER_ID, POD_IP, POD_IPS } from '../datastore/decode/pod.js';
import type { Endpoint } from '../model/endpoint.js';
import type { PodAnnotator } from './context.js';

/** The part of a Pod that annotating reads. */
export interface PodMeta {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The API server, as far as this needs it. Failures reject. */
export interface PodApi {
  /** Undefined: no such pod. */
  read(namespace: string, name: string): Promise<PodMeta | undefined>;
  /** Strategic-merge patch of the pod's `status` subresource with field manager `canal`. */
  patchStatus(namespace: string, name: string, body: object): Promise<'done' | 'not-found' | 'conflict'>;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** Containers whose blanking is remembered: DEL is repeated within seconds, of no more than a node has. */
const BLANKED = 512;
/** Failures in a row after which somebody should know. */
const TRIES_TO_WARN = 5;

type Detached = Parameters<PodAnnotator['detached']>[0];
type Wish = { readonly kind: 'attached'; readonly endpoint: Endpoint } | { readonly kind: 'detached'; readonly endpoint: Detached };

/**
 * Writes compat.md 5.7's annotations in the background: neither ADD nor DEL waits for the API
 * server, unlike Calico's plugin, whose DEL fails while that is away. One wish a pod: a newer
 * sandbox's replaces an older one's, and a blanking never touches another container's addresses.
 */
export class PodAnnotations implements PodAnnotator {
  private readonly wishes = new Map<string, Wish>();
  private readonly busy = new Map<string, Promise<void>>();
  private readonly stopping = new AbortController();
  /** Nothing is left to blank for these; the kubelet repeats DEL two times and more. */
  private readonly blanked = new Set<string>();

  constructor(
    private readonly api: PodApi,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    setMaxListeners(0, this.stopping.signal); // every pod whose write failed waits on it
  }

  attached(endpoint: Endpoint): void {
    this.blanked.delete(endpoint.containerId);
    this.wish({ kind: 'attached', endpoint });
  }

  /** Where a newer sandbox is waiting to be written, there is nothing to blank. */
  detached(endpoint: Detached): void {
    if (this.blanked.has(endpoint.containerId)) return;
    const waiting = this.wishes.get(podKey(endpoint));
    if (waiting?.kind === 'attached' && waiting.endpoint.containerId !== endpoint.containerId) return;
    this.wish({ kind: 'detached', endpoint });
  }

  /** Pods whose annotations are not as they should be yet. */
  get waiting(): number {
    return this.busy.size;
  }

  /** Resolves when nothing is waiting. */
  async settled(): Promise<void> {
    while (this.busy.size > 0) await Promise.all(this.busy.values());
  }

  /** Drops what is waiting; endpoints that are still attached are asked for again at the next start. */
  async close(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.busy.values());
  }

  private wish(wish: Wish): void {
    const key = podKey(wish.endpoint);
    this.wishes.set(key, wish);
    if (this.busy.has(key)) return;
    const work = this.work(key).finally(() => this.busy.delete(key));
    this.busy.set(key, work);
  }

  /** Works on a pod until its newest wish is done. */
  private async work(key: string): Promise<void> {
    for (let tries = 0; !this.stopping.signal.aborted; ) {
      const wish = this.wishes.get(key);
      if (wish === undefined) return;
      if (await this.attempt(key, wish, tries)) {
        if (this.wishes.get(key) === wish) this.done(key, wish);
        tries = 0;
        continue;
      }
      tries++;
      await this.clock.sleep(Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tries - 1, 10)), this.stopping.signal);
    }
  }

  private done(key: string, { kind, endpoint: { containerId } }: Wish): void {
    this.wishes.delete(key);
    if (kind === 'attached') return;
    this.blanked.add(containerId);
    const [oldest] = this.blanked;
    if (this.blanked.size > BLANKED && oldest !== undefined) this.blanked.delete(oldest);
  }

  private async attempt(key: string, wish: Wish, tries: number): Promise<boolean> {
    try {
      return wish.kind === 'attached' ? await this.write(wish.endpoint, tries) : await this.blank(wish.endpoint);
    } catch (error) {
      this.log[tries === TRIES_TO_WARN ? 'warn' : 'debug']({ err: error, pod: key, tries }, 'pod annotations not written; will retry');
      return false;
    }
  }

  /**
   * The UID keeps it off a pod of the same name that came later. API servers refuse that as a conflict or as
   * invalid, which a retry cannot tell from other refusals: so it looks first.
   */
  private async write({ namespace, pod, podUid, containerId, addresses }: Endpoint, tries: number): Promise<boolean> {
    if (tries > 0) {
      const meta = await this.api.read(namespace, pod);
      if (meta === undefined || (podUid !== '' && meta.uid !== podUid)) return true;
    }
    const ips = addresses.map(({ family, text }) => `${text}/${family === 4 ? 32 : 128}`);
    const annotations = { [POD_IP]: ips[0] ?? '', [POD_IPS]: ips.join(','), [CONTAINER_ID]: containerId };
    const outcome = await this.api.patchStatus(namespace, pod, { metadata: { annotations, ...(podUid === '' ? {} : { uid: podUid }) } });
    if (outcome === 'conflict') this.log.debug({ pod: `${namespace}/${pod}`, podUid }, 'pod was replaced; annotations not written');
    return true;
  }

  /** Empty, not removed; the container's ID stays, so that a repeated DEL can compare (compat.md 5.8). */
  private async blank({ namespace, pod, podUid, containerId }: Detached): Promise<boolean> {
    const meta = await this.api.read(namespace, pod);
    if (meta === undefined || (podUid !== '' && meta.uid !== podUid)) return true;
    const owner = meta.annotations[CONTAINER_ID] ?? '';
    if (owner !== '' && owner !== containerId) return true; // a newer sandbox owns the pod
    if (meta.annotations[POD_IP] === '' && meta.annotations[POD_IPS] === '') return true;
    const { uid, resourceVersion } = meta;
    const outcome = await this.api.patchStatus(namespace, pod, { metadata: { annotations: { [POD_IP]: '', [POD_IPS]: '' }, uid, resourceVersion } });
    return outcome !== 'conflict';
  }
}

const podKey = ({ namespace, pod }: { readonly namespace: string; readonly pod: string }): string => `${namespace}/${pod}`;
