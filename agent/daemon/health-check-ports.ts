import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { HealthCheck } from '../compile/services/health-checks.js';
import { serve, type Answer, type HttpServer } from '../observe/http-server.js';

/** A port that somebody else has is tried again this often. */
const RETRY_MS = 5000;

interface Listener {
  check: HealthCheck;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

export interface HealthCheckPortsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether the node's services are in force. */
  readonly healthy: () => boolean;
  /** Address to listen on; all by default. */
  readonly host?: string;
}

/**
 * The HTTP servers on spec.healthCheckNodePort of services with external policy
 * Local: by them a cloud's load balancer knows which nodes have endpoints. Body,
 * headers and codes are kube-proxy's (pkg/proxy/healthcheck/service_health.go).
 */
export class HealthCheckPorts {
  readonly #listeners = new Map<number, Listener>();
  readonly #problems = new Map<number, string>();
  /** Of servers that are being closed: one on the same port comes after them. */
  readonly #closing = new Map<number, Promise<void>>();

  constructor(private readonly options: HealthCheckPortsOptions) {}

  /** Listens on these ports and no others. */
  want(checks: ReadonlyMap<number, HealthCheck>): void {
    for (const port of this.#listeners.keys()) if (!checks.has(port)) this.#stop(port);
    for (const [port, check] of checks) {
      const listener = this.#listeners.get(port);
      if (listener === undefined) this.#start(port, check);
      else listener.check = check;
    }
  }

  /** Ports that cannot be listened on, and why. */
  problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  async close(): Promise<void> {
    this.want(new Map());
    await Promise.all(this.#closing.values());
  }

  #start(port: number, check: HealthCheck): void {
    const stop = new AbortController();
    const listener: Listener = { check, stop, done: (this.#closing.get(port) ?? Promise.resolve()).then(() => this.#run(port, () => listener.check, stop.signal)) };
    this.#listeners.set(port, listener);
  }

  #stop(port: number): void {
    const { stop, done } = this.#listeners.get(port)!;
    this.#listeners.delete(port);
    stop.abort();
    const closing = done.finally(() => {
      if (this.#closing.get(port) === closing) this.#closing.delete(port);
    });
    this.#closing.set(port, closing);
  }

  async #run(port: number, check: () => HealthCheck, signal: AbortSignal): Promise<void> {
    const server = await this.#listen(port, check, signal);
    if (server === undefined) return;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await server.close();
  }

  async #listen(port: number, check: () => HealthCheck, signal: AbortSignal): Promise<HttpServer | undefined> {
    const { clock, log, healthy, host = '' } = this.options;
    while (!signal.aborted) {
      try {
        const server = await serve({ host, port }, () => answer(check(), healthy()));
        this.#problems.delete(port);
        return server;
      } catch (error) {
        const { namespace, name } = check();
        const problem = `Service ${namespace}/${name}: spec.healthCheckNodePort: ${(error as Error).message}`;
        if (!this.#problems.has(port)) log.warn({ err: error, service: `${namespace}/${name}`, port }, 'health-check port cannot be listened on, will retry');
        this.#problems.set(port, problem);
        await clock.sleep(RETRY_MS, signal);
      }
    }
    this.#problems.delete(port);
    return undefined;
  }
}

function answer({ namespace, name, localEndpoints }: HealthCheck, healthy: boolean): Answer {
  const body = `{\n\t"service": {\n\t\t"namespace": ${JSON.stringify(namespace)},\n\t\t"name": ${JSON.stringify(name)}\n\t},\n\t"localEndpoints": ${localEndpoints},\n\t"serviceProxyHealthy": ${healthy}\n}`;
  return {
    status: localEndpoints > 0 && healthy ? 200 : 503,
    type: 'application/json',
    headers: { 'x-content-type-options': 'nosniff', 'x-load-balancing-endpoint-weight': String(localEndpoints) },
    body,
  };
}
