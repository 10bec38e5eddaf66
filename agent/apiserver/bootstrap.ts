import type { ServiceAllocator } from './kinds/service-allocation.js';
import type { KubeObject } from './kube-object.js';
import { keyOf, resourceIdOf } from './registry/kind.js';
import type { ApiContext } from './verbs/context.js';
import { createObject } from './verbs/create.js';

const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Makes what a real API server makes at its first start: the system namespaces, priority classes and the `kubernetes` service. */
export function bootstrap(context: ApiContext, services: ServiceAllocator): void {
  for (const name of SYSTEM_NAMESPACES) ensure(context, 'namespaces', '', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  for (const [name, value, description] of PRIORITY_CLASSES) {
    ensure(context, 'priorityclasses.scheduling.k8s.io', '', { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value, description, preemptionPolicy: 'PreemptLowerPriority' });
  }
  ensure(context, 'services', 'default', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: { type: 'ClusterIP', clusterIP: services.first, ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }] },
  });
}

const PRIORITY_CLASSES = [
  ['system-cluster-critical', 2_000_000_000, 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.'],
  ['system-node-critical', 2_000_001_000, 'Used for system critical pods that must not be moved from their current node.'],
] as const;

function ensure(context: ApiContext, resource: string, namespace: string, object: KubeObject): void {
  const kind = context.registry.byId(resource);
  if (kind === undefined) return;
  if (context.store.get(resourceIdOf(kind), keyOf(kind, namespace, object.metadata.name ?? '')) !== undefined) return;
  createObject(context, kind, namespace, object, { fieldManager: 'canal-apiserver' });
}
