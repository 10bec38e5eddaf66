import type { Column } from './column.js';

/** Columns by kind; a kind without an entry shows its name and age. */
export const COLUMNS: Readonly<Record<string, readonly Column[]>> = {};
