import type { Fields, KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';

/** What of each object goes with its row (`includeObject` parameter). */
export type IncludeObject = 'Metadata' | 'Object' | 'None';

/** Objects as a `meta.k8s.io/v1` Table, as kubectl get asks for them. */
export function tableOf(kind: Kind, objects: readonly KubeObject[], now: number, include: IncludeObject, metadata: Fields, withColumns = true): Fields {
  const columns = kind.columns.map(({ name, type, format, description, priority }) => ({ name, type, format, description, priority }));
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: withColumns ? columns : null,
    rows: objects.map((object) => ({ cells: kind.columns.map((column) => column.cell(object, now)), ...rowObject(object, include) })),
  };
}

export function partialMetadata(object: KubeObject): Fields {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function rowObject(object: KubeObject, include: IncludeObject): Fields {
  if (include === 'None') return { object: null };
  return { object: include === 'Object' ? object : partialMetadata(object) };
}
