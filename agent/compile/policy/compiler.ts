import { MapEditor } from '../../base/versioned-map.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { NodeFacts, PolicyState } from '../desired.js';
import { AtomPool } from './atoms.js';
import { type EndpointTables, TableChooser } from './endpoint-tables.js';
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
  readonly #endpoints = new MapEditor<string, Tables>();
  readonly #classes = new MapEditor<bigint, string>();
  #specs: ReadonlyMap<bigint, TableSpec> = new Map();

  /** Maps of the state are versions of one another: {@link changesBetween} tells what this call has changed. */
  compile(snapshot: Snapshot, facts: NodeFacts): PolicyState {
    const specs = new Map<bigint, TableSpec>();
    const chosen = this.#chooser.sync(snapshot, facts);
    for (const { ingress, egress } of chosen.values()) {
      // The first of equal content stays the table's: what it asks for is counted by its identity.
      for (const spec of [ingress, egress]) if (spec !== undefined && !specs.has(spec.id)) specs.set(spec.id, this.#specs.get(spec.id) ?? spec);
    }
    this.#specs = specs;
    this.#choose(chosen);
    const { peers, cidrs, added, gone } = this.#classifier.sync(snapshot, facts, new Set(specs.values()));
    for (const { id } of gone) this.#classes.delete(id);
    for (const { id, text } of added) this.#classes.set(id, text);
    const filled = this.#filler.sync(specs, { added, gone });
    return { ...filled, peers, cidrs, endpoints: this.#endpoints.version(), classes: this.#classes.version() };
  }

  #choose(chosen: ReadonlyMap<string, EndpointTables>): void {
    for (const [name, { ingress, egress }] of chosen) {
      const tables = { ingressTable: ingress?.id ?? 0n, egressTable: egress?.id ?? 0n };
      const last = this.#endpoints.get(name);
      if (last?.ingressTable !== tables.ingressTable || last.egressTable !== tables.egressTable) this.#endpoints.set(name, tables);
    }
    if (this.#endpoints.size === chosen.size) return;
    for (const name of [...this.#endpoints.keys()]) if (!chosen.has(name)) this.#endpoints.delete(name);
  }
}

interface Tables {
  readonly ingressTable: bigint;
  readonly egressTable: bigint;
}
