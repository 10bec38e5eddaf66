import { systemClock } from '../base/clock.js';
import { createLogger } from '../base/log.js';
import { VERSION } from '../base/version.js';
import type { AgentSettings } from '../model/settings.js';
import { startAgent } from './agent.js';

/** Longest that a clean stop may take; then the process ends anyway, which harms nothing: the kernel's state is complete at every moment. */
const CLOSE_DEADLINE_MS = 10_000;

/**
 * The agent as a process: runs until SIGTERM or SIGINT, then stops accepting,
 * finishes what it is doing and leaves the kernel as it is.
 * @param ignored settings that were given and mean nothing to canal
 */
export async function runAgent(settings: AgentSettings, ignored: readonly string[]): Promise<void> {
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

  const agent = await startAgent({ settings, log, clock: systemClock, signal: stop.signal, restart: () => stop.abort() });
  await new Promise<void>((resolve) => (stop.signal.aborted ? resolve() : stop.signal.addEventListener('abort', () => resolve(), { once: true })));
  const late = setTimeout(() => {
    log.warn('stop took too long');
    process.exit(0);
  }, CLOSE_DEADLINE_MS);
  await agent.close();
  clearTimeout(late);
  log.info('agent stopped');
}
