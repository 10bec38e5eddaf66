import { CanalError } from '../base/errors.js';
import { mapInfo } from './pins.js';
import { viewOf, type Codec } from './codec.js';
import { kernelError, native, nativeResult, nativeResultAsync } from './library.js';
import type { WriteCounter } from './write-counter.js';

const ENOENT = 2;
const ENOSPC = 28;
const PER_CPU = new Set([5, 6, 10]); // PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH

/**
 * A map as rows of typed keys and values. Every call moves all its rows in one
 * go. Does not own the descriptor.
 */
export class BpfMap<Key, Value> {
  private known: Opened | undefined;
  private readonly done = Buffer.alloc(4);
  /** Rows of the last listing: the next one starts with room for as many. */
  private lastCount = 256;

  /**
   * @param where its descriptor, or who has it: undefined while the map is not there, which then has no rows and takes none
   * @throws CanalError('INTERNAL') where the codecs are not as long as the map's key and value
   */
  constructor(
    readonly name: string,
    private readonly where: number | (() => number | undefined),
    private readonly keyCodec: Codec<Key>,
    private readonly valueCodec: Codec<Value>,
    private readonly writes: WriteCounter,
  ) {
    this.opened();
  }

  /** All rows. Per-CPU maps: the value of CPU 0; see {@link perCpuRows}. */
  list(): { readonly key: Key; readonly value: Value }[] {
    const { keys, values, count, valueStride } = this.dump();
    const keyView = viewOf(keys);
    const valueView = viewOf(values);
    const rows = new Array<{ key: Key; value: Value }>(count);
    for (let i = 0; i < count; i++) {
      rows[i] = {
        key: this.keyCodec.read(keyView, i * this.keyCodec.size),
        value: this.valueCodec.read(valueView, i * valueStride),
      };
    }
    return rows;
  }

  /** The same as at some moment since the call, read in a worker thread; each is decoded when it is asked for. */
  async listLater(): Promise<Iterable<{ readonly key: Key; readonly value: Value }>> {
    const opened = this.opened();
    if (opened === undefined) return [];
    const done = Buffer.alloc(4);
    for (let capacity = this.roomy(); ; ) {
      const keys = Buffer.allocUnsafe(capacity * this.keyCodec.size);
      const values = Buffer.allocUnsafe(capacity * opened.valueStride);
      const count = await nativeResultAsync('canal_map_dump', this.name, opened.fd, keys, values, capacity, done);
      if (count >= 0) return this.decoded(keys, values, count, opened.valueStride);
      if (count !== -ENOSPC) throw kernelError('map dump', this.name, -count);
      capacity = Math.max(done.readUInt32LE(0), capacity + 1);
    }
  }

  /** How many rows there are, none of which is decoded. */
  count(): number {
    return this.dump().count;
  }

  /** All rows of a per-CPU map, each with its value of every CPU. */
  perCpuRows(): { readonly key: Key; readonly values: readonly Value[] }[] {
    const { keys, values, count, valueStride, perCpu } = this.dump();
    const keyView = viewOf(keys);
    const valueView = viewOf(values);
    const stride = (this.valueCodec.size + 7) & ~7;
    return Array.from({ length: count }, (_, row) => ({
      key: this.keyCodec.read(keyView, row * this.keyCodec.size),
      values: Array.from({ length: perCpu ? valueStride / stride : 1 }, (__, cpu) =>
        this.valueCodec.read(valueView, row * valueStride + cpu * stride),
      ),
    }));
  }

  /** The value of a key, undefined where there is none. */
  get(key: Key): Value | undefined {
    const opened = this.opened();
    if (opened === undefined) return undefined;
    const keyBytes = Buffer.allocUnsafe(this.keyCodec.size);
    const value = Buffer.allocUnsafe(opened.valueStride);
    this.keyCodec.write(viewOf(keyBytes), 0, key);
    const result = nativeResult('canal_map_lookup', opened.fd, keyBytes, value);
    if (result === -ENOENT) return undefined;
    if (result < 0) throw kernelError('map lookup', this.name, -result);
    return this.valueCodec.read(viewOf(value), 0);
  }

