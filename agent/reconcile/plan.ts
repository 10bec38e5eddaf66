import type { Changes } from './diff.js';
import { ORDER, type Phase } from './order.js';

/** All of one phase's work. */
export interface PlannedPhase {
  readonly phase: Phase;
  readonly keys: readonly string[];
}

/** Orders what each table has to do. Pure; phases without work are left out, so a plan of an equal state is empty. */
export function plan(changes: ReadonlyMap<string, Changes>, order: readonly Phase[] = ORDER): PlannedPhase[] {
  return order.flatMap((phase) => {
    const change = changes.get(phase.table);
    const keys = (phase.verb === 'upsert' ? change?.put : change?.gone) ?? [];
    return keys.length === 0 ? [] : [{ phase, keys }];
  });
}
