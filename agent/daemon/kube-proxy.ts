import { get } from 'node:http';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { PROXY_MODE } from '../observe/health.js';

/** Where kube-proxy says its mode, unless its metricsBindAddress is another. */
const MODE_URL = 'http://127.0.0.1:10249/proxyMode';
const ANSWER_MS = 1000;
const LOOK_MS = 30_000;
/** An upgrade of kube-proxy takes less: its rules stay meanwhile, and so do services. */
const GONE_AFTER_LOOKS = 4;
/** kube-proxy's device in ipvs mode; also there while it does not answer. */
const IPVS_DEVICE = 'kube-ipvs0';

export interface KubeProxyOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Names of the node's devices. */
  readonly devices: () => readonly string[];
  /** Asks for the mode; undefined: nobody answers. Tests answer themselves. */
  readonly ask?: () => Promise<string | undefined>;
  /** kube-proxy came, or has been gone for a while. */
  readonly onChange: (mode: string | undefined) => void;
}

/** Whether a kube-proxy translates services on this node: looked for at start, and each half minute. */
export class KubeProxyWatch {
  #mode: string | undefined;
  #absent = 0;
  readonly #stop = new AbortController();
  #watching: Promise<void> | undefined;

  constructor(private readonly options: KubeProxyOptions) {}

  /** `nftables`, `iptables`, `ipvs`; undefined: there is none. */
  get mode(): string | undefined {
    return this.#mode;
  }

  /** The first look; those after it follow by themselves. */
  async start(): Promise<string | undefined> {
    this.#mode = await this.#look();
    this.#watching = this.#watch();
    return this.#mode;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { clock } = this.options;
    for (;;) {
      await clock.sleep(LOOK_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      this.#note(await this.#look());
    }
  }

  #note(found: string | undefined): void {
    this.#absent = found === undefined ? this.#absent + 1 : 0;
    if (found === this.#mode || (found === undefined && this.#absent < GONE_AFTER_LOOKS)) return;
    const before = this.#mode;
    this.#mode = found;
    this.options.log.warn({ before: before ?? null, now: found ?? null }, 'kube-proxy on this node has changed');
    this.options.onChange(found);
  }

  async #look(): Promise<string | undefined> {
    const mode = await (this.options.ask ?? askMode)();
    return (mode === PROXY_MODE ? undefined : mode) ?? (this.options.devices().includes(IPVS_DEVICE) ? 'ipvs' : undefined);
  }
}

function askMode(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const none = (): void => resolve(undefined);
    const request = get(MODE_URL, { timeout: ANSWER_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('error', none);
      response.on('end', () => resolve(response.statusCode === 200 && /^[a-z]{1,20}$/.test(text.trim()) ? text.trim() : undefined));
    });
    request.on('timeout', () => request.destroy()).on('error', none);
  });
}
