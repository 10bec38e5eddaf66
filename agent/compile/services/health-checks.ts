import type { Problem } from '../../base/errors.js';
import type { Service } from '../../model/service.js';
import type { PortEndpoint } from './merge.js';

/** What a load balancer that asks spec.healthCheckNodePort of this node is told. */
export interface HealthCheck {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** Ready endpoints on this node, each address once. */
  readonly localEndpoints: number;
}

/** @param here endpoints on this node, of all the service's ports; undefined: nobody asks */
export function healthCheck({ namespace, name, healthCheckNodePort: port }: Service, here: Iterable<PortEndpoint>): HealthCheck | undefined {
  if (port === 0) return undefined;
  const addresses = new Set<string>();
  // Terminating ones answer those who know them, but no balancer should send more here (as kube-proxy).
  for (const endpoint of here) if (endpoint.ready) addresses.add(endpoint.address.text);
  return { namespace, name, port, localEndpoints: addresses.size };
}

/** One for each port; of two services that want the same, the first by name has it. */
export function byPort(checks: Iterable<HealthCheck>): { readonly ports: ReadonlyMap<number, HealthCheck>; readonly problems: readonly Problem[] } {
  const ports = new Map<number, HealthCheck>();
  const problems: Problem[] = [];
  for (const check of [...checks].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))) {
    const owner = ports.get(check.port);
    if (owner === undefined) ports.set(check.port, check);
    else problems.push({ object: `Service ${nameOf(check)}`, field: 'spec.healthCheckNodePort', message: `${check.port} belongs to Service ${nameOf(owner)}` });
  }
  return { ports, problems };
}

const nameOf = ({ namespace, name }: HealthCheck): string => `${namespace}/${name}`;
