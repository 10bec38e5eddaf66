import type { Cluster, User } from '@kubernetes/client-node/dist/config_types.js';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import type { Clock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';

/** What a credential plugin (`users[].user.exec`) gave. */
export interface ExecResult {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Ask again before it runs out, not after. */
const EARLY_MS = 30_000;

/**
 * A credential plugin's answer, kept until shortly before it runs out, or
 * until the server says 401 where the plugin names no end.
 */
export class ExecCredential {
  readonly #user: User;
  readonly #clock: Clock;
  #result: ExecResult | undefined;
  #expiresAt = 0;
  #running: Promise<ExecResult> | undefined;

  constructor(user: User, cluster: Cluster, clock: Clock) {
    this.#user = withExecInfo(user, cluster);
    this.#clock = clock;
  }

  /** Throws CanalError CONFIG when the plugin fails. Callers at the same time share one run. */
  get(): Promise<ExecResult> {
    if (this.#result !== undefined && this.#clock.now() < this.#expiresAt - EARLY_MS) return Promise.resolve(this.#result);
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this.#running;
  }

  invalidate(): void {
    this.#result = undefined;
  }

  async #run(): Promise<ExecResult> {
    // client-node's own cache asks anew at each request where no expiry is given, so each run is a fresh one.
    const plugin = new ExecAuth() as unknown as { getCredential(user: User): Promise<{ status?: ExecStatus } | null> };
    let status: ExecStatus;
    try {
      status = (await plugin.getCredential(this.#user))?.status ?? {};
    } catch (cause) {
      throw new CanalError('CONFIG', `credential plugin of user "${this.#user.name}" failed`, { subject: this.#user.name, cause });
    }
    const expires = Date.parse(status.expirationTimestamp ?? '');
    this.#expiresAt = Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires;
    this.#result = {
      ...(status.token ? { token: status.token } : {}),
      ...(status.clientCertificateData ? { cert: status.clientCertificateData } : {}),
      ...(status.clientKeyData ? { key: status.clientKeyData } : {}),
    };
    return this.#result;
  }
}

interface ExecStatus {
  readonly token?: string;
  readonly clientCertificateData?: string;
  readonly clientKeyData?: string;
  readonly expirationTimestamp?: string;
}

/** Plugins of client.authentication.k8s.io/v1 refuse to run without KUBERNETES_EXEC_INFO, which client-node does not set. */
function withExecInfo(user: User, cluster: Cluster): User {
  const exec = user.exec as { apiVersion?: string; env?: { name: string; value: string }[] | null };
  const info = {
    kind: 'ExecCredential',
    apiVersion: exec.apiVersion ?? 'client.authentication.k8s.io/v1',
    spec: { interactive: false, cluster: { server: cluster.server, 'certificate-authority-data': cluster.caData } },
  };
  return { ...user, exec: { ...exec, env: [...(exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }] } };
}
