import type { Strategy } from './kind.js';

/** What each kind adds to the common handling of writes. */
export const STRATEGIES: Readonly<Record<string, Strategy>> = {};
