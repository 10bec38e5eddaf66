import type { Snapshot } from '../../model/snapshot.js';
import type { NodeFacts, PolicyState, RuleRow } from '../desired.js';
import { AtomPool } from './atoms.js';
import { TableChooser } from './endpoint-tables.js';
import { Classifier } from './peer-classes.js';
import { TableFiller } from './table-fill.js';
import type { TableSpec } from './table-spec.js';

/** Policy of a snapshot as seen from one node, from nothing. */
export function compilePolicy(snapshot: Snapshot, facts: NodeFacts): PolicyState {
  return new PolicyCompiler().compile(snapshot, facts);
}

/**
 * The same, remembering the last call: objects that are `===` to last time's are
 * not looked at again. The memory saves work and never changes the answer.
 */
export class PolicyCompiler {
  readonly #pool = new AtomPool();
  readonly #chooser = new TableChooser(this.#pool);
  readonly #classifier = new Classifier(this.#pool);
  readonly #filler = new TableFiller();

  compile(snapshot: Snapshot, facts: NodeFacts): PolicyState {
    const chosen = this.#chooser.sync(snapshot, facts);
    const specs = new Map<bigint, TableSpec>();
    const endpoints = new Map<string, { ingressTable: bigint; egressTable: bigint }>();
    for (const [name, { ingress, egress }] of chosen) {
      for (const spec of [ingress, egress]) if (spec !== undefined) specs.set(spec.id, spec);
      endpoints.set(name, { ingressTable: ingress?.id ?? 0n, egressTable: egress?.id ?? 0n });
    }
    const { peers, cidrs, classes } = this.#classifier.sync(snapshot, facts, specs.values());
    const filled = this.#filler.sync(specs, classes);
    const rows = new Map<bigint, readonly RuleRow[]>();
    const rules = new Map<bigint, string>();
    for (const table of filled.values()) {
      for (const [id, made] of table.rows) {
        if (rows.has(id)) continue;
        rows.set(id, made.rows);
        for (const [rule, name] of made.rules) rules.set(rule, name);
      }
    }
    const tables = new Map([...filled].map(([id, { entries }]) => [id, entries]));
    return { rows, tables, peers, cidrs, endpoints, rules, classes: new Map([...classes].map((c) => [c.id, c.text])) };
  }
}
