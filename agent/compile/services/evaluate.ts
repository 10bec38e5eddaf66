import type { IpAddress } from '../../base/address.js';
import type { ProtocolNumber } from '../../model/objects.js';
import type { Service, ServicePort, SliceEndpoint, TrafficPolicy } from '../../model/service.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { LocalPod } from './compiler.js';
import type { FrontScope } from './rows.js';

/** A flow's first packet, as the node meets it. */
export interface ServiceQuestion {
  /** From a pod, from the node itself, or over the uplink. */
  readonly scope: FrontScope;
  readonly client: IpAddress;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: ProtocolNumber;
}

export interface ServiceWorld {
  readonly snapshot: Snapshot;
  readonly nodeName: string;
  /** Addresses of the node itself: its node ports. */
  readonly ownAddresses: readonly IpAddress[];
  readonly localPods: readonly LocalPod[];
}

export interface ServiceAnswer {
  /** none: no service's address. translated: to one of `backends`. denied: not in the source ranges. */
  readonly outcome: 'none' | 'translated' | 'refused' | 'dropped' | 'denied';
  /** `Service ns/name` or `Pod ns/name`; empty: none. */
  readonly owner: string;
  /** `ADDRESS:PORT`, sorted. */
  readonly backends: readonly string[];
}

/**
 * Where does it go? Straight from Services, EndpointSlices and Pods, without
 * rows, sets or slots: the oracle of `compileService` and of the programs.
 * Knows nothing of who kept backends before (default/kubernetes).
 */
export function evaluateService(world: ServiceWorld, question: ServiceQuestion): ServiceAnswer {
  const exact = [...serviceDoors(world, question, false), ...podDoors(world, question, false)];
  const own = world.ownAddresses.some((address) => address.equals(question.address));
  const doors = exact.length > 0 || !own ? exact : [...serviceDoors(world, question, true), ...podDoors(world, question, true)];
  const [door] = doors.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  return door === undefined ? { outcome: 'none', owner: '', backends: [] } : door.answer();
}

interface Door {
  /** Lowest first. */
  readonly rank: number;
  readonly name: string;
  readonly answer: () => ServiceAnswer;
}

/** Services that the question is for; `anyAddress`: by node port. */
function serviceDoors(world: ServiceWorld, question: ServiceQuestion, anyAddress: boolean): Door[] {
  const doors: Door[] = [];
  for (const [name, service] of world.snapshot.services) {
    if (service.type === 'ExternalName' || service.proxyName !== '' || service.clusterIps.length === 0) continue;
    const has = (addresses: readonly IpAddress[]): boolean => !anyAddress && addresses.some((address) => address.equals(question.address));
    const rank = has(service.clusterIps) && question.scope !== 'outside' ? 0 : has(service.loadBalancerIps) ? 1 : has(service.externalIps) ? 2 : anyAddress ? 3 : undefined;
    const sameFamily = service.clusterIps.some(({ family }) => family === question.address.family);
    const port = service.ports.find((one) => one.protocol === question.protocol && (rank === 3 ? one.nodePort : one.port) === question.port);
    if (rank === undefined || port === undefined || (rank === 3 && !sameFamily)) continue;
    doors.push({ rank, name, answer: () => throughService(world, question, service, port, rank) });
  }
  return doors;
}

function throughService(world: ServiceWorld, question: ServiceQuestion, service: Service, port: ServicePort, rank: number): ServiceAnswer {
  const owner = `Service ${service.namespace}/${service.name}`;
  const admitted = rank !== 1 || question.scope === 'node' || service.sourceRanges.length === 0 || service.sourceRanges.some((range) => range.contains(question.client));
  if (!admitted) return { outcome: 'denied', owner, backends: [] };
  const policy: TrafficPolicy = question.scope === 'outside' ? service.externalPolicy : rank === 0 ? service.internalPolicy : 'cluster';
  const all = endpointsOf(world, service, port, question.address.family);
  const found = usable(world, all, policy);
  const relays = question.scope === 'node' && rank !== 0 && service.externalPolicy === 'local' && port.nodePort !== 0 && service.clusterIps.some(({ family }) => family === question.address.family);
  const backends = [...new Set(found.map((one) => (relays ? byNode(world, one, port.nodePort) : one.text)))].sort();
  if (backends.length > 0) return { outcome: 'translated', owner, backends };
  const elsewhere = policy === 'local' && usable(world, all, 'cluster').length > 0;
  return { outcome: elsewhere ? 'dropped' : 'refused', owner, backends };
}

