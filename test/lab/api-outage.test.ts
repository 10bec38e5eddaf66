import { afterAll, beforeAll, expect, it } from 'vitest';
import { PODS } from '../../agent/datastore/resource.js';
import type { Attachment, CniResult } from '../../agent/lab/kubelet/cni-runner.js';
import { createSandbox, type Sandbox } from '../../agent/lab/kubelet/sandbox.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { Pod } from '../../agent/lab/world/objects.js';
import { ApiProcess, startLabOn } from './api-process.js';
import { addressOf, agentStatus, applyPolicy, createNamespace, createPod } from './cluster.js';
import { eventually } from './eventually.js';
import { losses, Traffic } from './traffic.js';

const [FIRST, SECOND] = [80, 81];
/** How long the API server stays away; longer than an ADD may wait (40 s), the runtime's next ADD is the one that succeeds. */
const OUTAGE_MS = Number(process.env['CANAL_OUTAGE_MS'] ?? 500);
/** Longest that an agent may take to hear of what it has missed: the reflector backs off, with jitter. */
const HEARD_WITHIN_MS = 15_000;

const api = new ApiProcess();
let lab: Lab;
let traffic: Traffic;

beforeAll(async () => {
  lab = await startLabOn(api, 'outage');
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/client', { node: 'node2', labels: { role: 'client' } });
  await createPod(lab, 'x/server', { node: 'node1', labels: { role: 'server' } });
  await lab.podsReady();
  await traffic.serve('x/server', [FIRST, SECOND]);
  // From here on this test does what node1's kubelet would.
  lab.kubelet(1).close();
  await applyPolicy(lab, 'x', only(FIRST));
  await eventually('policy is in force', () => enforcement(FIRST, SECOND), { withinMs: 5_000 });
});
afterAll(async () => {
  traffic?.close();
  await lab?.close();
  await api.close();
});

const only = (port: number) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'only' },
  spec: { podSelector: { matchLabels: { role: 'server' } }, policyTypes: ['Ingress'], ingress: [{ ports: [{ port, protocol: 'TCP' }, { port, protocol: 'UDP' }] }] },
});

async function enforcement(open: number, closed: number, to = addressOf(lab, 'x/server')): Promise<string[]> {
  const targets = [open, closed].flatMap((port) => (['TCP', 'UDP'] as const).map((protocol) => ({ address: to, port, protocol })));
  const answers = await lab.probe({ namespace: 'x', pod: 'client' }, targets, { timeoutMs: 250 });
  return answers.flatMap(({ allowed, outcome }, i) => (allowed === (targets[i]!.port === open) ? [] : [`${targets[i]!.protocol} ${targets[i]!.port}: ${outcome}`]));
}

const manifest = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'x', labels: { role: 'server' } },
  spec: { nodeName: 'node1', terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'none' }] },
});

async function sandboxOf(name: string, uid: string): Promise<{ sandbox: Sandbox; attachment: Attachment }> {
  const sandbox = await createSandbox(lab.node(1), { ...manifest(name), metadata: { ...manifest(name).metadata, uid } } as Pod);
  return { sandbox, attachment: { containerId: sandbox.id, netns: sandbox.netns, namespace: 'x', pod: name, uid, portMappings: [] } };
}

it('while the API server is away policy stays, DEL works, and ADD of a new pod waits for it', async () => {
  const { cni } = lab.kubelet(1);
  const { metadata } = (await lab.client.create(PODS, 'x', manifest('old'))) as unknown as Pod;
  const old = await sandboxOf('old', metadata.uid);
  const { ips } = await cni.add(old.attachment);
  const oldAddress = ips![0]!.address.split('/')[0]!;
  const flows = await traffic.stream('x/client', 20, ['tcp', 'udp'].map((protocol) => `${protocol}:${addressOf(lab, 'x/server')}:${FIRST}`));
  const denied = await traffic.knock('x/client', 20, ['tcp', 'udp'].map((protocol) => `${protocol}:${addressOf(lab, 'x/server')}:${SECOND}`));

  await api.kill();
  await eventually('the agents notice', async () => ((await agentStatus(lab, 1)).conditions.find(({ name }) => name === 'api')?.ok === false ? [] : ['api is still said to be well']), { withinMs: 5_000 });
  expect(await enforcement(FIRST, SECOND)).toEqual([]);
  await cni.del(old.attachment);
  await old.sandbox.destroy();
  expect(await lab.node(1).must(['ip', 'route', 'show', oldAddress])).toBe('');
  expect((await lab.node(1).exec(['test', '-e', `/var/lib/cni/networks/k8s-pod-network/${oldAddress}`])).code, 'the address is released').toBe(1);

  const uid = '11111111-2222-3333-4444-555555555555';
  const young = await sandboxOf('young', uid);
  let answered = false;
  const adding = addAsKubelet(() => cni.add(young.attachment)).finally(() => (answered = true));
  adding.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
  expect(await enforcement(FIRST, SECOND), 'policy after the outage').toEqual([]);
  expect(answered, 'ADD has answered though nobody knows the pod').toBe(false);

  await api.start();
  await eventually('the pod is created', () => lab.client.create(PODS, 'x', manifest('young')).then(() => ''), { withinMs: 5_000 });
  const added = await adding;
  const address = added.ips![0]!.address.split('/')[0]!;
  // Nothing listens there: a refusal comes from the pod, silence from its policy.
  const [open, closed] = await lab.probe({ namespace: 'x', pod: 'client' }, [FIRST, SECOND].map((port) => ({ address, port, protocol: 'TCP' as const })), { timeoutMs: 250 });
  expect([open!.outcome, closed!.outcome], 'policy of the new pod').toEqual(['refused', 'timeout']);
  await cni.del(young.attachment);
  await young.sandbox.destroy();

  expect(await losses(flows), 'long-lived flows that lost something').toEqual([]);
  expect((await denied.stop()).filter(({ answered: passed }) => passed > 0)).toEqual([]);
}, OUTAGE_MS + 120_000);

/** Until it succeeds, as a kubelet does with a plugin that says try again later. */
async function addAsKubelet(add: () => Promise<CniResult>): Promise<CniResult> {
  for (;;) {
    try {
      return await add();
    } catch (error) {
      expect(String(error)).toContain('not in force before the deadline');
    }
  }
}

it('the objects outlive kill -9 of the API server, and changes are heard of again', async () => {
  await applyPolicy(lab, 'x', only(SECOND));
  const ms = await eventually('the new policy is in force', () => enforcement(SECOND, FIRST), { withinMs: HEARD_WITHIN_MS });
  console.log(`heard after ${ms.toFixed(0)} ms`);
});

it('an event that is cut in mid-line is not lost', async () => {
  for (const [open, closed] of [[FIRST, SECOND], [SECOND, FIRST], [FIRST, SECOND]] as const) {
    const before = api.cuts;
    api.cutEvents(true);
    await applyPolicy(lab, 'x', only(open));
    await eventually('watches are cut', () => (api.cuts > before + 1 ? '' : 'not yet'), { withinMs: 5_000 });
    api.cutEvents(false);
    const ms = await eventually('the new policy is in force', () => enforcement(open, closed), { withinMs: HEARD_WITHIN_MS });
    console.log(`heard after ${ms.toFixed(0)} ms, ${api.cuts - before} cuts`);
  }
});
