import type { V1PodSpec, V1PriorityClass } from '@kubernetes/client-node';
import { textAt, type KubeObject } from './kube-object.js';
import type { ServiceAllocator } from './kinds/service-allocation.js';
import type { Kind } from './registry/kind.js';
import { forbidden, notFound } from './status.js';
import type { ObjectStore } from './storage/object-store.js';
import type { Admission } from './verbs/context.js';

/** Decisions about a write that need other objects. */
export function createAdmission(store: ObjectStore, services: ServiceAllocator): Admission {
  return {
    admitCreate: (kind, draft) => {
      checkNamespace(store, kind, draft);
      if (isService(kind)) services.allocate(draft);
      if (kind.group === '' && kind.kind === 'Pod') {
        checkAccount(store, kind, draft);
        prioritize(store, kind, draft);
      }
    },
    admitUpdate: (kind, draft) => {
      if (isService(kind)) services.allocate(draft);
    },
  };
}

const isService = (kind: Kind): boolean => kind.group === '' && kind.kind === 'Service';

/** A pod's service account has to be there; the default one comes by itself, soon. */
function checkAccount(store: ObjectStore, kind: Kind, draft: KubeObject): void {
  const { serviceAccountName: name = 'default' } = (draft['spec'] ?? {}) as Partial<V1PodSpec>;
  const { namespace = '' } = draft.metadata;
  if (name === 'default' || name === '' || store.get('serviceaccounts', `${namespace}/${name}`) !== undefined) return;
  throw forbidden(kind, draft.metadata.name ?? '', `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`);
}

/** Made by every real API server, here only known. */
const BUILT_IN: Readonly<Record<string, number>> = { 'system-node-critical': 2_000_001_000, 'system-cluster-critical': 2_000_000_000 };

/** Priority: the number of a pod's class, or of the one for pods without. */
function prioritize(store: ObjectStore, kind: Kind, draft: KubeObject): void {
  const spec = draft['spec'] as V1PodSpec | undefined;
  if (spec === undefined) return;
  const classes = store.list('priorityclasses.scheduling.k8s.io') as unknown as readonly V1PriorityClass[];
  const name = spec.priorityClassName ?? '';
  const found = name === '' ? classes.find(({ globalDefault }) => globalDefault === true) : classes.find(({ metadata }) => metadata?.name === name);
  if (found === undefined && name !== '' && BUILT_IN[name] === undefined) throw forbidden(kind, draft.metadata.name ?? '', `no PriorityClass with name ${name} was found`);
  if (found?.metadata?.name !== undefined) spec.priorityClassName = found.metadata.name;
  spec.priority = found?.value ?? BUILT_IN[name] ?? 0;
  spec.preemptionPolicy ??= found?.preemptionPolicy ?? 'PreemptLowerPriority';
}

/** NamespaceLifecycle: nothing new in a namespace that is not there or is on its way out. */
function checkNamespace(store: ObjectStore, kind: Kind, draft: KubeObject): void {
  if (!kind.namespaced) return;
  const namespace = draft.metadata.namespace ?? '';
  const found = store.get('namespaces', namespace);
  if (found === undefined) throw notFound({ group: '', resource: 'namespaces' }, namespace);
  if (found.metadata.deletionTimestamp === undefined && textAt(found, 'status', 'phase') !== 'Terminating') return;
  throw forbidden(kind, draft.metadata.name ?? '', `unable to create new content in namespace ${namespace} because it is being terminated`, [
    { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' },
  ]);
}
