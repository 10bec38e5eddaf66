import type { AnyLedger, Cause } from './any-ledger.js';
import { failedAgain, type Failure } from './backoff.js';
import { diff, diffOf, verbFor, type Changes, type Keyed, type Rows } from './diff.js';
import { KnownRows } from './known-rows.js';
import type { Relations, RowChange } from './relations.js';
import type { Table, ToldRow } from './table.js';
import { TokenCounts } from './token-counts.js';

/** Rows from which on a table is long: listing fewer takes some milliseconds. */
const LONG = 2000;
const NOTHING: Changes = { put: [], gone: [] };

/**
 * One table's books: what is desired, what the kernel holds as far as we know,
 * and which rows failed. The kernel is listed when the books are stale (at
 * start, on a notice, after an error); in between they follow our own writes.
 */
export class Ledger<Key, Row> implements AnyLedger {
  readonly name: string;
  #desired = new Map<string, Keyed<Key, Row>>();
  #settled: Rows<Key, Row> | undefined;
  readonly #known: KnownRows<Key, Row>;
  readonly #failures = new Map<string, Failure>();
  /** Keys that earlier applies have found different and not made right. */
  #pending: ReadonlySet<string> = new Set();
  /** Keys that may differ; undefined: every key may. Saves comparing whole tables where the wish changed by a few rows. */
  #suspects: Set<string> | undefined;
  /** Keys whose wish was patched since the last apply. */
  readonly #patched = new Set<string>();
  /** What the wish provides; made when first asked for, and then kept up. */
  #provided: TokenCounts | undefined;

