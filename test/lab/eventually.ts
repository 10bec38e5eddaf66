import { setTimeout as pause } from 'node:timers/promises';

type Complaint = () => string | readonly string[] | Promise<string | readonly string[]>;

export interface EventuallyOptions {
  readonly withinMs: number;
  readonly everyMs?: number;
}

/**
 * Asks until there is nothing to complain about. @returns how long that took, in ms
 * @param complaint empty when all is well; also what it throws is a complaint
 */
export async function eventually(what: string, complaint: Complaint, { withinMs, everyMs = 20 }: EventuallyOptions): Promise<number> {
  const started = performance.now();
  for (;;) {
    const asked = performance.now();
    const said = await answer(complaint);
    if (said === '') return asked - started;
    if (asked - started > withinMs) throw new Error(`${what}: not within ${withinMs} ms: ${said}`);
    await pause(everyMs);
  }
}

async function answer(complaint: Complaint): Promise<string> {
  try {
    const said = await complaint();
    return typeof said === 'string' ? said : said.join('\n');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
