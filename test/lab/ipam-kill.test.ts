import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PODS } from '../../agent/datastore/resource.js';
import type { Attachment } from '../../agent/lab/kubelet/cni-runner.js';
import { createSandbox, type Sandbox } from '../../agent/lab/kubelet/sandbox.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { Pod } from '../../agent/lab/world/objects.js';
import { Random, testSeed } from '../support/random.js';
import { followLog } from './agent-log.js';
import { agentStatus, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';

/** ADDs and DELs together; `make test-long` makes 2,000. */
const REQUESTS = Number(process.env['CANAL_IPAM_REQUESTS'] ?? 120);
const WORKERS = 4;
const PODS_OF_A_WORKER = 5;
const STORE = '/var/lib/cni/networks/k8s-pod-network';

let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab('ipam', { nodes: 1 });
  // This test is the node's container runtime.
  lab.kubelet(1).close();
  await createNamespace(lab, 'x');
  await Promise.all(Array.from({ length: WORKERS * PODS_OF_A_WORKER }, (_, i) => createPod(lab, `x/p${i}`, { node: 'node1' })));
});
afterAll(() => lab?.close());

interface Live {
  readonly sandbox: Sandbox;
  readonly attachment: Attachment;
  readonly address: string;
}

/** What stands, by pod. */
const live = new Map<string, Live>();

/** False: the agent was away. */
async function attach(name: string): Promise<boolean> {
  const pod = (await lab.client.get(PODS, { namespace: 'x', name })) as unknown as Pod;
  const sandbox = await createSandbox(lab.node(1), pod);
  const attachment = { containerId: sandbox.id, netns: sandbox.netns, namespace: 'x', pod: name, uid: pod.metadata.uid, portMappings: [] };
  try {
    const { ips } = await lab.kubelet(1).cni.add(attachment);
    const address = ips![0]!.address.split('/')[0]!;
    const owner = [...live].find(([, one]) => one.address === address)?.[0];
    expect(owner, `${address} was given to ${name} too`).toBeUndefined();
    live.set(name, { sandbox, attachment, address });
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'AssertionError') throw error;
    // As a runtime does.
    await lab.kubelet(1).cni.del(attachment);
    await sandbox.destroy();
    return false;
  }
}

/** With DEL, or as after a crash of the node: the namespace is simply gone. */
async function detach(name: string, withDel: boolean): Promise<void> {
  const { sandbox, attachment } = live.get(name)!;
  live.delete(name);
  if (withDel) await lab.kubelet(1).cni.del(attachment);
  await sandbox.destroy();
}

async function restartAgent(): Promise<void> {
  const log = followLog(lab, 1);
  await lab.node(1).agent.stop('SIGKILL');
  lab.startAgent(lab.node(1));
  await eventually('the agent has applied', () => (log.lines().some(({ msg }) => msg === 'kernel state applied for the first time') ? '' : 'not yet'), { withinMs: 30_000, everyMs: 50 });
}

it(`in ${REQUESTS} ADDs and DELs, 30 % of the latter left out, under kill -9 of the agent no address is given twice or leaks`, async () => {
  const random = new Random(testSeed());
  console.log(`CANAL_TEST_SEED=${random.seed}`);
  let left = REQUESTS;
  const work = async (worker: number): Promise<void> => {
    while (left-- > 0) {
      const name = `p${worker * PODS_OF_A_WORKER + random.below(PODS_OF_A_WORKER)}`;
      if (live.has(name)) await detach(name, random.next() < 0.7);
      else if (!(await attach(name))) {
        left++;
        await pause(100);
      }
    }
  };
  let kills = 0;
  const killing = (async () => {
    while (left > 0) {
      await pause(500 + random.next() * 2_500);
      await restartAgent();
      kills++;
    }
  })();
  await Promise.all([...Array.from({ length: WORKERS }, (_, i) => work(i)), killing]);
  await restartAgent();
  console.log(`${kills} kills, ${live.size} pods stand`);

  const wanted = [...live.values()].map(({ address }) => address).sort();
  await eventually('addresses on disk are those of the pods that stand', async () => {
    const files = (await lab.node(1).must(['ls', STORE])).split('\n').filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)).sort();
    return JSON.stringify(files) === JSON.stringify(wanted) ? '' : `${files.join(' ')} instead of ${wanted.join(' ')}`;
  }, { withinMs: 20_000, everyMs: 100 });
  await eventually('devices and endpoints are those of the pods that stand', async () => {
    const routes = (await lab.node(1).must(['ip', '-j', 'route'])).trim();
    const found = (JSON.parse(routes) as { dst: string; dev: string }[]).filter(({ dev }) => dev.startsWith('cali')).map(({ dst }) => dst).sort();
    const { endpoints } = (await agentStatus(lab, 1)).counts;
    return JSON.stringify(found) === JSON.stringify(wanted) && endpoints === wanted.length ? '' : `${found.join(' ')}, ${endpoints} endpoints, instead of ${wanted.join(' ')}`;
  }, { withinMs: 5_000, everyMs: 100 });
  expect(kills).toBeGreaterThan(0);
}, 60_000 + REQUESTS * 1_000);
