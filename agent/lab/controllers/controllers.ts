import type { Cidr } from '../../base/address.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import { isConflict, isMissing } from '../../datastore/api-error.js';
import type { KubeClient } from '../../datastore/client.js';
import type { KubeObject } from '../world/objects.js';
import type { Caches, World } from '../world/world.js';
import type { Action } from './action.js';
import { apiServerSlice, podCidrs, serviceAccounts } from './cluster.js';
import { daemonSets } from './daemon-sets.js';
import { deployments } from './deployments.js';
import { endpointSlices } from './endpoint-slices.js';
import { jobs, jobWaitsForTime } from './jobs.js';
import { replicaSets } from './replica-sets.js';
import { revisions } from './revisions.js';
import { scheduler } from './scheduler.js';
import { statefulSets } from './stateful-sets.js';

export interface ControllersOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly log: Logger;
  readonly podCidr: Cidr;
  /** How the nodes reach the API server. */
  readonly api: { readonly address: string; readonly port: number };
}

const NODE_BLOCK = 24;
/** Changes within this time are one run. */
const GATHER_MS = 3;
/** For what only time changes (minReadySeconds, a job's next try), and after a write that failed. */
const AGAIN_MS = 1_000;
const PARALLEL_WRITES = 16;

/** All that the controllers want changed in a world. Pure. */
export function plan(world: World, options: Pick<ControllersOptions, 'podCidr' | 'api'>, nowMs: number): Action[] {
  return [
    ...serviceAccounts(world),
    ...podCidrs(world, options.podCidr, NODE_BLOCK),
    ...apiServerSlice(world, options.api.address, options.api.port),
    ...deployments(world, nowMs),
    ...replicaSets(world, nowMs),
    ...revisions(world),
    ...statefulSets(world),
    ...daemonSets(world),
    ...jobs(world, nowMs),
    ...scheduler(world),
    ...endpointSlices(world),
  ];
}

/** Runs the plan after each change until there is nothing left to do. */
export class Controllers {
  readonly #options: ControllersOptions;
  readonly #stops: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #dirty = false;
  #closed = false;

  constructor(options: ControllersOptions) {
    this.#options = options;
    for (const [, cache] of options.caches.entries()) this.#stops.push(cache.onChange(() => this.#wake(GATHER_MS)));
    this.#wake(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops) stop();
  }

  #wake(ms: number): void {
    this.#dirty = true;
    if (this.#running || this.#closed) return;
    this.#running = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), ms);
  }

  async #run(): Promise<void> {
    this.#dirty = false;
    const actions = plan(this.#options.caches.snapshot(), this.#options, this.#options.clock.now());
    const queue = [...actions];
    let failed = false;
    const worker = async (): Promise<void> => {
      for (let action = queue.shift(); action !== undefined; action = queue.shift()) failed = !(await this.#perform(action)) || failed;
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_WRITES, queue.length) }, worker));
    this.#running = false;
    if (this.#dirty) this.#wake(GATHER_MS);
    else if (failed || this.#waitsForTime()) this.#timer = setTimeout(() => this.#wake(0), AGAIN_MS);
  }

  #waitsForTime(): boolean {
    const { replicaSets: sets, jobs: jobList } = this.#options.caches;
    return jobList.list().some(jobWaitsForTime) || sets.list().some(({ spec, status }) => (spec.minReadySeconds ?? 0) > 0 && (status?.availableReplicas ?? 0) < (spec.replicas ?? 1));
  }

  /** False: it did not succeed and is to be planned again. */
  async #perform(action: Action): Promise<boolean> {
    try {
      await this.#write(action);
      return true;
    } catch (error) {
      // Somebody was faster, or what it is about has gone: the next plan knows.
      if (!isMissing(error) && !isConflict(error) && !this.#closed) this.#options.log.warn({ err: error, verb: action.verb, kind: action.resource.kind }, 'controller write failed');
      return false;
    }
  }

  async #write(action: Action): Promise<void> {
    const { client, caches } = this.#options;
    if (action.verb === 'delete') {
      const answer = await client.remove(action.resource, action.ref, { preconditions: { uid: action.uid }, propagationPolicy: 'Background' });
      if ((answer['metadata'] as { uid?: string } | undefined)?.uid === action.uid) keep(caches, action, answer);
      return;
    }
    const answer =
      action.verb === 'create'
        ? await client.create(action.resource, action.namespace, action.object, { fieldManager: 'canal-lab' })
        : await client.patch(action.resource, action.ref, action.kind ?? 'merge', action.body, {
            fieldManager: 'canal-lab',
            ...(action.subresource === undefined ? {} : { subresource: action.subresource }),
          });
    keep(caches, action, answer);
  }
}

/** What was written is seen at once, before the watch brings it. */
function keep(caches: Caches, action: Action, answer: unknown): void {
  const object = answer as KubeObject;
  if (object.metadata?.uid === undefined) return;
  const { deletionTimestamp } = object.metadata;
  const cache = caches.of(action.resource);
  if (action.verb === 'delete' && deletionTimestamp === undefined) cache?.remove(object);
  else cache?.put(object);
}
