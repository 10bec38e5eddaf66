import { setFlagsFromString } from 'node:v8';

/**
 * Bytes of bytecode that a function runs before V8 optimises it; its own default is 132 KB. An agent does a little
 * of everything, seldom: with the default a fifth of the processor time of its first hundreds of CNI ADDs went into optimising
 * what they run. Loops over a large cluster get there as before, milliseconds later.
 */
const BUDGET = 1_000_000;

/** For the whole process, from here on. */
export function optimiseLater(): void {
  setFlagsFromString(`--interrupt-budget=${BUDGET}`);
}
