import type { Logger } from '../base/log.js';
import { backendText, liveText, type LiveKey } from '../compile/services/rows.js';
import type { TranslatedSocket } from '../kernel/udp-sockets.js';

export interface StaleSocketsOptions {
  readonly sockets: () => readonly TranslatedSocket[];
  /** Whether the set still has the backend, as compile wants it. */
  readonly isLive: (key: string) => boolean;
  readonly log: Logger;
}

/**
 * A connected UDP socket of the node itself keeps to the backend that it was
 * given, and no program sees its datagrams again before they leave. So once a
 * backend is gone, the sockets that talk to it are ended: their owners get an
 * error at once instead of silence, and ask again. (Pods' sockets are moved by
 * from_pod.)
 */
export class StaleSockets {
  /** At first: a predecessor may have died between the removal of a backend and this. */
  #due = true;
  #told = '';

  constructor(private readonly options: StaleSocketsOptions) {}

  /** Backends have lost their row. */
  removed(keys: readonly LiveKey[]): void {
    if (keys.length > 0) this.#due = true;
  }

  /**
   * Looks for sockets if there is a reason to.
   * @param settled the kernel's rows are as wanted: otherwise new sockets may still come to a lost backend, and it looks again
   */
  sweep(settled: boolean): void {
    if (!this.#due) return;
    try {
      this.#abort();
      this.#due = !settled;
      this.#told = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#told) this.options.log.warn({ err: error }, 'connected UDP sockets cannot be ended, those of lost backends stay with them');
      this.#told = message;
    }
  }

  #abort(): void {
    const { sockets, isLive, log } = this.options;
    const stale = sockets().filter(({ service, backend }) => !isLive(liveText({ service, backend })));
    for (const socket of stale) socket.abort();
    if (stale.length > 0) log.info({ backends: [...new Set(stale.map(({ backend }) => backendText(backend)))].slice(0, 20), sockets: stale.length }, 'connected UDP sockets of lost backends ended');
  }
}
