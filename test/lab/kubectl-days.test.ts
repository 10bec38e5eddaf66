import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { POD_DIFFERENCES } from '../conformance/kubectl/differences.js';
import { KUBECTL } from '../conformance/kubectl/kubectl.js';
import { podDays } from '../conformance/kubectl/pods-there.js';
import { startTestLab } from './cluster.js';

const WAITS_FOR_JSONPATH = 23;
const minor = Number(/"minor": "(\d+)/.exec(execFileSync(KUBECTL, ['version', '--client', '-o', 'json'], { encoding: 'utf8' }))?.[1]);
const old = minor < WAITS_FOR_JSONPATH;
if (old) process.stdout.write(`kubectl 1.${minor} does not wait for a jsonpath: what it says of pods is not the same twice and is not compared; CANAL_KUBECTL names another\n`);

describe.skipIf(old)('with kubectl, as on a real cluster, a user', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startTestLab('days');
  });
  afterAll(async () => {
    await lab?.close();
  });

  podDays(() => ({ kubeconfig: lab.kubeconfig, image: 'canal:lab', nodes: lab.nodes.map(({ name }) => name) }), POD_DIFFERENCES, false);
});
