import { systemClock } from '../base/clock.js';
import { createLogger, type Logger } from '../base/log.js';
import { VERSION } from '../base/version.js';
import type { MapSizes } from '../kernel/bpf-object.js';
import type { AgentSettings } from '../model/settings.js';
import { startAgent, type Agent } from './agent.js';
import { optimiseLater } from './engine.js';

/** Longest that a clean stop may take; then the process ends anyway, which harms nothing: the kernel's state is complete at every moment. */
const CLOSE_DEADLINE_MS = 10_000;

/**
 * The agent as a process: runs until SIGTERM or SIGINT, then stops accepting,
 * finishes what it is doing and leaves the kernel as it is. Where a map must
 * become larger it stops and starts again within the process, which nobody has to notice.
 * @param ignored settings that were given and mean nothing to canal
 */
export async function runAgent(settings: AgentSettings, ignored: readonly string[]): Promise<void> {
  optimiseLater();
  const log = createLogger(settings.logLevel, { node: settings.nodeName });
  log.info({ version: VERSION, pid: process.pid, nodeVersion: process.version }, 'agent starting');
  if (ignored.length > 0) log.info({ settings: ignored }, 'settings that have no meaning here');
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  process.on('unhandledRejection', (error) => {
    log.error({ err: error }, 'unhandled rejection');
    process.exit(1);
  });

  let grown: MapSizes = {};
  let failure: { readonly error: unknown } | undefined;
  while (!stop.signal.aborted) {
    const over = new AbortController();
    const grow = (rows: MapSizes): void => {
      if (!over.signal.aborted) log.info({ rows }, 'maps have hardly room for what is wanted: starting anew with larger ones');
      grown = { ...grown, ...rows };
      over.abort();
    };
    const fail = (error: unknown): void => {
      failure = { error };
      stop.abort();
    };
    const agent = await startAgent({ settings, log, clock: systemClock, signal: stop.signal, restart: () => stop.abort(), fail, grown, grow });
    await aborted(AbortSignal.any([stop.signal, over.signal]));
    await closed(agent, log);
  }
  if (failure !== undefined) throw failure.error;
  log.info('agent stopped');
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

async function closed(agent: Agent, log: Logger): Promise<void> {
  const late = setTimeout(() => {
    log.warn('stop took too long');
    process.exit(0);
  }, CLOSE_DEADLINE_MS);
  await agent.close();
  clearTimeout(late);
}
