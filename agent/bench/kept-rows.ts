import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Row } from './report.js';

/**
 * Rows that a run has measured so far, one line of JSON a part, so that one that
 * was cut off goes on where it was. Parts are found by what they are: another
 * plan, commit or kernel measures anew.
 */
export class KeptRows {
  readonly #known = new Map<string, readonly Row[]>();

  /** @param path undefined: nothing is kept */
  constructor(private readonly path: string | undefined) {
    if (path === undefined || !existsSync(path)) return;
    for (const line of readFileSync(path, 'utf8').split('\n')) this.#take(line);
  }

  find(part: unknown): readonly Row[] | undefined {
    return this.#known.get(nameOf(part));
  }

  add(part: unknown, rows: readonly Row[]): void {
    // The newline comes first: it ends what was cut off.
    if (this.path !== undefined) appendFileSync(this.path, `\n${JSON.stringify({ part: nameOf(part), rows })}`);
  }

  /** The last line may have been cut off with its run. */
  #take(line: string): void {
    try {
      const { part, rows } = JSON.parse(line) as { part: string; rows: readonly Row[] };
      this.#known.set(part, rows);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
}

const nameOf = (part: unknown): string => createHash('sha256').update(JSON.stringify(part)).digest('hex').slice(0, 16);
