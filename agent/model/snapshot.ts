import type { Problem } from '../base/errors.js';
import type { Namespace, Node, Pod } from './objects.js';
import type { Policy, Tier } from './policy.js';
import type { EndpointSlice, Service } from './service.js';

/**
 * Everything the datastore says, at one moment. Immutable: a change makes a new
 * snapshot that shares what did not change, so `===` tells what to look at again.
 * Pods, services, slices: keyed `namespace/name`; nodes, namespaces: by name.
 */
export interface Snapshot {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly policies: ReadonlyMap<string, Policy>; // keyed `Kind/namespace/name`
  readonly services: ReadonlyMap<string, Service>;
  readonly endpointSlices: ReadonlyMap<string, EndpointSlice>;
  readonly tiers: ReadonlyMap<string, Tier>;
  readonly problems: readonly Problem[];
}
