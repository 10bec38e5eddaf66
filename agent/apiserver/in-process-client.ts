import type { Fields, KubeObject } from './kube-object.js';
import { isFields } from './kube-object.js';
import { applyPatch, MERGE_PATCH } from './patch/patch.js';
import type { Kind, ResourceId } from './registry/kind.js';
import { decode } from './schema/decode.js';
import { ApiError, noSuchPath } from './status.js';
import type { ApiContext, WriteOptions } from './verbs/context.js';
import { createObject, existing } from './verbs/create.js';
import { deleteObject, type DeleteOptions } from './verbs/delete.js';
import { listObjects } from './verbs/list.js';
import { selectorOf } from './verbs/selectors.js';
import { updateObject } from './verbs/update.js';
import { Watcher, type WatchEvent } from './verbs/watch.js';

export interface SelectOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/**
 * The API for controllers in the server's own process: the same defaults,
 * checks and errors as over HTTP, synchronous. Resources are named
 * `pods`, `deployments.apps`, `networkpolicies.networking.k8s.io`. Returned
 * objects are the stored ones: never change them.
 */
export class InProcessClient {
  constructor(private readonly context: ApiContext) {}

  /** @returns undefined if there is none of that name */
  get(resource: ResourceId, namespace: string, name: string): KubeObject | undefined {
    try {
      return existing(this.context, this.kind(resource), namespace, name);
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    }
  }

  list(resource: ResourceId, options: SelectOptions = {}): readonly KubeObject[] {
    const kind = this.kind(resource);
    const selects = selectorOf(kind, options.labelSelector ?? '', options.fieldSelector ?? '');
    return listObjects(this.context, kind, options.namespace ?? '', { selects, limit: 0, continueToken: '', resourceVersion: '', resourceVersionMatch: '' }).items;
  }

  /** The namespace is the object's own. @throws ApiError as HTTP answers */
  create(resource: ResourceId, object: KubeObject, options: WriteOptions = {}): KubeObject {
    const kind = this.kind(resource);
    return createObject(this.context, kind, object.metadata.namespace ?? '', decoded(kind, object), options);
  }

  /** Replaces an object; a resourceVersion in it makes a stale write a 409. */
  update(resource: ResourceId, object: KubeObject, options: WriteOptions = {}): KubeObject {
    const kind = this.kind(resource);
    const given = decoded(kind, object);
    return updateObject(this.context, kind, object.metadata.namespace ?? '', object.metadata.name ?? '', () => ({ object: given }), options);
  }

  /** JSON merge patch by default; any of the three plain patches by content type. */
  patch(resource: ResourceId, namespace: string, name: string, patch: Fields | readonly unknown[], options: WriteOptions & { readonly contentType?: string } = {}): KubeObject {
    const kind = this.kind(resource);
    const propose = (current: KubeObject): { object: KubeObject } => ({ object: decoded(kind, applyPatch(kind, current, options.contentType ?? MERGE_PATCH, patch) as KubeObject) });
    return updateObject(this.context, kind, namespace, name, propose, options);
  }

  patchStatus(resource: ResourceId, namespace: string, name: string, status: Fields, options: WriteOptions = {}): KubeObject {
    return this.patch(resource, namespace, name, { status }, { ...options, subresource: 'status' });
  }

  /** @returns false if there is none of that name */
  delete(resource: ResourceId, namespace: string, name: string, options: DeleteOptions = {}): boolean {
    if (this.get(resource, namespace, name) === undefined) return false;
    deleteObject(this.context, this.kind(resource), namespace, name, options);
    return true;
  }

  /** Calls back after every change of a resource, in a task of its own; bursts are one call. Enough for level-triggered controllers. */
  onChange(resource: ResourceId, wake: () => void): () => void {
    let scheduled = false;
    let stopped = false;
    const stop = this.context.store.onChange(resource, () => {
      if (scheduled) return;
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        if (!stopped) wake();
      });
    });
    return () => {
      stopped = true;
      stop();
    };
  }

  /** The current objects as ADDED, then every change in order, each in a task after the write that made it. */
  watch(resource: ResourceId, options: SelectOptions, listener: (event: WatchEvent) => void): () => void {
    const kind = this.kind(resource);
    const selects = selectorOf(kind, options.labelSelector ?? '', options.fieldSelector ?? '');
    const watcher = new Watcher(this.context, kind, options.namespace ?? '', { selects, resourceVersion: '', bookmarks: false });
    const drain = (): void => {
      for (let events = watcher.take(); events.length > 0; events = watcher.take()) events.forEach(listener);
    };
    setImmediate(drain);
    return this.onChange(resource, drain);
  }

  private kind(resource: ResourceId): Kind {
    const kind = this.context.registry.byId(resource);
    if (kind === undefined) throw noSuchPath();
    return kind;
  }
}

function decoded(kind: Kind, object: KubeObject): KubeObject {
  const { value } = decode(object, kind.schema);
  return { ...value, metadata: isFields(value['metadata']) ? value['metadata'] : {} } as KubeObject;
}
