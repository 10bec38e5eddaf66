import { afterAll, beforeAll, expect, it } from 'vitest';
import { PODS } from '../../agent/datastore/resource.js';
import { CniRunner } from '../../agent/lab/kubelet/cni-runner.js';
import { createSandbox } from '../../agent/lab/kubelet/sandbox.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { Pod } from '../../agent/lab/world/objects.js';
import { addressOf, createNamespace, createPod, startTestLab } from './cluster.js';

let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab('garbage', { nodes: 1 });
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/forgotten', { node: 'node1', ports: [[80, 'TCP']] });
  await lab.podsReady();
  lab.kubelet(1).close(); // from here on the test is the node's runtime
});
afterAll(() => lab?.close());

it('a container runtime frees with GC what it does not know of, and keeps what it does', async () => {
  const node = lab.node(1);
  const has = async (address: string): Promise<{ route: boolean; reserved: boolean }> => ({
    route: (await node.must(['ip', 'route', 'show', address])) !== '',
    reserved: (await node.exec(['test', '-e', `/var/lib/cni/networks/k8s-pod-network/${address}`])).code === 0,
  });
  const runtime = new CniRunner(node);
  expect(runtime.network()?.cniVersion).toBe('1.1.0');
  expect(await runtime.status()).toBeUndefined();
  const manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'known', namespace: 'x' }, spec: { nodeName: 'node1', containers: [{ name: 'main', image: 'none' }] } };
  const pod = (await lab.client.create(PODS, 'x', manifest)) as unknown as Pod;
  const sandbox = await createSandbox(node, pod);
  const { ips } = await runtime.add({ containerId: sandbox.id, netns: sandbox.netns, namespace: 'x', pod: 'known', uid: pod.metadata.uid, portMappings: [] });
  const [known, forgotten] = [ips![0]!.address.split('/')[0]!, addressOf(lab, 'x/forgotten')];
  expect(await Promise.all([known, forgotten].map(has))).toEqual([{ route: true, reserved: true }, { route: true, reserved: true }]);

  await runtime.collectGarbage();
  expect(await Promise.all([known, forgotten].map(has))).toEqual([{ route: true, reserved: true }, { route: false, reserved: false }]);
  await sandbox.destroy();
});
