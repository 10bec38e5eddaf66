import { setTimeout as pause } from 'node:timers/promises';

export interface EventuallyOptions {
  readonly withinMs: number;
  readonly everyMs?: number;
}

/**
 * Asks until there is nothing to complain about. @returns how long that took, in ms
 * @param complaint undefined, or an empty string or list, when all is well; also what it throws is a complaint
 */
export async function eventually(what: string, complaint: () => unknown, { withinMs, everyMs = 20 }: EventuallyOptions): Promise<number> {
  const started = performance.now();
  for (;;) {
    const asked = performance.now();
    const said = await answer(complaint);
    if (said === '') return asked - started;
    if (asked - started > withinMs) throw new Error(`${what}: not within ${withinMs} ms: ${said}`);
    await pause(everyMs);
  }
}

async function answer(complaint: () => unknown): Promise<string> {
  try {
    const said = await complaint();
    return said === undefined ? '' : Array.isArray(said) ? said.join('\n') : String(said);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
