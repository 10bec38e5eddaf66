import type { Changes } from './diff.js';
import { ORDER, type Phase } from './order.js';

/** All of one phase's work. */
export interface PlannedPhase {
  readonly phase: Phase;
  readonly keys: readonly string[];
}

/**
 * Orders what each table has to do. Pure; phases without work are left out, so a plan of an equal state is empty.
 * @param has whether a table has a row with this key, whatever it says
 */
export function plan(changes: ReadonlyMap<string, Changes>, order: readonly Phase[] = ORDER, has: (table: string, key: string) => boolean = () => false): PlannedPhase[] {
  return order.flatMap((phase) => {
    const change = changes.get(phase.table);
    const all = (phase.verb === 'upsert' ? change?.put : change?.gone) ?? [];
    const keys = phase.rows === undefined ? all : all.filter((key) => has(phase.table, key) === (phase.rows === 'changed'));
    return keys.length === 0 ? [] : [{ phase, keys }];
  });
}
