import { beforeAll } from 'vitest';
import { podDays } from '../../conformance/kubectl/pods-there.js';
import { given, nodes } from '../cluster.js';
import { IMAGE } from '../talkers.js';

/**
 * A user's days with kubectl and pods that run. What is said here is what the lab's kubectl says
 * (`test/lab/kubectl-days.test.ts`); CANAL_CONTRACT_RECORD=1 records it.
 */
export function sessions(): void {
  let names: string[] = [];
  beforeAll(async () => {
    names = (await nodes()).map(({ name }) => name);
  });
  podDays(() => ({ kubeconfig: given.kubeconfig, image: IMAGE, nodes: names }), {}, process.env['CANAL_CONTRACT_RECORD'] === '1');
}
