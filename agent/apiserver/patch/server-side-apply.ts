import type { KubeObject } from '../kube-object.js';
import { keyOf, resourceIdOf, type Kind } from '../registry/kind.js';
import type { ApiContext, WriteOptions } from '../verbs/context.js';
import { createObject } from '../verbs/create.js';
import { updateObject } from '../verbs/update.js';
import { strategicMerge } from './strategic-merge.js';

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  readonly force: boolean;
}

/** Server-side apply: creates the object or merges the configuration into it. */
export function applyObject(context: ApiContext, kind: Kind, namespace: string, name: string, config: KubeObject, options: ApplyOptions): { object: KubeObject; created: boolean } {
  const current = context.store.get(resourceIdOf(kind), keyOf(kind, namespace, name));
  if (current === undefined) return { object: createObject(context, kind, namespace, { ...config, metadata: { ...config.metadata, name } }, options), created: true };
  return { object: updateObject(context, kind, namespace, name, (live) => ({ object: strategicMerge(live, config, kind.schema) as KubeObject }), options), created: false };
}
