import { readdirSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../base/log.js';
import { CniCode } from './cni-error.js';
import { decodeFrame, type CniHandler, type RawAnswer, type RawRequest } from './frame.js';

/** Longest that one queued request may take. */
const DEADLINE_MS = 30_000;

/** Answers that will be the same next time. */
const HOPELESS: readonly number[] = [CniCode.INCOMPATIBLE_VERSION, CniCode.UNSUPPORTED_FIELD, CniCode.INVALID_ENV, CniCode.DECODE, CniCode.INVALID_CONFIG];

/** Counts of one replay. */
export interface Replay {
  readonly done: number;
  /** Failed and kept for the next time. */
  readonly kept: number;
  /** Thrown away: no frame, no DEL, or refused for good. */
  readonly rejected: number;
}

/**
 * DELs that the plugin kept because the agent did not answer (native/cni/README.md): a
 * directory of request frames. Replaying is idempotent, because DEL is.
 */
export class DelQueue {
  constructor(
    private readonly directory: string,
    private readonly log: Logger,
  ) {}

  /** Serves what is queued, oldest first; of one container only where given. */
  async replay(handler: CniHandler, containerId?: string): Promise<Replay> {
    const count = { done: 0, kept: 0, rejected: 0 };
    for (const path of await this.paths()) {
      const request = await readRequest(path);
      if (request === undefined) continue; // another replay has done it
      if (containerId !== undefined && (request === 'malformed' || request.env.get('CNI_CONTAINERID') !== containerId)) continue;
      count[await this.serve(path, request, handler)]++;
    }
    return count;
  }

  private async serve(path: string, request: RawRequest | 'malformed', handler: CniHandler): Promise<keyof Replay> {
    if (request === 'malformed' || request.env.get('CNI_COMMAND') !== 'DEL') {
      this.log.warn({ path }, 'queued request is not a DEL; thrown away');
      await rm(path, { force: true });
      return 'rejected';
    }
    const answer = await handler(request, AbortSignal.timeout(DEADLINE_MS));
    const hopeless = answer.status !== 0 && HOPELESS.includes(codeOf(answer));
    if (answer.status !== 0 && !hopeless) return 'kept';
    if (hopeless) this.log.warn({ path, answer: answer.output }, 'queued DEL refused for good; thrown away');
    await rm(path, { force: true });
    return hopeless ? 'rejected' : 'done';
  }

  /** The plugin's unfinished files end in .tmp and are left to it. */
  private async paths(): Promise<string[]> {
    const paths = namesIn(this.directory).filter((name) => name.endsWith('.request')).map((name) => join(this.directory, name));
    if (paths.length === 0) return [];
    const dated = await Promise.all(paths.map(async (path) => ({ path, ms: await modifiedMs(path) })));
    return dated.sort((a, b) => a.ms - b.ms).map(({ path }) => path);
  }
}

/** At once: each ADD looks, and nearly always there is nothing. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function readRequest(path: string): Promise<RawRequest | 'malformed' | undefined> {
  try {
    return decodeFrame(await readFile(path)) ?? 'malformed';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function modifiedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

function codeOf(answer: RawAnswer): number {
  return (JSON.parse(answer.output) as { code: number }).code;
}
