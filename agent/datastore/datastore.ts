import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Namespace, Node, Pod } from '../model/objects.js';
import type { Policy } from '../model/policy.js';
import type { EndpointSlice, Service } from '../model/service.js';
import type { KubeClient } from './client.js';
import { normalizeAnnotationPrefix } from './decode/annotation-prefix.js';
import { endpointSliceDecoder } from './decode/endpoint-slice.js';
import type { Decoder } from './decode/field.js';
import { Interner } from './decode/intern.js';
import { namespaceDecoder } from './decode/namespace.js';
import { decodeNetworkPolicy } from './decode/network-policy.js';
import { nodeDecoder } from './decode/node.js';
import { podDecoder } from './decode/pod.js';
import { serviceDecoder } from './decode/service.js';
import { Contact, type DatastoreHealth } from './health.js';
import { Reflector } from './reflector.js';
import { ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, NODES, PODS, SERVICES, type Resource } from './resource.js';
import type { Sink } from './sink.js';

/** One sink for each kind that the agent reads. */
export interface Sinks {
  readonly namespaces: Sink<Namespace>;
  readonly nodes: Sink<Node>;
  /** Keyed `namespace/name`. */
  readonly pods: Sink<Pod>;
  /** Keyed `NetworkPolicy/namespace/name`. */
  readonly policies: Sink<Policy>;
  /** Keyed `namespace/name`. */
  readonly services: Sink<Service>;
  /** Keyed `namespace/name`; those of headless services are absent. */
  readonly endpointSlices: Sink<EndpointSlice>;
}

export interface DatastoreOptions {
  /** Stays the caller's: it closes it, after the datastore. */
  readonly client: KubeClient;
  /** `--kube-annotation-prefix` as the user gave it. */
  readonly annotationPrefix: string;
  readonly sinks: Sinks;
  readonly log: Logger;
  readonly clock: Clock;
  /** For jitter; Math.random by default. */
  readonly random?: () => number;
}

export interface Datastore {
  health(): DatastoreHealth;
  /** Resolves when no sink will be called any more. */
  close(): Promise<void>;
}

/** Starts following the API server: every sink is kept equal to its resource until `close`. Throws CanalError CONFIG for a bad prefix. */
export function createDatastore(options: DatastoreOptions): Datastore {
  const { client, clock, sinks, random = Math.random } = options;
  const intern = new Interner();
  const contact = new Contact(options.log, clock);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);

  const reflect = <T>(resource: Resource, decode: Decoder<T>, sink: Sink<T>, key: (namespace: string, name: string) => string): Reflector<T> =>
    new Reflector({ resource, decode, sink, key, client, clock, contact, random });
  const byName = (_: string, name: string): string => name;
  const inNamespace = (namespace: string, name: string): string => `${namespace}/${name}`;
  const reflectors = [
    reflect(NAMESPACES, namespaceDecoder(intern), sinks.namespaces, byName),
    reflect(NODES, nodeDecoder(normalizeAnnotationPrefix(options.annotationPrefix), intern), sinks.nodes, byName),
    reflect(NETWORK_POLICIES, policyDecoder, sinks.policies, (namespace, name) => `NetworkPolicy/${namespace}/${name}`),
    reflect(PODS, podDecoder(intern), sinks.pods, inNamespace),
    reflect(SERVICES, serviceDecoder(intern), sinks.services, inNamespace),
    reflect(ENDPOINT_SLICES, endpointSliceDecoder(intern), sinks.endpointSlices, inNamespace),
  ];
  const running = reflectors.map((reflector) => reflector.run(stop.signal));

  return {
    health() {
      const resources = reflectors.map((reflector) => reflector.health());
      const contacts = resources.map((r) => r.lastContactMs);
      return {
        synced: resources.every((r) => r.synced),
        connected: contact.connected && resources.every((r) => r.lastContactMs !== undefined),
        lastContactMs: contacts.includes(undefined) ? undefined : Math.min(...(contacts as number[])),
        resources,
      };
    },
    async close() {
      stop.abort();
      await Promise.all(running);
    },
  };
}

const policyDecoder: Decoder<Policy> = (raw) => {
  const { policy, problems } = decodeNetworkPolicy(raw);
  return { value: policy, problems };
};