  constructor(
    readonly table: Table<Key, Row>,
    private readonly relations: Relations<Key, Row> = {},
  ) {
    this.name = table.name;
    this.#known = new KnownRows(table, {
      ...(relations.refers === undefined || relations.countsNoUse === true ? {} : { tokens: ({ key, row }) => relations.refers!(key, row) }),
      ...(relations.group === undefined ? {} : { group: ({ key, row }) => relations.group!(key, row) }),
    });
  }

  get failures(): ReadonlyMap<string, Failure> {
    return this.#failures;
  }

  get shared(): boolean {
    return this.relations.provides !== undefined && this.relations.countsNoUse !== true;
  }

  get alwaysJudges(): boolean {
    return this.relations.judges === undefined;
  }

  get size(): number | undefined {
    return this.#actual?.size;
  }

  /** Rows in the kernel; lists them if the books are stale. */
  actual(): Rows<Key, Row> {
    this.refresh();
    return this.#actual!;
  }

  get desired(): Rows<Key, Row> {
    return this.#desired;
  }

  /** Sets the wish, complete. A row that is the same object as before is not compared with the kernel's again. */
  want(rows: Iterable<Keyed<Key, Row>>): void {
    const desired = new Map<string, Keyed<Key, Row>>();
    for (const row of rows) desired.set(this.table.keyText(row.key), row);
    const before = this.#desired;
    if (this.#suspects !== undefined) {
      for (const [text, { row }] of desired) if (before.get(text)?.row !== row) this.#suspects.add(text);
      for (const text of before.keys()) if (!desired.has(text)) this.#suspects.add(text);
    }
    this.#desired = desired;
    this.#provided = undefined;
  }

  /** Changes some rows of the wish; the rest of it stands. */
  patch(put: Iterable<Keyed<Key, Row>>, gone: Iterable<Key>): void {
    const touch = (text: string): void => {
      this.#suspects?.add(text);
      this.#patched.add(text);
    };
    for (const key of gone) {
      const text = this.table.keyText(key);
      this.#provided?.remove(this.provides(text, 'desired'));
      this.#desired.delete(text);
      touch(text);
    }
    for (const row of put) {
      const text = this.table.keyText(row.key);
      this.#provided?.remove(this.provides(text, 'desired'));
      this.#desired.set(text, row);
      this.#provided?.add(this.provides(text, 'desired'));
      touch(text);
    }
  }

  /** Wants what is there: the table is left alone. */
  hold(): void {
    this.#desired = new Map(this.actual());
    this.#suspects = undefined;
    this.#provided = undefined;
  }

  invalidate(devices?: ReadonlySet<number>): void {
    this.#known.forget(devices);
  }

  tell(told: ToldRow): boolean {
    const news = this.#known.tell(told as ToldRow<Key, Row>);
    if (news === 'one more') this.#suspects?.add(told.text);
    return news !== 'as known';
  }

  /** @throws what the table's `list` throws */
  refresh(): void {
    const looked = this.#known.refresh();
    if (looked === undefined) this.#suspects = undefined;
    else for (const text of looked) this.#suspects?.add(text);
  }

  compare(pause: () => Promise<boolean> | undefined): Promise<boolean> | undefined {
    return this.table.listLater === undefined || (this.size ?? 0) < LONG ? undefined : this.#known.compare(pause);
  }

  changes(): Changes {
    if (this.#suspects?.size === 0 && this.#known.fresh) return NOTHING;
    const changes = this.#ranked(this.#differences());
    if (this.#suspects?.size === changes.put.length + changes.gone.length) return changes; // all that were suspected are different
    this.#suspects = new Set(changes.put);
    for (const key of changes.gone) this.#suspects.add(key);
    return changes;
  }

  /** Whether anything is to be done. */
  differs(): boolean {
    const actual = this.actual();
    const other = (key: string): boolean => verbFor(this.#desired.get(key), actual.get(key), this.#equal) !== undefined;
    if (this.#suspects !== undefined) return this.#suspects.size > 0 && [...this.#suspects].some(other);
    const { put, gone } = this.#differences();
    return put.length > 0 || gone.length > 0;
  }

  has(key: string): boolean {
    return this.#actual?.has(key) === true;
  }

  cause(key: string, verb: 'upsert' | 'remove'): Cause {
    if (this.#settled === undefined || this.#patched.has(key) || this.#pending.has(key)) return 'wanted';
    const before = this.#settled.get(key);
    if (verb === 'remove') return before === undefined ? 'mended' : 'wanted';
    const now = this.#desired.get(key);
    return before !== undefined && now !== undefined && this.table.equal(before.row, now.row) ? 'mended' : 'wanted';
  }

  /** Whether the row failed with this same wish and is not due again yet. */
  resting(key: string, verb: 'upsert' | 'remove', nowMs: number): boolean {
    const failure = this.#failures.get(key);
    if (failure === undefined || nowMs >= failure.retryAtMs) return false;
    return this.#sameWish(failure, verb === 'upsert' ? this.#desired.get(key)?.row : undefined);
  }

  upsert(keys: readonly string[], nowMs: number): void {
    const rows = keys.map((key) => this.#desired.get(key)!);
    this.#note(keys, this.table.upsert(rows), rows, nowMs);
  }

  remove(keys: readonly string[], nowMs: number): void {
    const rows = keys.map((key) => this.#actual!.get(key)!);
    this.#note(keys, this.table.remove(rows.map((row) => row.key), rows.map((row) => row.row)), undefined, nowMs);
  }

  provides(key: string, side: 'desired' | 'actual'): readonly string[] {
    const row = side === 'desired' ? this.#desired.get(key) : this.#actual?.get(key);
    return row === undefined ? [] : (this.relations.provides?.(row.key, row.row) ?? []);
  }

  refers(key: string): readonly string[] {
    const row = this.#desired.get(key);
    return row === undefined ? [] : (this.relations.refers?.(row.key, row.row) ?? []);
  }

  after(key: string): readonly string[] {
    const row = this.#actual?.get(key);
    return row === undefined ? [] : (this.relations.after?.(row.key, row.row) ?? []);
  }

  /** Every token that the wish provides: what is missing when the table cannot even be read. */
  allProvided(): readonly string[] {
    if (this.relations.provides === undefined) return [];
    return [...this.#desired.keys()].flatMap((key) => this.provides(key, 'desired'));
  }

  wants(token: string): boolean {
    this.#provided ??= new TokenCounts(Array.from(this.#desired.keys(), (key) => this.provides(key, 'desired')));
    return this.#provided.has(token);
  }

  refersNow(token: string): boolean {
    return this.#known.refersTo(token);
  }

  /** Rows in the kernel of which relations say that they belong together. */
  grouped(group: unknown): Iterable<Keyed<Key, Row>> {
    this.refresh();
    return this.#known.grouped(group);
  }

  hasGroup(group: unknown): boolean {
    this.refresh();
    return this.#known.hasGroup(group);
  }

  judges(keys: readonly string[], verb: 'upsert' | 'remove'): boolean {
    if (this.relations.judges === undefined) return true;
    const actual = this.#actual;
    return this.relations.judges(keys.map((text) => {
      const wanted = verb === 'upsert' ? this.#desired.get(text) : undefined;
      return new LookedUp((wanted ?? actual!.get(text)!).key, wanted?.row, actual, text);
    }));
  }

  /** The apply is over: from here on a difference is somebody else's doing. Drops failures of what nobody wants any more, or what is so by now. */
  settle(): void {
    this.#settled = this.#desired;
    if (this.#suspects !== undefined) this.#pending = new Set(this.#suspects); // what this apply has found different and not made right
    this.#patched.clear();
    for (const [key, { wish }] of this.#failures) {
      const [wanted, there] = [this.#desired.get(key), this.#actual?.get(key)];
      const gone = this.#actual !== undefined && there === undefined;
      const asWanted = wanted !== undefined && there !== undefined && this.table.equal(there.row, wanted.row);
      if (asWanted || (wish === undefined ? gone : wanted === undefined)) this.#failures.delete(key);
    }
  }

  get #actual(): Rows<Key, Row> | undefined {
    return this.#known.rows;
  }

  #differences(): Changes {
    const actual = this.actual();
    if (this.#suspects === undefined) return diff(this.#desired, actual, this.#equal);
    return diffOf(this.#suspects, this.#desired, actual, this.#equal);
  }

  readonly #equal = (actual: Row, desired: Row): boolean => this.table.equal(actual, desired);

  #ranked(changes: Changes): Changes {
    if (this.relations.rank === undefined) return changes;
    const of = (key: string): number => this.relations.rank!((this.#desired.get(key) ?? this.#actual!.get(key))!.key);
    return { put: changes.put.toSorted((a, b) => of(b) - of(a)), gone: changes.gone.toSorted((a, b) => of(a) - of(b)) };
  }

  #sameWish(failure: Failure, wish: Row | undefined): boolean {
    if (failure.wish === undefined || wish === undefined) return failure.wish === wish;
    return this.table.equal(failure.wish as Row, wish);
  }

  #note(keys: readonly string[], outcomes: readonly (Error | undefined)[], rows: readonly Keyed<Key, Row>[] | undefined, nowMs: number): void {
    keys.forEach((key, i) => {
      const error = outcomes[i];
      const wish = rows?.[i];
      if (error !== undefined) {
        const before = this.#failures.get(key);
        const same = before !== undefined && this.#sameWish(before, wish?.row);
        this.#failures.set(key, failedAgain(same ? before : undefined, error, wish?.row, nowMs));
        return;
      }
      if (this.#failures.size > 0) this.#failures.delete(key);
      this.#suspects?.delete(key);
      this.#known.store(key, wish);
    });
  }
}

/** What was there before is looked up if it is asked for. */
class LookedUp<Key, Row> implements RowChange<Key, Row> {
  constructor(
    readonly key: Key,
    readonly after: Row | undefined,
    private readonly actual: Rows<Key, Row> | undefined,
    private readonly text: string,
  ) {}

  get before(): Row | undefined {
    return this.actual?.get(this.text)?.row;
  }
}
