import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Endpoint } from '../model/endpoint.js';
import type { PodAsks } from '../model/objects.js';
import type { Ipam } from '../ipam/ipam.js';
import type { EndpointDataplane, NodeNetwork } from './dataplane.js';
import type { EndpointStore } from './endpoint-store.js';
import type { NetworkConfig } from './network-config.js';

/** Tells the API server which sandbox a pod's addresses belong to (compat.md 5.7). Neither call waits or fails. */
export interface PodAnnotator {
  attached(endpoint: Endpoint): void;
  detached(endpoint: Pick<Endpoint, 'containerId' | 'namespace' | 'pod' | 'podUid'>): void;
}

/** Pods as the API server knows them. */
export interface PodSource {
  /** What a pod asks of its attachment; waits until it is known. Rejects with the signal's reason when it aborts. */
  asks(namespace: string, pod: string, signal: AbortSignal): Promise<PodAsks>;
}

/** All that the verbs work with; wired by the daemon. */
export interface CniContext {
  readonly dataplane: EndpointDataplane;
  readonly network: NodeNetwork;
  readonly pods: PodSource;
  readonly ipam: Ipam;
  readonly endpoints: EndpointStore;
  readonly annotator: PodAnnotator;
  readonly clock: Clock;
  readonly log: Logger;
}

/** host-local's directory of a configuration's network. */
export function addressDirectory(config: NetworkConfig): string {
  return join(config.dataDir, config.name);
}
