import { readFile } from 'node:fs/promises';
import type { Clock } from '../base/clock.js';
import { CanalError } from '../base/errors.js';

/** kubelet renews projected tokens at 80 % of their life (an hour as a rule), so this is never late. */
const REREAD_MS = 10_000;

/** A file that others replace while we run: a projected token, a rotated certificate. */
export class RotatingFile {
  readonly #path: string;
  readonly #clock: Clock;
  #content: Buffer | undefined;
  #readAt = 0;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /**
   * Its content, at most 10 s old; the same Buffer while it has not changed. A
   * file that cannot be read now (mid-replacement) gives the last content, and
   * CanalError CONFIG where there was none.
   */
  async content(): Promise<Buffer> {
    const now = this.#clock.monotonic();
    if (this.#content !== undefined && now - this.#readAt < REREAD_MS) return this.#content;
    try {
      const fresh = await readFile(this.#path);
      if (this.#content === undefined || !fresh.equals(this.#content)) this.#content = fresh;
    } catch (cause) {
      if (this.#content === undefined) {
        throw new CanalError('CONFIG', `cannot read ${this.#path}`, { subject: this.#path, cause });
      }
    }
    this.#readAt = now;
    return this.#content;
  }

  /** The next `content()` reads. */
  invalidate(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }
}
