import type { Keyed, Rows } from './diff.js';
import { RowIndex } from './row-index.js';
import type { Table, ToldRow } from './table.js';
import { TokenCounts } from './token-counts.js';

/** What is kept up about a table's rows, so that a question about one does not go through all. */
export interface Kept<Key, Row> {
  /** Tokens that a row refers to. */
  readonly tokens?: (row: Keyed<Key, Row>) => readonly string[];
  readonly group?: (row: Keyed<Key, Row>) => unknown;
}

/**
 * What the kernel holds of one table, as far as we know: listed when it is
 * stale, all of it or what lies on some devices; in between it follows our own writes.
 */
export class KnownRows<Key, Row> {
  #rows: Map<string, Keyed<Key, Row>> | undefined;
  /** Devices of which the rows are stale. */
  readonly #stale = new Set<number>();
  /** Keys by the device that their row lies on; made when first asked for, and then kept up. */
  #byDevice: RowIndex<number> | undefined;
  #referred = new TokenCounts();
  #groups = new RowIndex<unknown>();
  /** Keys that were written while a comparison is under way. */
  #written: Set<string> | undefined;

  constructor(
    private readonly table: Table<Key, Row>,
    private readonly kept: Kept<Key, Row> = {},
  ) {}

  /** Whether nothing has to be listed. */
  get fresh(): boolean {
    return this.#rows !== undefined && this.#stale.size === 0;
  }

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
    this.#stale.clear();
  }

  /**
   * Takes note of a row that the kernel tells of. One more is known from then on; where another one was known (there may be
   * two under one key, of which only a list says which one counts), what lies on the devices of both is stale.
   */
  tell({ key, text, row, device }: ToldRow<Key, Row>): 'as known' | 'one more' | 'stale' {
    const known = this.#rows?.get(text);
    const same = known === undefined || row === undefined ? known === row : this.table.equal(row, known.row);
    if (same || this.#rows === undefined) return 'as known';
    if (known !== undefined) this.forget(new Set(this.table.deviceOf === undefined ? [device] : [device, this.#device(known)]));
    else this.store(text, { key, row: row! });
    return known === undefined ? 'one more' : 'stale';
  }

  /** Lists what is stale. @returns keys that were looked at; undefined: all. @throws what the table's `list` throws */
  refresh(): ReadonlySet<string> | undefined {
    if (this.fresh) return NONE;
    const now = this.#rows === undefined ? undefined : this.table.listOn!(this.#stale);
    if (now === undefined) {
      this.forget();
      this.#listed(new Map(this.table.list()));
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
    this.#written?.add(text);
    const before = this.#rows!.get(text);
    if (before !== undefined) this.#drop(text, before);
    if (row === undefined) {
      this.#rows!.delete(text);
      return;
    }
    this.#rows!.set(text, row);
    this.#file(text, row);
    this.#byDevice?.add(this.#device(row), text);
  }

  /**
   * Whether the kernel has what is known, not a row more or less; rows that are written meanwhile are not looked at.
   * One comparison at a time.
   * @param pause asked row by row whether to wait; false: nobody wants to know any more
   * @returns true also where it has been listed anew meanwhile. @throws what the table's `listLater` throws
   */
  async compare(pause: () => Promise<boolean> | undefined): Promise<boolean> {
    const rows = this.#rows;
    const written = (this.#written = new Set<string>());
    try {
      const seen = new Set<Keyed<Key, Row>>();
      const there = await this.table.listLater!();
      if (this.#rows !== rows) return true;
      for (const { key, row } of there) {
        const paused = pause();
        if (paused !== undefined && (!(await paused) || this.#rows !== rows)) return true;
        const text = this.table.keyText(key);
        const known = rows!.get(text);
        if (known !== undefined && this.table.equal(row, known.row)) seen.add(known);
        else if (!written.has(text)) return false;
      }
      for (const [text, row] of rows!) {
        const paused = pause();
        if (paused !== undefined && (!(await paused) || this.#rows !== rows)) return true;
        if (!seen.has(row) && !written.has(text)) return false;
      }
      return true;
    } finally {
      this.#written = undefined;
    }
  }

  /** Whether a row refers to it. */
  refersTo(token: string): boolean {
    return this.#rows !== undefined && this.#referred.has(token);
  }

  /** Rows of a group. */
  *grouped(group: unknown): Generator<Keyed<Key, Row>> {
    if (this.#rows !== undefined) for (const text of this.#groups.of(group)) yield this.#rows.get(text)!;
  }

  hasGroup(group: unknown): boolean {
    return this.#groups.of(group).size > 0;
  }

  #listed(rows: Map<string, Keyed<Key, Row>>): void {
    this.#rows = rows;
    this.#referred = new TokenCounts();
    this.#groups = new RowIndex();
    if (this.kept.tokens === undefined && this.kept.group === undefined) return;
    for (const [text, row] of rows) this.#file(text, row);
  }

  #file(text: string, row: Keyed<Key, Row>): void {
    const { tokens, group } = this.kept;
    if (tokens !== undefined) this.#referred.add(tokens(row));
    if (group !== undefined) this.#groups.add(group(row), text);
  }

  #drop(text: string, row: Keyed<Key, Row>): void {
    const { tokens, group } = this.kept;
    if (tokens !== undefined) this.#referred.remove(tokens(row));
    if (group !== undefined) this.#groups.remove(group(row), text);
    this.#byDevice?.remove(this.#device(row), text);
  }

  #on(device: number): ReadonlySet<string> {
    if (this.#byDevice === undefined) {
      this.#byDevice = new RowIndex();
      for (const [text, row] of this.#rows!) this.#byDevice.add(this.#device(row), text);
    }
    return this.#byDevice.of(device);
  }

  #device({ row }: Keyed<Key, Row>): number {
    return this.table.deviceOf!(row);
  }
}

const NONE: ReadonlySet<string> = new Set();
