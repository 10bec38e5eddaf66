import { ENDPOINT_SLICES, SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';

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
