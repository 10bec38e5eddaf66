import { isIPv6 } from 'node:net';
import { contentId } from '../../base/hash.js';
import { isFinished, isReady, isTerminating, type Endpoint, type EndpointPort, type EndpointSlice, type Node, type Pod, type Service } from '../world/objects.js';
import { ENDPOINT_SLICES } from '../world/resources.js';
import type { World } from '../world/world.js';
import { refOf, type Action } from './action.js';
import { isOwnedBy, ownerReference } from './owned-pods.js';

const MANAGER = 'endpointslice-controller.k8s.io';
const ZONE = 'topology.kubernetes.io/zone';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MAX_ENDPOINTS = 100;

/** Service to EndpointSlices: one set of slices for each combination of ports that its pods resolve to. */
export function endpointSlices(world: World): Action[] {
  const alive = new Map(world.services.filter((service) => !isTerminating(service)).map((service) => [service.metadata.uid, service]));
  const mine = world.endpointSlices.filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER);
  const zones = new Map(world.nodes.map((node) => [node.metadata.name, zoneOf(node)]));
  return [...alive.values()].flatMap((service) => reconcile(service, world.pods, zones, mine.filter((slice) => isOwnedBy(slice, service))));
}

interface Group {
  readonly family: 'IPv4' | 'IPv6';
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Endpoint[];
}

type Zones = ReadonlyMap<string, string | undefined>;

const zoneOf = ({ metadata }: Node): string | undefined => metadata.labels?.[ZONE];

function reconcile(service: Service, pods: readonly Pod[], zones: Zones, slices: readonly EndpointSlice[]): Action[] {
  const selector = service.spec?.selector;
  if (selector === undefined || Object.keys(selector).length === 0 || service.spec?.type === 'ExternalName') return [];
  const selected = pods.filter((pod) => pod.metadata.namespace === service.metadata.namespace && !isFinished(pod) && matches(pod, selector));
  const groups = groupsOf(service, selected, zones);
  const used = new Set<EndpointSlice>();
  const actions = groups.flatMap((group) => {
    const own = slices.filter((slice) => slice.addressType === group.family && samePorts(slice.ports ?? [], group.ports));
    own.forEach((slice) => used.add(slice));
    return fill(service, group, own);
  });
  const stale = slices.filter((slice) => !used.has(slice));
  return [...actions, ...stale.map((slice) => ({ verb: 'delete', resource: ENDPOINT_SLICES, ref: refOf(slice), uid: slice.metadata.uid }) as const)];
}

const matches = (pod: Pod, selector: Readonly<Record<string, string>>): boolean => Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value);

function groupsOf(service: Service, pods: readonly Pod[], zones: Zones): Group[] {
  const groups = new Map<string, Group>();
  for (const family of (service.spec?.ipFamilies ?? ['IPv4']) as ('IPv4' | 'IPv6')[]) {
    for (const pod of pods) {
      const addresses = (pod.status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => isIPv6(ip) === (family === 'IPv6'));
      if (addresses.length === 0) continue;
      const ports = portsFor(service, pod);
      const key = `${family} ${JSON.stringify(ports)}`;
      const group = groups.get(key) ?? { family, ports, endpoints: [] };
      group.endpoints.push(endpointOf(service, pod, addresses, zones));
      groups.set(key, group);
    }
    // A service without pods still has a slice, so that watchers see it empty.
    if (![...groups.values()].some((group) => group.family === family)) groups.set(family, { family, ports: [], endpoints: [] });
  }
  return [...groups.values()];
}

