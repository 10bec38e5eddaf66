import { Cidr } from '../../../agent/base/address.js';
import type { EndpointSlice, Service } from '../../../agent/model/service.js';
import type { Snapshot } from '../../../agent/model/snapshot.js';
import type { Random } from '../../support/random.js';
import { endpoint, hostPort, LEAVING, local, NODE, pod, port, service, slice, snapshot, STARTING } from './cluster.js';

/** A table of 13 slots shows what one of 1021 does. */
export const SMALL = { algorithm: 'random', tableSize: 13 } as const;
const NAMES = ['web', 'api', 'db', 'kubernetes'];
const PODS = ['web-0', 'web-1'];
export const LOCAL = [local('web-0', '10.42.0.2'), local('web-1', '10.42.0.3', 'fd00:42::3')];
/** Few of each, so that services collide and endpoints come back. */
export const IPS = ['10.96.0.1', '10.96.0.2', '198.51.100.1', 'fd00::1'];

function randomService(random: Random, name: string): Service {
  const some = <T>(values: readonly T[], chance = 0.4): T[] => values.filter(() => random.next() < chance);
  const ports = some([port(80, { nodePort: random.pick([0, 30_080, 30_081]) }), port(80, { name: 'udp', protocol: 17 }), port(443, { name: 'https', nodePort: random.pick([0, 30_443]) })], 0.7);
  return service(name, {
    ports, clusterIps: some(IPS), externalIps: some(IPS, 0.2), loadBalancerIps: some(IPS, 0.2), affinityS: random.pick([0, 600]),
    internalPolicy: random.pick(['cluster', 'cluster', 'local']), externalPolicy: random.pick(['cluster', 'local']), algorithm: random.pick([undefined, undefined, 'maglev', 'random']),
    sourceRanges: some(RANGES, 0.2), healthCheckNodePort: random.pick([0, 0, 31_000]), proxyName: random.pick(['', '', '', 'other']), type: random.pick(['ClusterIP', 'LoadBalancer', 'ExternalName', 'ClusterIP']),
  });
}

const RANGES = ['192.0.2.0/24', '198.51.100.7/32', 'fd00::/8'].map((text) => Cidr.parse(text)!);

function randomSlice(random: Random, name: string): EndpointSlice {
  const family = random.pick([4, 4, 6] as const);
  const endpoints = Array.from({ length: random.below(6) }, () =>
    endpoint(family === 4 ? `10.42.1.${random.below(8)}` : `fd00:42::${random.below(8) + 1}`, {
      ...random.pick([{}, {}, LEAVING, STARTING]), nodeName: random.pick([NODE, 'two', '']), zoneHints: random.pick([[], ['z1'], ['z2']]),
    }));
  const ports = [{ name: '', protocol: 6, port: 8080 }, { name: 'https', protocol: 6, port: random.pick([8443, 9443]) }, { name: 'udp', protocol: 17, port: 53 }];
  return slice(name, endpoints, { family, service: random.pick(NAMES), ports: ports.filter(() => random.next() < 0.8) });
}

/** One event on the objects: put or delete of one; unchanged objects keep their identity. */
function step(random: Random, state: Snapshot): Snapshot {
  const next = { services: new Map(state.services), endpointSlices: new Map(state.endpointSlices), nodes: state.nodes, pods: new Map(state.pods) };
  const n = random.next();
  if (n < 0.4) {
    const name = random.pick(NAMES);
    if (random.next() < 0.3) next.services.delete(`shop/${name}`);
    else next.services.set(`shop/${name}`, randomService(random, name));
  } else if (n < 0.5) {
    const name = random.pick(PODS);
    if (random.next() < 0.3) next.pods.delete(`shop/${name}`);
    else next.pods.set(`shop/${name}`, pod(name, random.pick([[], [hostPort(30_080, 80)], [hostPort(53, 53, { protocol: 17 }), hostPort(8080, random.pick([80, 81]))]]), { finished: random.next() < 0.2 }));
  } else if (n < 0.95) {
    const name = `s${random.below(10)}`;
    if (random.next() < 0.3) next.endpointSlices.delete(`shop/${name}`);
    else next.endpointSlices.set(`shop/${name}`, randomSlice(random, name));
  } else {
    next.nodes = snapshot([], [], random.pick(['', 'z1', 'z2'])).nodes;
  }
  return { ...state, ...next };
}

/** States that follow from each other, event by event. */
export function history(length: number, random: Random): Snapshot[] {
  const states = [snapshot([], [])];
  while (states.length <= length) states.push(step(random, states.at(-1)!));
  return states.slice(1);
}
