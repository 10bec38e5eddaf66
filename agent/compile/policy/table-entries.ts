import type { PeerClass } from './peer-class.js';
import { RuleIndex } from './rule-index.js';
import { type Rows, ruleRows } from './rule-rows.js';
import type { TableSpec } from './table-spec.js';
import { type Answers, type Decision, decide, strictest } from './verdicts.js';

/** Answers (table, class) for one table, each combination of rules worked out once. */
export class TableEntries {
  readonly spec: TableSpec;
  /** What class 0 gets. */
  readonly fallback: Rows;
  readonly #index: RuleIndex;
  readonly #byAnswer = new Map<string, Rows>();

  constructor(spec: TableSpec) {
    this.spec = spec;
    this.#index = new RuleIndex(spec.rules);
    this.fallback = ruleRows(this.#decide({ held: [], answers: { atoms: new Set(), ports: new Map() } }));
  }

  /** The rows of a class; undefined where they are the table's default. */
  rows(peer: PeerClass): Rows | undefined {
    const seen = peer.answers.map((answers): Seen => ({ held: this.#index.holding(answers.atoms), answers }));
    const key = seen.map((s) => this.#key(s)).join(';');
    let rows = this.#byAnswer.get(key);
    if (rows === undefined) {
      rows = ruleRows(strictest(seen.map((s) => this.#decide(s))));
      this.#byAnswer.set(key, rows);
    }
    return rows.id === this.fallback.id ? undefined : rows;
  }

  /** Bounds what is remembered for classes that come and go; `inUse`: how many the table has now. */
  forget(inUse: number): void {
    if (this.#byAnswer.size > 1000 + 4 * inUse) this.#byAnswer.clear();
  }

  #decide({ held, answers }: Seen): Decision {
    return decide(this.spec.tiers, this.#index.rules(held), answers.ports);
  }

  /** All that the table can see of a set of answers. */
  #key({ held, answers }: Seen): string {
    if (this.spec.queries.size === 0) return held.join();
    const ports = [...this.spec.queries].map((query) => `${query}=${(answers.ports.get(query) ?? []).join('+')}`);
    return [...held, ...ports].join();
  }
}

/** A set of answers, with the positions of the rules that hold for it and not for every peer. */
interface Seen {
  readonly held: readonly number[];
  readonly answers: Answers;
}
