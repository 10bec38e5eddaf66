import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { NodeKernel } from './node-kernel.js';

const LOOK_MS = 1000;
/** Each takes the lock of all devices for some milliseconds: whoever waits for that comes in between. */
const PAUSE_MS = 50;

/** Until the signal aborts: moves pods' programs to their quicker hook, one after another, while no pod comes. One that cannot be moved stays where it is. */
export async function upgradeHooks(kernel: Pick<NodeKernel, 'upgradeHook'>, clock: Clock, log: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(LOOK_MS, signal);
    while (!signal.aborted && (await one(kernel, log))) await clock.sleep(PAUSE_MS, signal);
  }
}

async function one(kernel: Pick<NodeKernel, 'upgradeHook'>, log: Logger): Promise<boolean> {
  try {
    return await kernel.upgradeHook();
  } catch (error) {
    log.debug({ err: error }, 'a pod\'s program stays at its filter');
    return true;
  }
}
