import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { LogsRequest } from '../../apiserver/pod-runtime.js';
import type { LogFile } from './log-file.js';

export type LogOptions = Pick<LogsRequest, 'follow' | 'timestamps' | 'tailLines' | 'sinceSeconds' | 'sinceTime' | 'limitBytes'>;

/** A container's log as `kubectl logs` wants it. With `follow` it ends when the log is closed. */
export function readLog(log: LogFile, options: LogOptions, nowMs: number): Readable {
  const since = sinceOf(options, nowMs);
  const older = existsSync(`${log.path}.1`) ? readFileSync(`${log.path}.1`, 'utf8') : '';
  const tail = new LogTail(log.path);
  const text = older + tail.read();
  let lines = text.split('\n').filter((line) => line !== '' && line.slice(0, 30) >= since);
  if (options.tailLines !== undefined) lines = options.tailLines === 0 ? [] : lines.slice(-options.tailLines);
  const first = lines.map((line) => formatLine(line, options.timestamps)).join('');
  return options.follow && !log.closed ? follow(log, tail, first, options) : Readable.from([limit(first, options.limitBytes)], { objectMode: false });
}

function follow(log: LogFile, tail: LogTail, first: string, options: LogOptions): Readable {
  let left = options.limitBytes ?? Infinity;
  const stream = new Readable({ read: () => undefined, destroy: (error, done) => (stop(), done(error)) });
  const push = (text: string): void => {
    const bytes = Buffer.from(limit(text, left));
    left -= bytes.length;
    if (bytes.length > 0) stream.push(bytes);
    if (left <= 0) end();
  };
  const more = (): void => push(tail.read().split('\n').filter(Boolean).map((line) => formatLine(line, options.timestamps)).join(''));
  const end = (): void => {
    stop();
    stream.push(null);
  };
  const stop = (): void => {
    log.off('appended', more);
    log.off('closed', end);
  };
  log.on('appended', more);
  log.on('closed', end);
  push(first);
  return stream;
}

/** What has been added to a file since the last look. */
class LogTail {
  #offset = 0;

  constructor(private readonly path: string) {}

  read(): string {
    const fd = openSync(this.path, 'r');
    try {
      const { size } = fstatSync(fd);
      // Smaller than before: the file was rotated.
      if (size < this.#offset) this.#offset = 0;
      const bytes = Buffer.alloc(size - this.#offset);
      const count = readSync(fd, bytes, 0, bytes.length, this.#offset);
      this.#offset += count;
      return bytes.toString('utf8', 0, count);
    } finally {
      closeSync(fd);
    }
  }
}

/** `TIME stream F text` as text, or as `TIME text`. */
export function formatLine(line: string, timestamps: boolean): string {
  const [time, , , ...words] = line.split(' ');
  const text = words.join(' ');
  return timestamps ? `${time} ${text}\n` : `${text}\n`;
}

/** The earliest time to show, in the log's own form; empty: from the beginning. */
function sinceOf({ sinceSeconds, sinceTime }: LogOptions, nowMs: number): string {
  if (sinceSeconds !== undefined) return new Date(nowMs - sinceSeconds * 1000).toISOString();
  return sinceTime === undefined ? '' : new Date(sinceTime).toISOString();
}

const limit = (text: string, bytes: number | undefined): string => (bytes === undefined || bytes === Infinity ? text : Buffer.from(text).subarray(0, Math.max(0, bytes)).toString());
