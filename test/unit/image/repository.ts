import { fileURLToPath } from 'node:url';

/** A file of this repository. */
export const file = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