  /** Writes rows in order; a failed row does not stop the others. `subjectOf` names a row in its error. */
  upsert(rows: readonly { readonly key: Key; readonly value: Value }[], subjectOf: (row: number) => string): (Error | undefined)[] {
    const { fd, perCpu } = this.there();
    if (perCpu) throw new CanalError('INTERNAL', 'per-CPU maps are written by programs only', { subject: this.name });
    const keys = Buffer.allocUnsafe(rows.length * this.keyCodec.size);
    const values = Buffer.allocUnsafe(rows.length * this.valueCodec.size);
    const keyView = viewOf(keys);
    const valueView = viewOf(values);
    for (let i = 0; i < rows.length; i++) {
      this.keyCodec.write(keyView, i * this.keyCodec.size, rows[i]!.key);
      this.valueCodec.write(valueView, i * this.valueCodec.size, rows[i]!.value);
    }
    return this.batch(rows.length, subjectOf, 'map update', (from) =>
      nativeResult(
        'canal_map_update',
        fd,
        keys.subarray(from * this.keyCodec.size),
        values.subarray(from * this.valueCodec.size),
        rows.length - from,
        0,
        this.done,
      ),
    );
  }

  /** Removes rows; absent ones count as removed. */
  remove(keys: readonly Key[], subjectOf: (row: number) => string): (Error | undefined)[] {
    const { fd } = this.there();
    const bytes = Buffer.allocUnsafe(keys.length * this.keyCodec.size);
    const view = viewOf(bytes);
    for (let i = 0; i < keys.length; i++) this.keyCodec.write(view, i * this.keyCodec.size, keys[i]!);
    return this.batch(keys.length, subjectOf, 'map delete', (from) =>
      nativeResult('canal_map_delete', fd, bytes.subarray(from * this.keyCodec.size), keys.length - from, this.done),
    );
  }

  private batch(count: number, subjectOf: (row: number) => string, what: string, call: (from: number) => number): (Error | undefined)[] {
    const outcomes = new Array<Error | undefined>(count).fill(undefined);
    for (let from = 0; from < count; ) {
      const result = call(from);
      const done = this.done.readUInt32LE(0);
      this.writes.add(this.name, done);
      if (result >= 0) break;
      outcomes[from + done] = kernelError(what, `${this.name} ${subjectOf(from + done)}`, -result);
      from += done + 1;
    }
    return outcomes;
  }

  private dump(): { keys: Buffer; values: Buffer; count: number } & Pick<Opened, 'perCpu' | 'valueStride'> {
    const opened = this.opened();
    if (opened === undefined) return { keys: NO_BYTES, values: NO_BYTES, count: 0, perCpu: false, valueStride: 0 };
    const { fd, perCpu, valueStride } = opened;
    for (let capacity = this.roomy(); ; ) {
      const keys = Buffer.allocUnsafe(capacity * this.keyCodec.size);
      const values = Buffer.allocUnsafe(capacity * valueStride);
      const count = nativeResult('canal_map_dump', fd, keys, values, capacity, this.done);
      if (count >= 0) {
        this.lastCount = count;
        return { keys, values, count, perCpu, valueStride };
      }
      if (count !== -ENOSPC) throw kernelError('map dump', this.name, -count);
      capacity = Math.max(this.done.readUInt32LE(0), capacity + 1);
    }
  }

  private *decoded(keys: Buffer, values: Buffer, count: number, valueStride: number): Generator<{ readonly key: Key; readonly value: Value }> {
    const [keyView, valueView] = [viewOf(keys), viewOf(values)];
    for (let i = 0; i < count; i++) yield { key: this.keyCodec.read(keyView, i * this.keyCodec.size), value: this.valueCodec.read(valueView, i * valueStride) };
  }

  /** For as many rows as the last time, and some. */
  private roomy(): number {
    return this.lastCount + (this.lastCount >> 2) + 64;
  }

  private there(): Opened {
    const opened = this.opened();
    if (opened === undefined) throw new CanalError('INTERNAL', 'map is not loaded', { subject: this.name });
    return opened;
  }

  private opened(): Opened | undefined {
    if (this.known !== undefined) return this.known;
    const fd = typeof this.where === 'number' ? this.where : this.where();
    if (fd === undefined) return undefined;
    const info = mapInfo(fd);
    if (info.keySize !== this.keyCodec.size || info.valueSize !== this.valueCodec.size) {
      throw new CanalError('INTERNAL', `map has keys of ${info.keySize} and values of ${info.valueSize} bytes, codecs ${this.keyCodec.size} and ${this.valueCodec.size}`, {
        subject: this.name,
      });
    }
    const perCpu = PER_CPU.has(info.type);
    this.known = { fd, perCpu, valueStride: perCpu ? ((info.valueSize + 7) & ~7) * native('canal_cpus', this.name) : info.valueSize };
    return this.known;
  }
}

interface Opened {
  readonly fd: number;
  readonly perCpu: boolean;
  /** Bytes from one value to the next in a listing. */
  readonly valueStride: number;
}

const NO_BYTES = Buffer.alloc(0);
