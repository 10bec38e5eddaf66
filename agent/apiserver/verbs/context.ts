import type { KubeObject, ManagedFieldsEntry } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import type { Registry } from '../registry/registry.js';
import type { ObjectStore } from '../storage/object-store.js';

/** What the verbs work on. */
export interface ApiContext {
  readonly store: ObjectStore;
  readonly registry: Registry;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Kind-specific decisions that need other objects: addresses and ports of services, namespaces, references. */
  readonly admission: Admission;
}

export interface Admission {
  /** @throws ApiError when the object may not be created. May complete the draft. */
  admitCreate(kind: Kind, draft: KubeObject): void;
  admitUpdate(kind: Kind, draft: KubeObject, previous: KubeObject): void;
}

export interface WriteOptions {
  /** Go through everything, store nothing. */
  readonly dryRun?: boolean;
  /** Who owns the written fields; by default the user agent's first word. */
  readonly fieldManager?: string;
  readonly subresource?: 'status' | 'scale';
  /** Instead of recording what a creation wrote: the entries of the apply that makes it. */
  readonly managedFields?: ManagedFieldsEntry[];
}
