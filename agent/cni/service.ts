import { Serial } from '../ipam/serial.js';
import type { Pod } from '../model/objects.js';
import { adopt, type Adoption } from './adopt.js';
import type { CniContext } from './context.js';
import { createHandler, deviceTurn } from './handler.js';
import { DelQueue } from './queue.js';
import { recover, type Recovery } from './recover.js';
import { CniServer } from './server.js';

export interface CniOptions {
  /** `/run/canal/cni.sock` */
  readonly socket: string;
  /** `/var/lib/canal/cni/queue` */
  readonly queue: string;
  /** Address directories that are ours even where no endpoint is recorded: `/var/lib/cni/networks/<network>`. */
  readonly addressDirectories: readonly string[];
  /** libcni's files on past ADDs: `/var/lib/cni/results`. */
  readonly resultCache: string;
  /** Between two looks at the queue. */
  readonly replayMs?: number;
  /** For one request; see CniServerOptions. */
  readonly deadlineMs?: number;
}

/** CNI as the daemon runs it. */
export interface CniService {
  /** What start found and mended. */
  readonly recovery: Recovery;
  /** Takes over what another plugin attached; see {@link adopt}. @param pods this node's */
  adopt(pods: readonly Pod[]): Promise<Adoption>;
  /** Stops accepting, finishes what was begun. */
  close(): Promise<void>;
}

/**
 * Recovers, replays what the plugin queued meanwhile, then serves. Recovery comes before the
 * first request, because an ADD under way looks like one that was killed.
 */
export async function startCni(context: CniContext, options: CniOptions): Promise<CniService> {
  const queue = new DelQueue(options.queue, context.log);
  const turns = new Serial();
  const handler = createHandler(context, queue, turns);
  for (const problem of context.endpoints.problems) context.log.error({ problem }, 'endpoint record cannot be read; its pod is not known');
  await queue.replay(handler);
  const recovery = await recover(context, options.addressDirectories);
  for (const endpoint of context.endpoints.ready()) if (endpoint.pod !== '') context.annotator.attached(endpoint); // the last agent may have died before the API server was told
  const { socket, deadlineMs } = options;
  const server = new CniServer(deadlineMs === undefined ? { path: socket } : { path: socket, deadlineMs }, handler, context.log);
  await server.listen();
  const stopping = new AbortController();
  const replaying = replayUntil(stopping.signal, context, options.replayMs ?? 10_000, async () => {
    const { done, kept, rejected } = await queue.replay(handler);
    if (done + kept + rejected > 0) context.log.info({ done, kept, rejected }, 'queued DELs replayed');
  });
  return {
    recovery,
    adopt: (pods) => adopt(context, pods, options, (device, work) => turns.run(deviceTurn(device), work)),
    close: async () => {
      stopping.abort();
      await Promise.all([server.close(), replaying]);
    },
  };
}

async function replayUntil(signal: AbortSignal, context: CniContext, everyMs: number, replay: () => Promise<void>): Promise<void> {
  for (;;) {
    await context.clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    await replay().catch((error: unknown) => context.log.warn({ err: error }, 'queued DELs cannot be replayed; will retry'));
  }
}
