import type { KubeObject } from './kube-object.js';
import { keyOf, resourceIdOf } from './registry/kind.js';
import type { ApiContext } from './verbs/context.js';
import { createObject } from './verbs/create.js';

const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Makes what a real API server makes at its first start: the system namespaces. */
export function bootstrap(context: ApiContext): void {
  for (const name of SYSTEM_NAMESPACES) ensure(context, 'namespaces', '', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

function ensure(context: ApiContext, resource: string, namespace: string, object: KubeObject): void {
  const kind = context.registry.byId(resource);
  if (kind === undefined) return;
  if (context.store.get(resourceIdOf(kind), keyOf(kind, namespace, object.metadata.name ?? '')) !== undefined) return;
  createObject(context, kind, namespace, object, { fieldManager: 'canal-apiserver' });
}
