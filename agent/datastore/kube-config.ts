import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
// The leaf modules, not the package: its index and config.js load 842 generated
// models, 74 MB resident; these cost 3 (README.md, "Memory").
import { newClusters, newContexts, newUsers, type Cluster, type Context, type User } from '@kubernetes/client-node/dist/config_types.js';
import { parse } from 'yaml';
import type { Clock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';
import type { Connection, ConnectionOptions, Credentials, TlsMaterial } from './connection.js';
import { ExecCredential } from './exec-credential.js';
import { RotatingFile } from './rotating-file.js';
import { parseServer } from './server-url.js';

/** The connection of a kubeconfig's context; several files are merged as kubectl does: the first to name a thing wins. */
export function kubeConfigConnection(files: readonly string[], options: ConnectionOptions): Connection {
  const merged = files.map(readConfig);
  const origin = files.join(':');
  const find = <T extends { name: string }>(kind: string, name: string, of: (config: Config) => T[]): T => {
    const found = merged.flatMap(of).find((one) => one.name === name);
    if (found === undefined) throw new CanalError('CONFIG', `${origin}: no ${kind} "${name}"`, { subject: origin });
    return found;
  };
  const contextName = options.context ?? merged.map((c) => c.currentContext).find((name) => name !== '') ?? '';
  const context = find('context', contextName, (c) => c.contexts);
  const cluster = find('cluster', context.cluster, (c) => c.clusters);
  const user: User = context.user ? find('user', context.user, (c) => c.users) : { name: '' };
  refuseUnsupported(cluster, user, origin);
  return connect(cluster, user, origin, options);
}

interface Config {
  readonly clusters: Cluster[];
  readonly contexts: Context[];
  readonly users: (User & { readonly tokenFile?: string })[];
  readonly currentContext: string;
}

function readConfig(file: string): Config {
  try {
    const raw: unknown = parse(readFileSync(file, 'utf8'));
    const root = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
    const absolute = (path: string | undefined): string | undefined =>
      path === undefined || path === null || isAbsolute(path) ? path : join(dirname(file), path);
    const sources = namedUsers(root['users']);
    return {
      clusters: newClusters(root['clusters']).map((c) => ({ ...c, caFile: absolute(c.caFile)! })),
      contexts: newContexts(root['contexts']),
      users: newUsers(sources.map(({ tokenFile: _, ...rest }) => rest)).map((user, i) => ({
        ...user,
        certFile: absolute(user.certFile)!,
        keyFile: absolute(user.keyFile)!,
        ...(sources[i]?.tokenFile === undefined ? {} : { tokenFile: absolute(sources[i].tokenFile)! }),
      })),
      currentContext: typeof root['current-context'] === 'string' ? root['current-context'] : '',
    };
  } catch (cause) {
    throw new CanalError('CONFIG', `${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { subject: file, cause });
  }
}

/** Users with `tokenFile` taken out of them: client-node reads it once, which misses rotation. */
function namedUsers(raw: unknown): { name: unknown; user: unknown; tokenFile: string | undefined }[] {
  return (Array.isArray(raw) ? raw : []).map((entry: { name?: unknown; user?: Record<string, unknown> } | null) => {
    const { tokenFile, 'token-file': dashed, ...user } = entry?.user ?? {};
    const file = tokenFile ?? dashed;
    return { name: entry?.name, user, tokenFile: typeof file === 'string' ? file : undefined };
  });
}

function refuseUnsupported(cluster: Cluster, user: User, origin: string): void {
  const refuse = (what: string): never => {
    throw new CanalError('CONFIG', `${origin}: ${what}`, { subject: origin });
  };
  if (cluster.proxyUrl) refuse(`cluster "${cluster.name}": proxy-url is not supported`);
  if (user.authProvider) refuse(`user "${user.name}": auth-provider was removed from Kubernetes 1.26; use exec`);
}

function connect(cluster: Cluster, user: User & { readonly tokenFile?: string }, origin: string, options: ConnectionOptions): Connection {
  const server = parseServer(options.apiUrl || cluster.server, options.apiUrl ? '--kube-api-url' : origin);
  const source = (data: string | undefined, file: string | undefined): Source => material(data, file, options.clock);
  const ca = source(cluster.caData, cluster.caFile);
  const cert = source(user.certData, user.certFile);
  const key = source(user.keyData, user.keyFile);
  const tokenFile = user.tokenFile === undefined ? undefined : new RotatingFile(user.tokenFile, options.clock);
  const exec = user.exec ? new ExecCredential(user, cluster, options.clock) : undefined;
  let tls: TlsMaterial = {};
  return {
    server,
    origin,
    invalidate() {
      tokenFile?.invalidate();
      exec?.invalidate();
    },
    async credentials(): Promise<Credentials> {
      const given = await exec?.get();
      const token = given?.token ?? (tokenFile ? (await tokenFile.content()).toString().trim() : user.token);
      tls = stable(tls, {
        ca: await ca(),
        cert: given?.cert ?? (await cert()),
        key: given?.key ?? (await key()),
        servername: cluster.tlsServerName || undefined,
        rejectUnauthorized: cluster.skipTLSVerify ? false : undefined,
      });
      return { headers: authHeaders(user, token), tls };
    },
  };
}

type Source = () => Promise<Buffer | undefined>;

/** Certificates given in the file itself (base64) or by path; the former wins, as in kubectl. */
function material(data: string | undefined, file: string | undefined, clock: Clock): Source {
  if (data) {
    const decoded = Buffer.from(data, 'base64');
    return () => Promise.resolve(decoded);
  }
  if (!file) return () => Promise.resolve(undefined);
  const rotating = new RotatingFile(file, clock);
  return () => rotating.content();
}

/** `next` without its undefined parts; `last` itself when nothing differs. */
function stable(last: TlsMaterial, next: { [K in keyof TlsMaterial]: TlsMaterial[K] | undefined }): TlsMaterial {
  const given = Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined)) as TlsMaterial;
  const keys = Object.keys({ ...last, ...given }) as (keyof TlsMaterial)[];
  return keys.every((key) => last[key] === given[key]) ? last : given;
}

function authHeaders(user: User, token: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  if (token) headers['authorization'] = `Bearer ${token}`;
  else if (user.username) headers['authorization'] = `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`;
  if (user.impersonateUser) headers['impersonate-user'] = user.impersonateUser;
  return headers;
}
