import type { Keyed, Rows } from './diff.js';
import type { Table } from './table.js';
import { TokenCounts } from './token-counts.js';

/**
 * What the kernel holds of one table, as far as we know: listed when it is
 * stale, all of it or what lies on some devices; in between it follows our own writes.
 */
export class KnownRows<Key, Row> {
  #rows: Map<string, Keyed<Key, Row>> | undefined;
  /** Devices of which the rows are stale. */
  readonly #stale = new Set<number>();
  /** Keys by the device that their row lies on; made when first asked for, and then kept up. So are the tokens that rows refer to. */
  #byDevice: Map<number, Set<string>> | undefined;
  #referred: TokenCounts | undefined;

  constructor(
    private readonly table: Table<Key, Row>,
    /** Tokens that a row refers to. */
    private readonly tokens: (row: Keyed<Key, Row>) => readonly string[],
  ) {}

  /** Undefined before the first list. */
  get rows(): Rows<Key, Row> | undefined {
    return this.#rows;
  }

  /** @param devices only what lies on these is stale, where the table can tell */
  forget(devices?: ReadonlySet<number>): void {
    if (devices !== undefined && this.#rows !== undefined && this.table.listOn !== undefined) {
      for (const device of devices) this.#stale.add(device);
      return;
    }
    this.#rows = undefined;
    this.#byDevice = undefined;
    this.#referred = undefined;
    this.#stale.clear();
  }

  /** Lists what is stale. @returns keys that were looked at; undefined: all. @throws what the table's `list` throws */
  refresh(): ReadonlySet<string> | undefined {
    if (this.#rows !== undefined && this.#stale.size === 0) return NONE;
    const now = this.#rows === undefined ? undefined : this.table.listOn!(this.#stale);
    if (now === undefined) {
      this.forget();
      this.#rows = new Map(this.table.list());
      return undefined;
    }
    const looked = new Set(now.keys());
    for (const device of this.#stale) for (const text of this.#on(device)) looked.add(text);
    for (const text of looked) this.store(text, now.get(text));
    this.#stale.clear();
    return looked;
  }

  /** The kernel has the row now, or has none. */
  store(text: string, row: Keyed<Key, Row> | undefined): void {
    const before = this.#rows!.get(text);
    if (before !== undefined) {
      this.#referred?.remove(this.tokens(before));
      if (this.#byDevice !== undefined) this.#byDevice.get(this.#device(before))?.delete(text);
    }
    if (row === undefined) {
      this.#rows!.delete(text);
      return;
    }
    this.#rows!.set(text, row);
    this.#referred?.add(this.tokens(row));
    if (this.#byDevice !== undefined) index(this.#byDevice, this.#device(row), text);
  }

  /** Whether a row refers to it. */
  refersTo(token: string): boolean {
    if (this.#rows === undefined) return false;
    this.#referred ??= new TokenCounts(Array.from(this.#rows.values(), (row) => this.tokens(row)));
    return this.#referred.has(token);
  }

  #on(device: number): ReadonlySet<string> {
    if (this.#byDevice === undefined) {
      this.#byDevice = new Map();
      for (const [text, row] of this.#rows!) index(this.#byDevice, this.#device(row), text);
    }
    return this.#byDevice.get(device) ?? NONE;
  }

  #device({ row }: Keyed<Key, Row>): number {
    return this.table.deviceOf!(row);
  }
}

const NONE: ReadonlySet<string> = new Set();

function index(byDevice: Map<number, Set<string>>, device: number, text: string): void {
  (byDevice.get(device) ?? byDevice.set(device, new Set()).get(device)!).add(text);
}
