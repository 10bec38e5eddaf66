import { Cidr } from '../../base/address.js';
import { isTerminating } from '../world/objects.js';
import { ENDPOINT_SLICES, NODES, SERVICE_ACCOUNTS } from '../world/resources.js';
import type { World } from '../world/world.js';
import { refOf, type Action } from './action.js';

/** Each namespace gets its service account `default`. */
export function serviceAccounts(world: World): Action[] {
  const present = new Set(world.serviceAccounts.filter(({ metadata }) => metadata.name === 'default').map(({ metadata }) => metadata.namespace));
  return world.namespaces
    .filter((namespace) => !isTerminating(namespace) && !present.has(namespace.metadata.name))
    .map(({ metadata: { name: namespace } }) => ({
      verb: 'create',
      resource: SERVICE_ACCOUNTS,
      namespace,
      object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } },
    }));
}

/** Each node gets the first free block of the cluster's pod addresses. */
export function podCidrs(world: World, cluster: Cidr, blockLength: number): Action[] {
  const taken = new Set(world.nodes.map((node) => node.spec?.podCIDR).filter((cidr) => cidr !== undefined));
  const blocks = freeBlocks(cluster, blockLength, taken);
  return world.nodes
    .filter((node) => node.spec?.podCIDR === undefined)
    .sort((a, b) => a.metadata.name.localeCompare(b.metadata.name, 'en', { numeric: true }))
    .flatMap((node) => {
      const block = blocks.next().value;
      if (block === undefined) return [];
      return [{ verb: 'patch', resource: NODES, ref: refOf(node), body: { spec: { podCIDR: block, podCIDRs: [block] } }, kind: 'merge' } as const];
    });
}

function* freeBlocks(cluster: Cidr, blockLength: number, taken: ReadonlySet<string>): Generator<string, undefined> {
  const size = 2 ** ((cluster.family === 4 ? 32 : 128) - blockLength);
  for (let i = 0; i < 2 ** (blockLength - cluster.length); i++) {
    const block = Cidr.of(cluster.address.plus(i * size), blockLength).text;
    if (!taken.has(block)) yield block;
  }
  return undefined;
}

/** Where the service `kubernetes` leads: the API server as the nodes reach it. */
export function apiServerSlice(world: World, address: string, port: number): Action[] {
  if (!world.services.some(({ metadata }) => metadata.namespace === 'default' && metadata.name === 'kubernetes')) return [];
  if (world.endpointSlices.some(({ metadata }) => metadata.namespace === 'default' && metadata.name === 'kubernetes')) return [];
  const object = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', protocol: 'TCP', port }],
  };
  return [{ verb: 'create', resource: ENDPOINT_SLICES, namespace: 'default', object }];
}
