import { closeSync, existsSync, fdatasyncSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CanalError } from '../../base/errors.js';
import type { KubeObject } from '../kube-object.js';

interface Entry {
  readonly resource: string;
  readonly key: string;
  readonly object: KubeObject;
}

type Line =
  | { readonly format: 1; readonly revision: number }
  | { readonly r: number; readonly put: string; readonly key: string; readonly object: KubeObject }
  | { readonly r: number; readonly del: string; readonly key: string };

/** Compaction pays once the file is four times what it was after the last one, and at least this many bytes. */
const MINIMUM_BYTES = 4 << 20;
const SYNC_INTERVAL_MS = 1000;

/**
 * One append-only file of JSON lines, `objects.jsonl`. A change is written
 * with write(2) before it is answered, so `kill -9` loses nothing that was
 * acknowledged; fdatasync follows within a second, so a power cut loses at
 * most that. A last line that was cut short was never acknowledged and is
 * dropped at start. Compaction writes a new file, syncs it and renames it
 * over the old one: at every instant one whole file has that name.
 */
export class Journal {
  private readonly path: string;
  private fd = -1;
  private bytes = 0;
  private bytesAfterCompaction = MINIMUM_BYTES;
  private unsynced = false;
  private readonly timer: NodeJS.Timeout;
  private revision = 0;

  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.path = join(directory, 'objects.jsonl');
    this.timer = setInterval(() => this.sync(), SYNC_INTERVAL_MS);
    this.timer.unref();
  }

  /** Reads what is there and opens the file for appending. Call once, before anything else. */
  load(): { revision: number; entries: Entry[] } {
    const objects = new Map<string, Entry>();
    const text = existsSync(this.path) ? readFileSync(this.path) : Buffer.alloc(0);
    const whole = text.lastIndexOf(0x0a) + 1;
    let number = 0;
    for (const line of text.subarray(0, whole).toString('utf8').split('\n')) {
      number++;
      if (line !== '') this.replay(parse(line, this.path, number), objects);
    }
    this.fd = openSync(this.path, 'a', 0o600);
    ftruncateSync(this.fd, whole);
    this.bytes = whole;
    this.bytesAfterCompaction = Math.max(MINIMUM_BYTES, whole);
    if (whole === 0) this.append({ format: 1, revision: 0 });
    return { revision: this.revision, entries: [...objects.values()] };
  }

  put(revision: number, resource: string, key: string, object: KubeObject): void {
    this.append({ r: revision, put: resource, key, object });
    this.revision = revision;
  }

  remove(revision: number, resource: string, key: string): void {
    this.append({ r: revision, del: resource, key });
    this.revision = revision;
  }

  /** Rewrites the file from the live objects when most of it is history. */
  compactIfWorthwhile(snapshot: () => Iterable<Entry>): void {
    if (this.bytes < this.bytesAfterCompaction * 4) return;
    const temporary = `${this.path}.new`;
    const fd = openSync(temporary, 'w', 0o600);
    let bytes = writeAll(fd, `${JSON.stringify({ format: 1, revision: this.revision })}\n`);
    for (const { resource, key, object } of snapshot()) {
      bytes += writeAll(fd, `${JSON.stringify({ r: Number(object.metadata.resourceVersion), put: resource, key, object })}\n`);
    }
    fsyncSync(fd);
    renameSync(temporary, this.path);
    syncDirectory(this.directory);
    closeSync(this.fd);
    this.fd = fd;
    this.bytes = bytes;
    this.bytesAfterCompaction = Math.max(MINIMUM_BYTES, bytes);
  }

  close(): void {
    clearInterval(this.timer);
    this.sync();
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  private append(line: Line): void {
    try {
      this.bytes += writeAll(this.fd, `${JSON.stringify(line)}\n`);
    } catch (cause) {
      ftruncateSync(this.fd, this.bytes); // half a line would swallow the next one
      throw new CanalError('DATASTORE', 'change cannot be stored', { subject: this.path, cause });
    }
    this.unsynced = true;
  }

  private sync(): void {
    if (!this.unsynced || this.fd < 0) return;
    this.unsynced = false;
    fdatasyncSync(this.fd);
  }

  private replay(line: Line, objects: Map<string, Entry>): void {
    if ('format' in line) {
      this.revision = Math.max(this.revision, line.revision);
    } else if ('put' in line) {
      objects.set(`${line.put} ${line.key}`, { resource: line.put, key: line.key, object: line.object });
      this.revision = Math.max(this.revision, line.r);
    } else {
      objects.delete(`${line.del} ${line.key}`);
      this.revision = Math.max(this.revision, line.r);
    }
  }
}

function parse(line: string, path: string, number: number): Line {
  try {
    return JSON.parse(line) as Line;
  } catch (cause) {
    throw new CanalError('DATASTORE', 'stored objects cannot be read', { subject: `${path}:${number}`, cause });
  }
}

function writeAll(fd: number, text: string): number {
  const buffer = Buffer.from(text);
  let done = 0;
  while (done < buffer.length) done += writeSync(fd, buffer, done);
  return buffer.length;
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  fsyncSync(fd);
  closeSync(fd);
}
