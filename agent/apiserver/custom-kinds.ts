import { draftOf, type KubeObject } from './kube-object.js';
import { CLEANUP, customKinds, establish, isEstablished } from './kinds/custom-resource-definition.js';
import { keyOf, resourceIdOf } from './registry/kind.js';
import type { ApiContext } from './verbs/context.js';
import { updateObject } from './verbs/update.js';

const DEFINITIONS = 'customresourcedefinitions.apiextensions.k8s.io';

/** Keeps the registry equal to the stored CustomResourceDefinitions. Synchronous: a definition serves once its write is answered. */
export function followDefinitions(context: ApiContext): () => void {
  const known = new Map<string, string>();
  const sync = (): void => {
    const definitions = context.store.list(DEFINITIONS);
    for (const definition of definitions) {
      const { name = '', resourceVersion = '' } = definition.metadata;
      if (known.get(name) === resourceVersion) continue;
      known.set(name, resourceVersion);
      context.registry.setCustom(name, customKinds(definition));
      settle(context, definition);
    }
    for (const name of known.keys()) {
      if (definitions.some((definition) => definition.metadata.name === name)) continue;
      known.delete(name);
      removeObjects(context, name);
      context.registry.setCustom(name, []);
    }
  };
  sync();
  return context.store.onChange(DEFINITIONS, sync);
}

/** What follows a write of a definition: a new one is established, a deleted one goes once its objects are gone. */
function settle(context: ApiContext, definition: KubeObject): void {
  const kind = context.registry.byId(DEFINITIONS);
  const { name = '', deletionTimestamp, finalizers = [] } = definition.metadata;
  if (kind === undefined) return;
  const edit = (change: (draft: KubeObject) => void, subresource?: 'status'): void => {
    const propose = (current: KubeObject): { object: KubeObject } => {
      const draft = draftOf(current);
      change(draft);
      return { object: draft };
    };
    updateObject(context, kind, '', name, propose, { fieldManager: 'kube-apiserver', ...(subresource === undefined ? {} : { subresource }) });
  };
  if (deletionTimestamp !== undefined && finalizers.includes(CLEANUP)) {
    removeObjects(context, name);
    edit((draft) => (draft.metadata.finalizers = finalizers.filter((one) => one !== CLEANUP)));
  } else if (deletionTimestamp === undefined && !isEstablished(definition)) {
    edit((draft) => establish(draft, context.now()), 'status');
  }
}

/** The objects of a kind go with its definition. */
function removeObjects(context: ApiContext, definition: string): void {
  const kind = context.registry.byId(definition);
  if (kind === undefined) return;
  for (const { metadata } of context.store.list(resourceIdOf(kind))) context.store.remove(resourceIdOf(kind), keyOf(kind, metadata.namespace ?? '', metadata.name ?? ''));
}
