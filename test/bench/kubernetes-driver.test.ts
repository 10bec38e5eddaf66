import { afterAll, beforeAll, expect, it } from 'vitest';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Report } from '../../agent/bench/report.js';
import { NAMESPACES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import { startTestLab } from '../lab/cluster.js';
import { eventually } from '../lab/eventually.js';

const CANAL = join(import.meta.dirname, '..', '..', 'build', 'agent', 'cli', 'main.js');

let lab: Lab;
beforeAll(async () => {
  lab = await startTestLab('bench-driver', { nodes: 2 });
});
afterAll(async () => {
  await lab?.close();
});

it('measures pods of any cluster over its API, under policies and through services, and leaves nothing in it', async () => {
  const args = ['bench', '--driver', 'kubernetes', '--cluster', `canal-everything=${lab.kubeconfig}`, '--contenders', 'limit,canal-everything', '--sizes', '2:10', '--services', '3',
    '--metrics', 'crr,stream', '--rounds', '1', '--warm-ms', '10', '--count-ms', '200', '--json', '-'];
  // In a process of its own: the lab's nodes and API server live in this one.
  const { stdout } = await promisify(execFile)(process.execPath, [CANAL, ...args], { encoding: 'utf8' });
  const report = JSON.parse(stdout) as Report;
  expect(report.rows.map(({ scenario, path, metric, contender, against, rounds }) => [scenario, path, metric, contender, against, rounds])).toEqual(
    ['same', 'across'].flatMap((path) => ['crr', 'stream'].flatMap((metric) => ['limit', 'canal-everything'].map((contender) => ['2 policies, 10 CIDRs, 3 services', path, metric, contender, 'limit', 1]))),
  );
  const left = async (): Promise<string[]> => (await lab.client.list(NAMESPACES)).items.map((item) => (item as { metadata: { name: string } }).metadata.name).filter((name) => name.startsWith('canal-bench-'));
  await eventually('the namespaces are gone', left, { withinMs: 60_000 });
  expect(readdirSync('/tmp').filter((name) => name.startsWith('canal-load-') && !existsSync(`/proc/${name.split('-')[2]}`))).toEqual([]);
}, 180_000);

it('measures from a pod to another that are there, under the policies that are there', async () => {
  const pod = (name: string, node: number): object => ({
    apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'default', name },
    spec: { nodeName: lab.node(node).name, containers: ['idle', 'other'].map((each) => ({ name: each, image: 'none', command: ['sleep', '600'] })) },
  });
  await lab.apply([pod('one', 1), pod('two', 2)]);
  await lab.podsReady('default');
  const args = ['bench', '--from', 'default/one', '--to', 'default/two', '--metrics', 'rr', '--rounds', '2', '--warm-ms', '10', '--count-ms', '100', '--json', '-'];
  const { stdout } = await promisify(execFile)(process.execPath, [CANAL, ...args], { encoding: 'utf8', env: { ...process.env, KUBECONFIG: lab.kubeconfig } });
  const { rows } = JSON.parse(stdout) as Report;
  expect(rows).toMatchObject([{ scenario: 'default/one to default/two', path: 'across', metric: 'rr', contender: 'cluster', against: 'cluster', rounds: 2, ratio: { median: 1 } }]);
  expect(rows[0]!.value.median).toBeGreaterThan(0);
}, 120_000);