type Known = SliceEndpoint & { readonly text: string };

/** What all slices of the service together say of each address and port. */
function endpointsOf({ snapshot, nodeName }: ServiceWorld, service: Service, port: ServicePort, family: 4 | 6): Known[] {
  const said = new Map<string, SliceEndpoint[]>();
  for (const slice of snapshot.endpointSlices.values()) {
    if (slice.namespace !== service.namespace || slice.service !== service.name || slice.family !== family) continue;
    for (const target of slice.ports.filter(({ name, protocol }) => name === port.name && protocol === port.protocol)) {
      for (const endpoint of slice.endpoints) {
        const text = family === 4 ? `${endpoint.address.text}:${target.port}` : `[${endpoint.address.text}]:${target.port}`;
        said.set(text, [...(said.get(text) ?? []), endpoint]);
      }
    }
  }
  return [...said].map(([text, all]) => ({
    text,
    address: all[0]!.address,
    ready: all.some(({ ready }) => ready),
    serving: all.some(({ serving }) => serving),
    terminating: all.every(({ terminating }) => terminating),
    nodeName: all.some((one) => one.nodeName === nodeName) ? nodeName : (all.map((one) => one.nodeName).filter((name) => name !== '').sort()[0] ?? ''),
    zoneHints: all.flatMap(({ zoneHints }) => zoneHints),
    nodeHints: all.flatMap(({ nodeHints }) => nodeHints),
    target: '',
  }));
}

/** Other nodes' endpoints as `NODE'S ADDRESS:NODE PORT`, where that address is known. */
function byNode({ snapshot, nodeName }: ServiceWorld, { text, address, nodeName: its }: Known, nodePort: number): string {
  const node = its === nodeName ? undefined : snapshot.nodes.get(its)?.internalAddresses.find(({ family }) => family === address.family);
  return node === undefined ? text : node.family === 4 ? `${node.text}:${nodePort}` : `[${node.text}]:${nodePort}`;
}

/** Ready ones, those for us where all say for whom they are; else terminating ones that serve (KEP-1669). */
function usable({ snapshot, nodeName }: ServiceWorld, all: readonly Known[], policy: TrafficPolicy): readonly Known[] {
  const mine = policy === 'local' ? all.filter((one) => one.nodeName === nodeName) : all;
  const ready = mine.filter((one) => one.ready);
  if (ready.length === 0) return mine.filter((one) => one.serving && one.terminating);
  if (policy === 'local') return ready;
  const zone = snapshot.nodes.get(nodeName)?.labels['topology.kubernetes.io/zone'] ?? '';
  const byNode = ready.every((one) => one.nodeHints.length > 0) ? ready.filter((one) => one.nodeHints.includes(nodeName)) : [];
  const byZone = ready.every((one) => one.zoneHints.length > 0) ? ready.filter((one) => one.zoneHints.includes(zone)) : [];
  return byNode.length > 0 ? byNode : byZone.length > 0 ? byZone : ready;
}

/** Pods of this node with such a hostPort; `anyAddress`: without hostIP. */
function podDoors({ snapshot, localPods }: ServiceWorld, question: ServiceQuestion, anyAddress: boolean): Door[] {
  return localPods.flatMap(({ namespace, pod: name, addresses }) => {
    const pod = snapshot.pods.get(`${namespace}/${name}`);
    const address = addresses.find(({ family }) => family === question.address.family);
    if (pod === undefined || pod.finished || pod.hostNetwork || address === undefined) return [];
    const asked = (hostIp: IpAddress | undefined): boolean => (anyAddress ? hostIp === undefined : hostIp?.equals(question.address) === true);
    const port = pod.hostPorts.find((one) => one.protocol === question.protocol && one.hostPort === question.port && asked(one.hostIp));
    if (port === undefined) return [];
    const backend = address.family === 4 ? `${address.text}:${port.port}` : `[${address.text}]:${port.port}`;
    return [{ rank: 4, name: `${namespace}/${name}`, answer: (): ServiceAnswer => ({ outcome: 'translated', owner: `Pod ${namespace}/${name}`, backends: [backend] }) }];
  });
}
