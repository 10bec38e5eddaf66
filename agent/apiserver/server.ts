import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Cidr } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { createAdmission } from './admission.js';
import { Collector } from './collect/collector.js';
import { followDefinitions } from './custom-kinds.js';
import { handleRequest } from './http/api-handler.js';
import { ServiceAllocator } from './kinds/service-allocation.js';
import { InProcessClient } from './in-process-client.js';
import { kubeconfigFor } from './kubeconfig.js';
import { applyManifests } from './manifests.js';
import type { PodRuntime } from './pod-runtime.js';
import { builtInKinds } from './registry/kinds.js';
import { Registry } from './registry/registry.js';
import { Journal } from './storage/journal.js';
import { ObjectStore } from './storage/object-store.js';
import { handleUpgrade } from './streams/upgrade-handler.js';
import { bootstrap } from './bootstrap.js';
import type { ApiContext } from './verbs/context.js';

export interface ApiServerOptions {
  /** Default 127.0.0.1. There is no authentication: whoever reaches the port may do everything. */
  readonly address?: string;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Where objects persist; absent: memory only. */
  readonly dataDir?: string;
  /** Its *.yaml, *.yml and *.json files are applied at start, by name, as `kubectl apply --server-side --force-conflicts` would. */
  readonly manifestsDir?: string;
  /** Default 10.43.0.0/16; services get their cluster addresses from it. */
  readonly serviceCidr?: string;
  readonly podRuntime?: PodRuntime;
  readonly logger?: Logger;
}

export interface ApiServer {
  readonly url: string;
  /** Text of a kubeconfig that reaches this server. */
  readonly kubeconfig: string;
  /** For controllers in this process: same checks and defaults as over HTTP. */
  readonly client: InProcessClient;
  close(): Promise<void>;
}

/** Starts the embedded Kubernetes API server; resolves when it answers. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const journal = options.dataDir === undefined ? undefined : new Journal(options.dataDir);
  const store = new ObjectStore(journal);
  const registry = new Registry(builtInKinds());
  const services = new ServiceAllocator(store, serviceRange(options.serviceCidr ?? '10.43.0.0/16'));
  const context: ApiContext = { store, registry, now: Date.now, admission: createAdmission(store, services) };
  const stopDefinitions = followDefinitions(context);
  bootstrap(context, services);
  if (options.manifestsDir !== undefined) applyManifests(context, options.manifestsDir);
  const collector = new Collector(context, options.logger);
  const http = createServer((request, response) => void handleRequest(context, options.podRuntime, request, response));
  http.on('upgrade', (request, socket, head) => void handleUpgrade(context, options.podRuntime, request, socket, head));
  http.requestTimeout = 0; // watches and log streams stay open
  const url = await listen(http, options.address ?? '127.0.0.1', options.port ?? 0);
  return {
    url,
    kubeconfig: kubeconfigFor(url),
    client: new InProcessClient(context),
    close: async () => {
      collector.close();
      stopDefinitions();
      await closeServer(http);
      store.close();
    },
  };
}

function serviceRange(text: string): Cidr {
  const cidr = Cidr.parse(text);
  if (cidr === undefined) throw new CanalError('CONFIG', 'not a range of addresses', { subject: `service-cluster-ip-range=${text}` });
  return cidr;
}

async function listen(http: Server, address: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, address, resolve);
  });
  const bound = http.address() as AddressInfo;
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

function closeServer(http: Server): Promise<void> {
  return new Promise((resolve) => {
    http.close(() => resolve());
    http.closeAllConnections();
  });
}
