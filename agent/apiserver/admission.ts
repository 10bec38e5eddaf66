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
    },
    admitUpdate: (kind, draft) => {
      if (isService(kind)) services.allocate(draft);
    },
  };
}

const isService = (kind: Kind): boolean => kind.group === '' && kind.kind === 'Service';

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
