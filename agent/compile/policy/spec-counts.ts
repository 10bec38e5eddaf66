import type { ChosenChanges, EndpointTables } from './endpoint-tables.js';
import type { TableSpec } from './table-spec.js';

/** Tables, each told once, that an endpoint has now and none had at the last call, and the other way round. */
export interface SpecChanges {
  readonly began: readonly TableSpec[];
  readonly ended: readonly TableSpec[];
}

/** How many endpoints have each table. The first spec of equal content stays the table's: what it asks for is counted by its identity. */
export class SpecCounts {
  readonly #counts = new Map<bigint, { readonly spec: TableSpec; uses: number }>();

  sync(changes: ChosenChanges): SpecChanges {
    const touched = new Map<bigint, TableSpec | undefined>(); // and what was there before
    for (const { now } of changes.values()) this.#count(now, 1, touched);
    for (const { before } of changes.values()) this.#count(before, -1, touched);
    const began: TableSpec[] = [];
    const ended: TableSpec[] = [];
    for (const [id, before] of touched) {
      const now = this.#counts.get(id)!;
      if (now.uses === 0) this.#counts.delete(id);
      if (before === undefined && now.uses > 0) began.push(now.spec);
      if (before !== undefined && now.uses === 0) ended.push(before);
    }
    return { began, ended };
  }

  #count(tables: EndpointTables | undefined, step: 1 | -1, touched: Map<bigint, TableSpec | undefined>): void {
    for (const spec of [tables?.ingress, tables?.egress]) {
      if (spec === undefined) continue;
      const known = this.#counts.get(spec.id);
      if (!touched.has(spec.id)) touched.set(spec.id, known?.spec);
      if (known === undefined) this.#counts.set(spec.id, { spec, uses: 1 });
      else known.uses += step;
    }
  }
}
