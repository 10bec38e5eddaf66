import type { PatchKind } from '../../datastore/client.js';
import type { ObjectRef, Resource } from '../../datastore/resource.js';

/** A write that a controller wants. Objects are plain JSON. */
export type Action =
  | { readonly verb: 'create'; readonly resource: Resource; readonly namespace?: string; readonly object: object }
  | { readonly verb: 'patch'; readonly resource: Resource; readonly ref: ObjectRef; readonly body: object; readonly kind?: PatchKind; readonly subresource?: 'status' }
  /** Only the object of this uid: a successor of its name stays. */
  | { readonly verb: 'delete'; readonly resource: Resource; readonly ref: ObjectRef; readonly uid: string };

export function refOf(object: { readonly metadata: { readonly name: string; readonly namespace?: string } }): ObjectRef {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { name } : { namespace, name };
}

/** A patch of an object's status, or nothing where it says all of that already. */
export function statusPatch(resource: Resource, object: { readonly metadata: { readonly name: string; readonly namespace?: string }; readonly status?: unknown }, status: Readonly<Record<string, unknown>>): Action[] {
  const now = (object.status ?? {}) as Readonly<Record<string, unknown>>;
  // A zero that was never written is what the API shows anyway.
  const same = Object.entries(status).every(([key, value]) => JSON.stringify(now[key] ?? 0) === JSON.stringify(value ?? 0));
  return same ? [] : [{ verb: 'patch', resource, ref: refOf(object), body: { status }, kind: 'merge', subresource: 'status' }];
}
