import type { Family } from '../../base/address.js';
import { contentId } from '../../base/hash.js';
import type { EndpointSlice, Service, ServicePort } from '../../model/service.js';
import { choose, type Chosen, type ClientNode } from './choose.js';
import { healthCheck, type HealthCheck } from './health-checks.js';
import { mergeEndpoints, type PortEndpoint } from './merge.js';
import { frontText, type BackendAddress, type FrontKey, type FrontRow } from './rows.js';
import { assignSlots } from './slots.js';

/** Backends that some frontends share: of one port, in one family, by one traffic policy. */
export interface BackendSet {
  readonly id: bigint;
  readonly family: Family;
  readonly slots: readonly BackendAddress[];
}

/** A frontend that a service wants. */
export interface Claim {
  /** `namespace/name`. */
  readonly service: string;
  /** Who comes first where several services want one frontend: its owner by allocation, then whoever was assigned it, then who just says so. */
  readonly rank: 'clusterIp' | 'loadBalancer' | 'externalIp';
  readonly key: FrontKey;
  readonly row: FrontRow;
}

export interface CompiledService {
  /** By `setKey`. */
  readonly sets: ReadonlyMap<string, BackendSet>;
  /** By frontText; one each. */
  readonly claims: ReadonlyMap<string, Claim>;
  readonly healthCheck: HealthCheck | undefined;
}

/** Which slots a set's backends had before; empty for one that is new. */
export type SlotHistory = (set: bigint, family: Family) => readonly BackendAddress[];

export const setKey = (id: bigint, family: Family): string => `${id.toString(16)}/${family}`;

/** A set's name, from which its id is made: the same on every node and every run. */
export const setId = (service: Service, port: ServicePort, scope: 'cluster' | 'local'): bigint =>
  contentId(`Service/${service.namespace}/${service.name}/${port.name}/${port.protocol}/${scope}`);

/** Whether canal has anything to do with it: not ExternalName, not headless, not another proxy's. */
export const isServed = (service: Service): boolean => service.type !== 'ExternalName' && service.proxyName === '' && service.clusterIps.length > 0;

/** The API server itself. Emptying it would cut off all who could mend it, this agent not among them. */
const isApiServer = ({ namespace, name }: Service): boolean => namespace === 'default' && name === 'kubernetes';

/** Frontends and backends of one service for clients on `node`. Pure. */
export function compileService(service: Service, slices: readonly EndpointSlice[], node: ClientNode, history: SlotHistory): CompiledService {
  const sets = new Map<string, BackendSet>();
  const claims = new Map<string, Claim>();
  const here: PortEndpoint[] = [];
  if (!isServed(service)) return { sets, claims, healthCheck: undefined };
  for (const port of service.ports) {
    for (const family of familiesOf(service)) {
      const chosen = choose(mergeEndpoints(slices, port, family, node.name), node);
      here.push(...chosen.local);
      for (const { rank, scope, addresses } of frontends(service)) {
        for (const address of addresses) {
          if (address.family !== family) continue;
          const set = setOf(sets, service, port, family, scope, chosen, history);
          const key: FrontKey = { address, port: port.port, protocol: port.protocol, scope: 'inside' };
          const text = frontText(key);
          if (claims.has(text)) continue; // of the same service: the first rank stays
          const row: FrontRow = { service: set.id, backends: set.slots.length, affinityS: service.affinityS, dropEmpty: scope === 'local' && set.slots.length === 0 && chosen.any };
          claims.set(text, { service: `${service.namespace}/${service.name}`, rank, key, row });
        }
      }
    }
  }
  return { sets, claims, healthCheck: healthCheck(service, here) };
}

/**
 * What pods and the node's own processes may send to. externalTrafficPolicy is
 * not for them: they come from inside and get every endpoint, as with kube-proxy.
 * A load balancer that admits not everybody is left to judge itself.
 */
function frontends(service: Service): readonly { readonly rank: Claim['rank']; readonly scope: 'cluster' | 'local'; readonly addresses: Service['clusterIps'] }[] {
  return [
    { rank: 'clusterIp', scope: service.internalPolicy, addresses: service.clusterIps },
    { rank: 'loadBalancer', scope: 'cluster', addresses: service.sourceRanges.length === 0 ? service.loadBalancerIps : [] },
    { rank: 'externalIp', scope: 'cluster', addresses: service.externalIps },
  ];
}

const familiesOf = (service: Service): Family[] => [...new Set([...service.clusterIps, ...service.loadBalancerIps, ...service.externalIps].map((a) => a.family))];

function setOf(sets: Map<string, BackendSet>, service: Service, port: ServicePort, family: Family, scope: 'cluster' | 'local', chosen: Chosen, history: SlotHistory): BackendSet {
  const id = setId(service, port, scope);
  const known = sets.get(setKey(id, family));
  if (known !== undefined) return known;
  const before = history(id, family);
  const wanted = chosen[scope];
  const kept = wanted.length === 0 && isApiServer(service);
  const slots = kept ? before : assignSlots(before, wanted).map(({ address, port: number }) => ({ address, port: number }));
  const set: BackendSet = { id, family, slots };
  sets.set(setKey(id, family), set);
  return set;
}
