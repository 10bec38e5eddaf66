import { ENDPOINT_SLICES, SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { ServiceView } from '../../agent/observe/views.js';
import { askAgent } from './cluster.js';
import { eventually } from './eventually.js';

/** Port of all these services, and of their backends. */
export const PORT = 80;
export const TARGET = 8080;

/** A service without selector in namespace `x`: its endpoints are what `setEndpoints` says. */
export async function createService(lab: Lab, name: string, endpoints: readonly string[]): Promise<string> {
  const ports = (['TCP', 'UDP'] as const).map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: PORT }));
  const made = await lab.client.create(SERVICES, 'x', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'x' }, spec: { ports } });
  await lab.client.create(ENDPOINT_SLICES, 'x', {
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: `${name}-1`, namespace: 'x', labels: { 'kubernetes.io/service-name': name } }, addressType: 'IPv4',
    ports: ports.map((port) => ({ ...port, port: TARGET })), endpoints: endpoints.map(endpoint),
  });
  return (made as { spec: { clusterIP: string } }).spec.clusterIP;
}

/** Ready ones, by address. */
export async function setEndpoints(lab: Lab, service: string, addresses: readonly string[]): Promise<void> {
  await lab.client.patch(ENDPOINT_SLICES, { namespace: 'x', name: `${service}-1` }, 'merge', { endpoints: addresses.map(endpoint) });
}

const endpoint = (address: string): object => ({ addresses: [address], conditions: { ready: true } });

/** Resolves when the nodes' kernels lead new connections to exactly these. */
export async function serviceLeadsTo(lab: Lab, name: string, addresses: readonly string[], nodes: readonly number[] = [1, 2]): Promise<void> {
  const want = addresses.map((address) => `${address}:${TARGET}`).sort().join();
  await eventually(`${name} leads to ${want}`, async () => {
    const views = await Promise.all(nodes.map((node) => askAgent<ServiceView[]>(lab, node, '/v1/services', { name: `x/${name}` })));
    return views.flatMap(([view], i) => {
      const found = [...new Set(view?.backends.filter(({ kernel }) => kernel).map(({ address }) => address))].sort().join();
      return view?.state === 'in force' && found === want ? [] : [`node ${nodes[i]}: ${view?.state}, ${found}`];
    });
  }, { withinMs: 10_000 });
}