/** The service's ports as this pod serves them; named ports that it has not are left out. */
function portsFor(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap(({ name = '', protocol = 'TCP', port, targetPort = port, appProtocol }) => {
    const named = (): number | undefined => pod.spec.containers.flatMap((one) => one.ports ?? []).find((one) => one.name === targetPort && (one.protocol ?? 'TCP') === protocol)?.containerPort;
    const number = typeof targetPort === 'number' ? targetPort : named();
    return number === undefined ? [] : [{ name, protocol, port: number, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function endpointOf(service: Service, pod: Pod, addresses: readonly string[], zones: Zones): Endpoint {
  const { name, namespace, uid } = pod.metadata;
  const terminating = isTerminating(pod);
  const serving = isReady(pod);
  const hostname = pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const zone = pod.spec.nodeName === undefined ? undefined : zones.get(pod.spec.nodeName);
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(ready ? hintsOf(service, zone, pod.spec.nodeName) : {}),
    targetRef: { kind: 'Pod', ...(namespace === undefined ? {} : { namespace }), name, uid },
  };
}

/** What spec.trafficDistribution makes of a ready endpoint (KEP-4444, KEP-3015): each is for its own zone, or its own node first. */
function hintsOf({ spec }: Service, zone: string | undefined, nodeName: string | undefined): Pick<Endpoint, 'hints'> {
  const forZones = zone === undefined ? {} : { forZones: [{ name: zone }] };
  const forNodes = nodeName === undefined ? {} : { forNodes: [{ name: nodeName }] };
  const near = ['PreferClose', 'PreferSameZone'].includes(spec?.trafficDistribution ?? '');
  const hints = near ? forZones : spec?.trafficDistribution === 'PreferSameNode' ? { ...forZones, ...forNodes } : {};
  return Object.keys(hints).length === 0 ? {} : { hints };
}

/** Endpoints stay in the slice where they are; new ones fill the gaps, then new slices. */
function fill(service: Service, group: Group, slices: readonly EndpointSlice[]): Action[] {
  const wanted = new Map(group.endpoints.map((one) => [keyOf(one), one]));
  const plan = slices.map((slice) => {
    const kept = (slice.endpoints ?? []).flatMap((one) => {
      const next = wanted.get(keyOf(one));
      wanted.delete(keyOf(one));
      return next === undefined ? [] : [next];
    });
    return { slice, endpoints: kept };
  });
  const rest = [...wanted.values()];
  for (const { endpoints } of plan) endpoints.push(...rest.splice(0, MAX_ENDPOINTS - endpoints.length));
  const actions = plan.flatMap(({ slice, endpoints }, i): Action[] => {
    if (endpoints.length === 0 && (i > 0 || group.endpoints.length > 0)) return [{ verb: 'delete', resource: ENDPOINT_SLICES, ref: refOf(slice), uid: slice.metadata.uid }];
    const labels = labelsOf(service);
    const has = slice.metadata.labels ?? {};
    const sameLabels = sameJson(has, labels);
    if (sameJson(slice.endpoints ?? [], endpoints) && sameLabels) return [];
    const removed = Object.fromEntries(Object.keys(has).filter((key) => labels[key] === undefined).map((key) => [key, null]));
    const body = { endpoints, ...(sameLabels ? {} : { metadata: { labels: { ...labels, ...removed } } }) };
    return [{ verb: 'patch', resource: ENDPOINT_SLICES, ref: refOf(slice), body, kind: 'merge' }];
  });
  while (rest.length > 0 || (slices.length === 0 && actions.length === 0)) actions.push(create(service, group, rest.splice(0, MAX_ENDPOINTS)));
  return actions;
}

function create(service: Service, group: Group, endpoints: readonly Endpoint[]): Action {
  const { name, namespace = 'default' } = service.metadata;
  // The first endpoint of each slice is in no other, so names do not collide.
  const suffix = contentId(`${service.metadata.uid} ${group.family} ${JSON.stringify(group.ports)} ${endpoints[0] === undefined ? '' : keyOf(endpoints[0])}`).toString(36).slice(0, 5);
  const object = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${suffix}`,
      namespace,
      labels: labelsOf(service),
      ownerReferences: [ownerReference('v1', 'Service', service)],
    },
    addressType: group.family,
    endpoints,
    ports: group.ports,
  };
  return { verb: 'create', resource: ENDPOINT_SLICES, namespace, object };
}

/** The service's own labels go along: `service-proxy-name` is one. */
function labelsOf({ metadata: { name, labels }, spec }: Service): Readonly<Record<string, string>> {
  const headless = spec?.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {};
  return { ...labels, ...headless, 'kubernetes.io/service-name': name, [MANAGED_BY]: MANAGER };
}

const keyOf = (endpoint: Endpoint): string => endpoint.targetRef?.uid ?? endpoint.addresses.join();

function samePorts(a: readonly EndpointPort[], b: readonly EndpointPort[]): boolean {
  const text = (ports: readonly EndpointPort[]): string => ports.map(({ name = '', protocol = 'TCP', port, appProtocol = '' }) => `${name} ${protocol} ${port} ${appProtocol}`).sort().join();
  return text(a) === text(b);
}

function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => sameJson((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}
