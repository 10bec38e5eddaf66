import { PORT } from './lab-plan.js';
import type { Path } from './report.js';

/** A Service of the benchmark. The last two lead to the pods that are asked; the others to addresses where nobody is. */
export interface BenchService {
  readonly name: string;
  /** Undefined: the API server gives one. */
  readonly clusterIp: string | undefined;
  readonly ports: readonly { readonly name: string; readonly protocol: 'TCP' | 'UDP' }[];
  readonly endpoints: readonly string[];
}

/** Of every service. */
export const SERVICE_PORT = 80;
export const SERVICE_CIDR = '10.43.0.0/16';
const TCP = { name: 'http', protocol: 'TCP' } as const;
const UDP = { name: 'dns', protocol: 'UDP' } as const;

/** Address of the service that is asked on a path, listed last or next to it. */
export const serviceAddress = (count: number, path: Path): string => clusterIp(path === 'across' ? count - 1 : count - 2);

/**
 * `count` services of one port and two endpoints each. Those that are asked
 * have one endpoint, which is on one path, and UDP too.
 */
export function benchServices(count: number, pods: Readonly<Record<Path, string>>): BenchService[] {
  return Array.from({ length: count }, (_, i) => {
    const path = i === count - 1 ? 'across' : i === count - 2 ? 'same' : undefined;
    const common = { name: `svc-${String(i).padStart(6, '0')}`, clusterIp: clusterIp(i) };
    if (path !== undefined) return { ...common, ports: [TCP, UDP], endpoints: [pods[path]] };
    return { ...common, ports: [TCP], endpoints: [0, 1].map((j) => `10.42.${2 + (i % 200)}.${2 + ((i >> 7) % 120) * 2 + j}`) };
  });
}

/** Clear of what a cluster takes for itself. */
function clusterIp(i: number): string {
  const at = i + 256;
  return `10.43.${at >> 8}.${at & 255}`;
}

/** The service and its slice, as `kubectl apply` takes them. */
export function serviceObjects(service: BenchService, namespace: string): readonly Readonly<Record<string, unknown>>[] {
  const { name, clusterIp: address, ports, endpoints } = service;
  const spec = { ports: ports.map((port) => ({ ...port, port: SERVICE_PORT, targetPort: PORT })), ...(address === undefined ? {} : { clusterIP: address, clusterIPs: [address] }) };
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec },
    {
      apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: `${name}-bench`, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: endpoints.map((each) => ({ addresses: [each], conditions: { ready: true } })),
      ports: ports.map((port) => ({ ...port, port: PORT })),
    },
  ];
}
