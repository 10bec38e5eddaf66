import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Bytes of bytecode that a function runs before V8 optimises it; its own default is 132 KB. An agent does a little
 * of everything, seldom: with the default a fifth of the processor time of its first hundreds of CNI ADDs went into optimising
 * what they run. Loops over a large cluster get there as before, milliseconds later.
 */
const BUDGET = 1_000_000;

/**
 * For the whole process, from here on. Instead, all is compiled by the quick compiler when it first runs (2 MB), and
 * stays compiled though it is not run for minutes: an ADD on an idle node takes a millisecond less of processor time.
 */
export function optimiseLater(): void {
  for (const flag of [`--interrupt-budget=${BUDGET}`, '--always-sparkplug', '--no-flush-bytecode']) setFlagsFromString(flag);
}

/**
 * Collects garbage, all of it. A start leaves a third of the heap behind; V8 would come to it a second later and
 * hold up the first pods and changes of policy (at full size 160 ms of processor time at a stretch, now it takes 40).
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
