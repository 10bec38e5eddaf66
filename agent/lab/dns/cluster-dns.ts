import { once } from 'node:events';
import { Cidr } from '../../base/address.js';
import { systemClock } from '../../base/clock.js';
import { CanalError } from '../../base/errors.js';
import { createLogger } from '../../base/log.js';
import { createKubeClient } from '../../datastore/client.js';
import { loadConnection } from '../../datastore/load-connection.js';
import { cli } from '../machine/layout.js';
import type { LabStatus } from '../status.js';
import { ENDPOINT_SLICES, SERVICES } from '../world/resources.js';
import { Caches } from '../world/world.js';
import { serveDns } from './server.js';

/** The service's address: the tenth, as everywhere. Throws CanalError CONFIG where there cannot be one. */
export function dnsAddress(serviceCidr: string, kubeconfig: string | undefined): string {
  if (kubeconfig !== undefined) throw new CanalError('CONFIG', '--dns goes with the embedded API server: the cluster of --kubeconfig has its own name server');
  const services = Cidr.parse(serviceCidr);
  if (services === undefined) throw new CanalError('CONFIG', `--service-cidr ${serviceCidr}: no CIDR`);
  return services.address.plus(10).text;
}

export const servesDns = ({ pods }: LabStatus): boolean => pods.some(({ namespace, name, ready }) => namespace === 'kube-system' && name.startsWith('coredns-') && ready);

/** The name server as clusters have it: policies that let pods ask it name the same namespace, labels and ports. */
export function dnsManifest(clusterIP: string): object[] {
  const metadata = { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };
  const selector = { 'k8s-app': 'kube-dns' };
  const container = {
    name: 'coredns',
    image: 'canal-lab-dns',
    command: [process.execPath, cli(), 'lab', 'dns', '--kubeconfig', '/etc/canal/kubeconfig'],
    ports: [{ name: 'dns', containerPort: 53, protocol: 'UDP' }, { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' }],
    readinessProbe: { tcpSocket: { port: 53 }, periodSeconds: 1 },
  };
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { ...metadata, name: 'kube-dns' }, spec: { clusterIP, selector, ports: [{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...metadata, name: 'coredns' },
      spec: { replicas: 1, selector: { matchLabels: selector }, template: { metadata: { labels: selector }, spec: { terminationGracePeriodSeconds: 1, dnsPolicy: 'Default', containers: [container] } } },
    },
  ];
}

/** The name server's process, in its pod: follows services and their endpoints, and answers until it is told to end. */
export async function runClusterDns(kubeconfig: string, port: number): Promise<void> {
  const log = createLogger('info', { component: 'dns' });
  const stop = new AbortController();
  const client = createKubeClient(await loadConnection({ kubeconfig, env: {}, clock: systemClock }), systemClock);
  const caches = new Caches();
  await caches.follow({ client, clock: systemClock, log, signal: stop.signal }, [SERVICES, ENDPOINT_SLICES]);
  const server = await serveDns({ address: '0.0.0.0', port, objects: () => ({ services: caches.services.list(), endpointSlices: caches.endpointSlices.list() }) });
  log.info({ port: server.port }, 'serving DNS');
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  stop.abort();
  server.close();
  client.close();
}
