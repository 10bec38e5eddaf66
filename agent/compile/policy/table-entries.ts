import type { Atom } from './atoms.js';
import type { PeerClass } from './peer-class.js';
import { type Rows, ruleRows } from './rule-rows.js';
import type { TableSpec } from './table-spec.js';
import { decide, strictest } from './verdicts.js';

/** Answers (table, class) for one table, each combination of rules worked out once. */
export class TableEntries {
  readonly spec: TableSpec;
  /** What class 0 gets. */
  readonly fallback: Rows;
  readonly #byAnswer = new Map<string, Rows>();

  constructor(spec: TableSpec) {
    this.spec = spec;
    this.fallback = ruleRows(decide(spec, { atoms: new Set<Atom>(), ports: new Map() }));
  }

  /** The rows of a class; undefined where they are the table's default. */
  rows(peer: PeerClass): Rows | undefined {
    const key = peer.answers.map((answers) => this.#answerKey(answers)).join(';');
    let rows = this.#byAnswer.get(key);
    if (rows === undefined) {
      rows = ruleRows(strictest(peer.answers.map((answers) => decide(this.spec, answers))));
      this.#byAnswer.set(key, rows);
    }
    return rows.id === this.fallback.id ? undefined : rows;
  }

  /** Bounds what is remembered for classes that come and go; `inUse`: how many the table has now. */
  forget(inUse: number): void {
    if (this.#byAnswer.size > 1000 + 4 * inUse) this.#byAnswer.clear();
  }

  /** All that the table can see of a set of answers. */
  #answerKey({ atoms, ports }: PeerClass['answers'][number]): string {
    const seen: string[] = [];
    let index = 0;
    for (const atom of this.spec.atoms) {
      if (atoms.has(atom)) seen.push(String(index));
      index++;
    }
    for (const query of this.spec.queries) seen.push(`${query}=${(ports.get(query) ?? []).join('+')}`);
    return seen.join(',');
  }
}
