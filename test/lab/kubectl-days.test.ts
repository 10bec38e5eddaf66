import { afterAll, beforeAll, describe } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { POD_DIFFERENCES } from '../conformance/kubectl/differences.js';
import { podDays } from '../conformance/kubectl/pods-there.js';
import { startTestLab } from './cluster.js';

describe('with kubectl, as on a real cluster, a user', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startTestLab('days');
  });
  afterAll(async () => {
    await lab?.close();
  });

  podDays(() => ({ kubeconfig: lab.kubeconfig, image: 'canal:lab', nodes: lab.nodes.map(({ name }) => name) }), POD_DIFFERENCES, false);
});
