import { MapEditor } from '../../base/versioned-map.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { NodeFacts, PolicyState } from '../desired.js';
import { AtomPool } from './atoms.js';
import { type ChosenChanges, TableChooser } from './endpoint-tables.js';
import { Classifier } from './peer-classes.js';
import { SpecCounts } from './spec-counts.js';
import { TableFiller } from './table-fill.js';

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
  readonly #specs = new SpecCounts();

  /** Maps of the state are versions of one another: {@link changesBetween} tells what this call has changed. */
  compile(snapshot: Snapshot, facts: NodeFacts): PolicyState {
    const chosen = this.#chooser.sync(snapshot, facts);
    const specs = this.#specs.sync(chosen);
    this.#choose(chosen);
    const { peers, cidrs, added, gone } = this.#classifier.sync(snapshot, facts, specs);
    for (const { id } of gone) this.#classes.delete(id);
    for (const { peer: { id, text } } of added) this.#classes.set(id, text);
    const filled = this.#filler.sync(specs, { added, gone });
    return { ...filled, peers, cidrs, endpoints: this.#endpoints.version(), classes: this.#classes.version() };
  }

  #choose(chosen: ChosenChanges): void {
    for (const [name, { now }] of chosen) {
      if (now === undefined) {
        this.#endpoints.delete(name);
        continue;
      }
      const tables = { ingressTable: now.ingress?.id ?? 0n, egressTable: now.egress?.id ?? 0n };
      const last = this.#endpoints.get(name);
      if (last?.ingressTable !== tables.ingressTable || last.egressTable !== tables.egressTable) this.#endpoints.set(name, tables);
    }
  }
}

interface Tables {
  readonly ingressTable: bigint;
  readonly egressTable: bigint;
}
