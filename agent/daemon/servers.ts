import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { serve, type Handler, type HttpServer, type ListenAddress } from '../observe/http-server.js';

const RETRY_MS = 5000;

/**
 * The agent's HTTP servers. One that cannot listen (its port is a
 * predecessor's, say) is tried again and shown as a problem; it never keeps the
 * agent from its work.
 */
export class Servers {
  readonly #open: HttpServer[] = [];
  readonly #problems = new Map<string, string>();
  readonly #stop = new AbortController();
  readonly #starting: Promise<void>[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  add(name: string, address: ListenAddress, handler: Handler): void {
    this.#starting.push(this.#start(name, address, handler));
  }

  problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#starting);
    await Promise.all(this.#open.map((server) => server.close()));
  }

  async #start(name: string, address: ListenAddress, handler: Handler): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        this.#open.push(await serve(address, handler));
        this.#problems.delete(name);
        this.log.info({ server: name, ...address }, 'listening');
        return;
      } catch (error) {
        if (!this.#problems.has(name)) this.log.warn({ err: error, server: name }, 'cannot listen, will retry');
        this.#problems.set(name, `${name}: ${(error as Error).message}`);
        await this.clock.sleep(RETRY_MS, this.#stop.signal);
      }
    }
  }
}
