import type { Logger } from '../../base/log.js';
import { draftOf, fieldsAt, type KubeObject } from '../kube-object.js';
import { keyOf, resourceIdOf, type Kind } from '../registry/kind.js';
import { ApiError } from '../status.js';
import type { ApiContext } from '../verbs/context.js';
import { deleteObject, removeIfFinished } from '../verbs/delete.js';
import { updateObject } from '../verbs/update.js';
import { planCollection, type Held, type Step } from './plan.js';

const SWEEP_INTERVAL_MS = 60_000;
/** A run after a change waits this long, so that a burst of changes is one run. */
const GATHER_MS = 20;

/**
 * Garbage collection and the namespace controller: runs the plan after every
 * deletion (and once a minute for what only time changes) until it is empty.
 */
export class Collector {
  private scheduled: NodeJS.Timeout | undefined;
  private readonly sweep: NodeJS.Timeout;
  private readonly stops = new Map<string, () => void>();

  constructor(
    private readonly context: ApiContext,
    private readonly logger: Logger | undefined,
  ) {
    this.sweep = setInterval(() => this.schedule(), SWEEP_INTERVAL_MS);
    this.sweep.unref();
    this.schedule();
  }

  close(): void {
    clearInterval(this.sweep);
    clearTimeout(this.scheduled);
    for (const stop of this.stops.values()) stop();
  }

  private schedule(): void {
    this.scheduled ??= setTimeout(() => this.run(), GATHER_MS);
  }

  private run(): void {
    this.scheduled = undefined;
    this.follow();
    const steps = planCollection(this.held(), this.context.now());
    for (const step of steps) this.take(step);
    if (steps.length > 0) this.schedule();
  }

  /** Listens to every kind there is now; new custom kinds join at the next run. */
  private follow(): void {
    for (const kind of this.context.registry.kinds) {
      const id = resourceIdOf(kind);
      if (!this.stops.has(id)) this.stops.set(id, this.context.store.onChange(id, () => this.noteChange(id)));
    }
  }

  /** Only deletions and new dependents can make work. */
  private noteChange(id: string): void {
    const log = this.context.store.log(id);
    const last = log.after(this.context.store.revision - 1)?.at(-1);
    const meta = last?.object.metadata;
    if (last?.type === 'DELETED' || meta?.deletionTimestamp !== undefined || (last?.type === 'ADDED' && meta?.ownerReferences !== undefined)) this.schedule();
    else if (id.startsWith('customresourcedefinitions')) this.schedule();
  }

  private held(): Held[] {
    const seen = new Set<string>();
    return this.context.registry.kinds.flatMap((kind) => {
      const resource = resourceIdOf(kind);
      if (seen.has(resource)) return [];
      seen.add(resource);
      return this.context.store.list(resource).map((object) => ({ resource, namespaced: kind.namespaced, object }));
    });
  }

  private take(step: Step): void {
    const { object, resource } = step.held;
    const kind = this.context.registry.byId(resource);
    if (kind === undefined) return;
    try {
      this.takeWith(step, kind, object);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Somebody else was faster; the next run sees the result.
      if (error.code !== 404 && error.code !== 409) this.logger?.warn({ resource, key: keyOf(kind, object.metadata.namespace ?? '', object.metadata.name ?? ''), err: error.message }, 'object not collected, will retry');
    }
  }

  private takeWith(step: Step, kind: Kind, object: KubeObject): void {
    const { namespace = '', name = '' } = object.metadata;
    switch (step.do) {
      case 'delete':
        deleteObject(this.context, kind, namespace, name, { propagationPolicy: 'Background', ...(step.why === 'unscheduled' ? { gracePeriodSeconds: 0 } : {}) });
        break;
      case 'release':
        this.edit(kind, object, (draft) => (draft.metadata.finalizers = draft.metadata.finalizers?.filter((one) => one !== step.finalizer) ?? []));
        break;
      case 'disown':
        this.edit(kind, object, (draft) => (draft.metadata.ownerReferences = draft.metadata.ownerReferences?.filter((owner) => owner.uid !== step.owner) ?? []));
        break;
      case 'finishNamespace':
        finalizeNamespace(this.context, kind, name, []);
        break;
    }
  }

  private edit(kind: Kind, object: KubeObject, change: (draft: KubeObject) => void): void {
    const propose = (current: KubeObject): { object: KubeObject } => {
      const draft = draftOf(current);
      change(draft);
      return { object: draft };
    };
    updateObject(this.context, kind, object.metadata.namespace ?? '', object.metadata.name ?? '', propose, { fieldManager: 'canal-apiserver' });
  }
}

/** Sets a namespace's spec.finalizers (the `finalize` subresource); without any left, a deleted one is removed. */
export function finalizeNamespace(context: ApiContext, kind: Kind, name: string, finalizers: readonly unknown[]): KubeObject | undefined {
  const current = context.store.get(resourceIdOf(kind), name);
  if (current === undefined) return undefined;
  const draft = draftOf(current);
  draft['spec'] = { ...fieldsAt(current, 'spec'), finalizers };
  return removeIfFinished(context, kind, draft) ?? context.store.put(resourceIdOf(kind), name, draft);
}
