import { customKinds } from './kinds/custom-resource-definition.js';
import { keyOf, resourceIdOf } from './registry/kind.js';
import type { ApiContext } from './verbs/context.js';

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

/** The objects of a kind go with its definition. */
function removeObjects(context: ApiContext, definition: string): void {
  const kind = context.registry.byId(definition);
  if (kind === undefined) return;
  for (const { metadata } of context.store.list(resourceIdOf(kind))) context.store.remove(resourceIdOf(kind), keyOf(kind, metadata.namespace ?? '', metadata.name ?? ''));
}
