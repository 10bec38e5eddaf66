import type { KubeObject } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';

/** Notes in metadata.managedFields which fields a plain write (create, update, patch) changed. */
export function recordUpdate(_kind: Kind, _previous: KubeObject | undefined, _draft: KubeObject, _manager: string, _subresource: string | undefined, _time: string): void {
  delete _draft.metadata.managedFields;
}
