import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApiServer, type ApiServer } from '../../agent/apiserver/server.js';
import { startLab, type Lab } from '../../agent/lab/lab.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { on, podManifest } from './manifests.js';

let lab: Lab;
let other: Lab | undefined;
let api: ApiServer | undefined;
const scratch = mkdtempSync(join(tmpdir(), 'canal-test-'));

beforeAll(async () => {
  lab = await startLab({ name: `agents-${process.pid}`, nodes: 2 });
  const ports = { ports: [{ containerPort: 80 }] };
  await lab.apply([podManifest('a', on('node1'), ports), podManifest('b', on('node2'), ports)]);
  await lab.podsReady('default');
});

afterAll(async () => {
  await other?.close();
  await api?.close();
  await lab?.close();
  rmSync(scratch, { recursive: true, force: true });
});

const passes = async (): Promise<boolean[]> => (await lab.probe({ namespace: 'default', pod: 'a' }, [{ address: 'default/b', port: 80, protocol: 'TCP' }])).map(({ allowed }) => allowed);

it('traffic goes on while an agent is dead, and the node takes pods again once it is back', async () => {
  const node = lab.node(1);
  const first = node.agent.pid!;
  await node.agent.stop('SIGKILL');
  expect(node.agent.pid).toBeUndefined();
  expect(lab.status().nodes[0]!.agentPid).toBeNull();
  expect(await passes()).toEqual([true]);
  await lab.apply(podManifest('late', on('node1'), { ports: [{ containerPort: 80 }] }));
  lab.startAgent(node);
  await lab.until('late is ready', () => lab.status().pods.some(({ name, ready }) => name === 'late' && ready));
  expect(node.agent.pid).not.toBe(first);
  expect(await passes()).toEqual([true]);
});

it("status names paths that work: the nodes' and pods' namespaces and the agents' pins", () => {
  const { nodes, pods } = lab.status();
  expect(nodes.map(({ podCIDR }) => podCIDR)).toEqual(['10.42.0.0/24', '10.42.1.0/24']);
  for (const { netns, pinDir, agentLog } of nodes) for (const path of [netns, pinDir, agentLog]) expect(existsSync(path)).toBe(true);
  for (const { netns, cgroup } of pods) for (const path of [netns, cgroup]) expect(existsSync(path!)).toBe(true);
});

it('a second lab works beside the first, with an API server that was there already', async () => {
  api = await startApiServer();
  const kubeconfig = join(scratch, 'kubeconfig');
  writeFileSync(kubeconfig, api.kubeconfig);
  // Nobody allocates pod CIDRs here but whoever runs that server.
  for (const [name, podCIDR] of [['node1', '10.42.7.0/24']] as const) api.client.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { podCIDR, podCIDRs: [podCIDR] } });
  other = await startLab({ name: `beside-${process.pid}`, nodes: 1, kubeconfig });
  await other.apply(podManifest('guest', { nodeName: 'node1' }, { ports: [{ containerPort: 80 }] }));
  await other.podsReady('default');
  expect(other.status().pods.map(({ name, ip }) => [name, ip?.startsWith('10.42.7.')])).toEqual([['guest', true]]);
  expect(lab.status().pods.some(({ name }) => name === 'guest')).toBe(false);
  await other.close();
  other = undefined;
  expect(await passes()).toEqual([true]);
});
