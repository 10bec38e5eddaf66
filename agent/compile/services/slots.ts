import { backendText, type BackendAddress } from './rows.js';

/**
 * Gives backends their slots, 0 to n-1 without a hole, so that as few rows as
 * possible differ from `previous`: who stays keeps its slot, a new one takes
 * the place of one that left, the last fill the holes that remain. A function
 * of both arguments; which slot a backend has means nothing to anybody.
 * @param wanted each once; the order decides only between new ones
 */
export function assignSlots<B extends BackendAddress>(previous: readonly BackendAddress[], wanted: readonly B[]): readonly B[] {
  const left = new Map(wanted.map((backend) => [backendText(backend), backend]));
  const slots: (B | undefined)[] = previous.map((backend) => {
    const text = backendText(backend);
    const stays = left.get(text);
    left.delete(text);
    return stays;
  });
  const added = [...left.values()];
  for (let slot = 0; slot < slots.length && added.length > 0; slot++) slots[slot] ??= added.shift();
  slots.push(...added);
  for (let slot = 0; slot < slots.length; slot++) {
    while (slots.length > 0 && slots.at(-1) === undefined) slots.pop();
    if (slot < slots.length) slots[slot] ??= slots.pop();
  }
  return slots as B[];
}
