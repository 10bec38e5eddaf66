import { EventEmitter } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';

/** Half of what a container's log may take; the older half is dropped. */
const MAX_BYTES = 5 << 20;

/**
 * A container's log in the form of CRI: `TIME stream F line`. Written at once,
 * so that who is told of a line finds it in the file.
 */
export class LogFile extends EventEmitter<{ appended: []; closed: [] }> {
  readonly path: string;
  closed = false;
  #bytes = 0;

  constructor(path: string) {
    super();
    this.setMaxListeners(0);
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#append('');
  }

  /** A sink for one stream's bytes. */
  stream(name: 'stdout' | 'stderr'): (chunk: Buffer | undefined) => void {
    const utf8 = new StringDecoder('utf8');
    let rest = '';
    return (chunk) => {
      const lines = (rest + (chunk === undefined ? utf8.end() : utf8.write(chunk))).split('\n');
      rest = lines.pop()!;
      if (chunk === undefined && rest !== '') lines.push(rest);
      if (lines.length > 0) this.#write(name, lines);
    };
  }

  close(): void {
    this.closed = true;
    this.emit('closed');
  }

  #write(name: string, lines: readonly string[]): void {
    // Nanoseconds, as the format has them; the clock gives milliseconds.
    const time = new Date().toISOString().replace('Z', '000000Z');
    this.#append(lines.map((line) => `${time} ${name} F ${line}\n`).join(''));
    this.emit('appended');
  }

  #append(text: string): void {
    if (this.#bytes > MAX_BYTES && existsSync(this.path)) {
      renameSync(this.path, `${this.path}.1`);
      this.#bytes = 0;
    }
    appendFileSync(this.path, text);
    this.#bytes += Buffer.byteLength(text);
  }
}
