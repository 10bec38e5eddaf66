import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { CanalError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { PodRuntime } from '../apiserver/pod-runtime.js';
import { startApiServer } from '../apiserver/server.js';
import { API_PORT, LAN_GATEWAY } from './machine/layout.js';

/** The API server of a lab, embedded or not. */
export interface ApiAccess {
  /** Text of the kubeconfig for the machine's own side. */
  readonly kubeconfig: string;
  /** The same for the nodes, which reach it at the gateway of their network. */
  readonly nodeKubeconfig: string;
  /** Where it listens, seen from the machine. */
  readonly endpoint: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

export interface EmbeddedApiOptions {
  readonly dataDir: string;
  readonly serviceCidr: string;
  readonly port: number;
  readonly podRuntime: PodRuntime;
  readonly log: Logger;
}

export async function embeddedApi(options: EmbeddedApiOptions): Promise<ApiAccess> {
  const { dataDir, serviceCidr, port, podRuntime, log } = options;
  const server = await startApiServer({ address: '127.0.0.1', port, dataDir, serviceCidr, podRuntime, logger: log.child({ component: 'apiserver' }) });
  return { kubeconfig: server.kubeconfig, ...reach(server.kubeconfig), close: () => server.close() };
}

/** The API server of a kubeconfig's current context. */
export function externalApi(file: string): ApiAccess {
  const kubeconfig = readFileSync(file, 'utf8');
  return { kubeconfig, ...reach(kubeconfig), close: () => Promise.resolve() };
}

interface Config {
  readonly clusters?: { readonly name: string; readonly cluster: Readonly<Record<string, unknown>> & { readonly server: string } }[];
  readonly contexts?: { readonly name: string; readonly context: { readonly cluster: string } }[];
  readonly 'current-context'?: string;
}

/** Rewrites a kubeconfig for the nodes. Its certificates hold: the name that they are checked against stays the server's own. */
export function reach(text: string): Pick<ApiAccess, 'nodeKubeconfig' | 'endpoint'> {
  const config = parse(text) as Config;
  const context = config.contexts?.find(({ name }) => name === config['current-context']);
  const cluster = config.clusters?.find(({ name }) => name === context?.context.cluster)?.cluster;
  if (cluster === undefined) throw new CanalError('CONFIG', 'kubeconfig has no current context with a cluster');
  const url = new URL(cluster.server);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const nodeCluster = { 'tls-server-name': secure ? host : undefined, ...cluster, server: `${url.protocol}//${LAN_GATEWAY}:${API_PORT}${url.pathname.replace(/\/$/, '')}` };
  const clusters = config.clusters!.map((one) => (one.cluster === cluster ? { ...one, cluster: nodeCluster } : one));
  return { nodeKubeconfig: stringify({ ...config, clusters }), endpoint: { host, port: Number(url.port || (secure ? 443 : 80)) } };
}
