import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { CanalError } from '../base/errors.js';
import type { Connection, ConnectionOptions, TlsMaterial } from './connection.js';
import { RotatingFile } from './rotating-file.js';
import { parseServer } from './server-url.js';

export type { ConnectionOptions };

const ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Finds the API server: the kubeconfig that was asked for; the files of
 * KUBECONFIG, unless a URL is given; the pod's own account; the URL alone, as
 * nobody. Throws CanalError CONFIG that says what is wrong or that there is nothing.
 */
export async function loadConnection(options: ConnectionOptions): Promise<Connection> {
  const { apiUrl, env } = options;
  const files = options.kubeconfig ? [options.kubeconfig] : apiUrl ? [] : (env['KUBECONFIG'] ?? '').split(':').filter(Boolean);
  if (files.length > 0) {
    // Only here, so that an agent in a pod never loads a YAML parser for this.
    const { kubeConfigConnection } = await import('./kube-config.js');
    return kubeConfigConnection(files, options);
  }
  const account = accountConnection(options);
  if (account !== undefined) return account;
  if (apiUrl) return anonymous(parseServer(apiUrl, '--kube-api-url'), 'flag');
  throw new CanalError('CONFIG', 'no API server: give --kubeconfig-file or --kube-api-url, set KUBECONFIG, or run in a pod with a service account');
}

function anonymous(server: URL, origin: string): Connection {
  const credentials = { headers: {}, tls: {} };
  return { server, origin, credentials: () => Promise.resolve(credentials), invalidate: () => undefined };
}

/** The pod's account, also under an explicit https URL: Canal clusters point agents past kube-proxy that way. */
function accountConnection(options: ConnectionOptions): Connection | undefined {
  const { env, apiUrl, clock } = options;
  const dir = options.accountDir ?? ACCOUNT_DIR;
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  if (!existsSync(join(dir, 'token')) || (!apiUrl && !host)) return undefined;
  const server = apiUrl
    ? parseServer(apiUrl, '--kube-api-url')
    : parseServer(`https://${isIPv6(host!) ? `[${host}]` : host}:${port}`, 'KUBERNETES_SERVICE_HOST');
  // A token never goes out in clear text.
  if (server.protocol !== 'https:') return undefined;

  const token = new RotatingFile(join(dir, 'token'), clock);
  const ca = new RotatingFile(join(dir, 'ca.crt'), clock);
  let tls: TlsMaterial = {};
  return {
    server,
    origin: 'in-cluster',
    invalidate: () => token.invalidate(),
    async credentials() {
      const authority = await ca.content();
      if (tls.ca !== authority) tls = { ca: authority };
      return { headers: { authorization: `Bearer ${(await token.content()).toString().trim()}` }, tls };
    },
  };
}
