import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PODS } from '../../agent/datastore/resource.js';
import { createSandbox } from '../../agent/lab/kubelet/sandbox.js';
import type { Lab } from '../../agent/lab/lab.js';
import type { Pod } from '../../agent/lab/world/objects.js';
import type { EndpointView } from '../../agent/observe/views.js';
import { followLog, type LogLine } from './agent-log.js';
import { CalicoPod } from './calico-pod.js';
import { agentStatus, applyPolicy, askAgent, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';

const STORE = '/var/lib/cni/networks/k8s-pod-network';
/** host-local hands out .2 first. */
const [CLIENT, SERVER, UNRESERVED, LOST] = ['10.42.0.2', '10.42.0.3', '10.42.0.4', '10.42.0.5'] as const;

let lab: Lab;
const pods = new Map<string, CalicoPod>();
const pod = (name: string): CalicoPod => pods.get(name)!;

beforeAll(async () => {
  lab = await startTestLab('adopt', { nodes: 1, agent: false });
  lab.kubelet(1).close(); // this test is the node's kubelet
  await lab.node(1).must(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  await createNamespace(lab, 'x');
  for (const name of ['client', 'server', 'unreserved', 'lost', 'new']) await createPod(lab, `x/${name}`, { node: 'node1', labels: { role: name } });
  pods.set('client', await CalicoPod.create(lab, 'x/client', CLIENT));
  pods.set('server', await CalicoPod.create(lab, 'x/server', SERVER, { result: false }));
  pods.set('unreserved', await CalicoPod.create(lab, 'x/unreserved', UNRESERVED, { reservation: false, status: false }));
  pods.set('lost', await CalicoPod.create(lab, 'x/lost', LOST));
  await lab.client.remove(PODS, { namespace: 'x', name: 'lost' }, { gracePeriodSeconds: 0 });
  await lab.until('x/lost is gone', () => lab.caches.pods.get('x/lost') === undefined);
  for (const one of pods.values()) await one.serve([80, 81]);
  await applyPolicy(lab, 'x', {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'only-80' },
    spec: { podSelector: { matchLabels: { role: 'server' } }, policyTypes: ['Ingress'], ingress: [{ ports: [{ port: 80 }, { port: 80, protocol: 'UDP' }] }] },
  });
});
afterAll(async () => {
  await Promise.all([...pods.values()].map((one) => one.close()));
  await lab?.close();
});

/** What of these does not get through, TCP and UDP, from a pod. */
async function blocked(from: string, targets: readonly string[]): Promise<string[]> {
  const all = targets.flatMap((target) => [`tcp:${target}`, `udp:${target}`]);
  const answers = await pod(from).probe(all);
  expect(answers).toHaveLength(all.length);
  return all.filter((_, i) => !answers[i]!.allowed);
}
const both = (target: string): string[] => [`tcp:${target}`, `udp:${target}`];

async function startAgent(): Promise<LogLine[]> {
  const log = followLog(lab, 1);
  lab.startAgent(lab.node(1));
  await eventually('the agent has applied', () => (log.lines().some(({ msg }) => msg === 'kernel state applied for the first time') ? '' : 'not yet'), { withinMs: 60_000, everyMs: 50 });
  return log.lines();
}

const reserved = (): string[] => readdirSync(lab.node(1).path(STORE)).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)).sort();

describe("pods that Calico's plugin attached", () => {
  it('reach each other without policy before the agent starts, as on a node without Felix', async () => {
    expect(await blocked('client', [`${SERVER}:80`, `${SERVER}:81`, `${LOST}:80`])).toEqual([]);
  });

  it('come under policy as they run, with the first apply', async () => {
    const lines = await startAgent();
    expect(lines.filter(({ msg }) => msg === 'adopted a pod that another plugin attached').map((line) => line['pod']).sort()).toEqual(['x/client', 'x/server', 'x/unreserved']);
    await eventually('policy is in force', async () => {
      const found = await blocked('client', [`${SERVER}:80`, `${SERVER}:81`]);
      return JSON.stringify(found) === JSON.stringify(both(`${SERVER}:81`)) ? '' : found;
    }, { withinMs: 5_000 });
    expect(await blocked('server', [`${CLIENT}:80`, `${UNRESERVED}:81`])).toEqual([]);
    const endpoints = await askAgent<EndpointView[]>(lab, 1, '/v1/endpoints');
    expect(endpoints.map(({ namespace, pod: name, addresses, state }) => `${namespace}/${name} ${addresses.join()} ${state}`).sort()).toEqual([
      `x/client ${CLIENT} in force`, `x/server ${SERVER} in force`, `x/unreserved ${UNRESERVED} in force`,
    ]);
  });

  it('are reached by a change of policy too', async () => {
    await applyPolicy(lab, 'x', {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'closed' },
      spec: { podSelector: { matchLabels: { role: 'client' } }, policyTypes: ['Egress'], egress: [{ to: [{ podSelector: { matchLabels: { role: 'unreserved' } } }] }] },
    });
    await eventually('the client reaches no server', async () => {
      const found = await blocked('client', [`${SERVER}:80`, `${UNRESERVED}:80`]);
      return JSON.stringify(found) === JSON.stringify(both(`${SERVER}:80`)) ? '' : found;
    }, { withinMs: 5_000 });
  });

  it('are closed where nobody knows whose they are, and status says so', async () => {
    expect(await blocked('unreserved', [`${LOST}:80`])).toEqual(both(`${LOST}:80`));
    expect(await blocked('lost', [`${UNRESERVED}:80`])).toEqual(both(`${UNRESERVED}:80`));
    const { conditions, problems } = await agentStatus(lab, 1);
    const { device } = pod('lost');
    expect(conditions.find(({ name }) => name === 'pods')).toEqual({ name: 'pods', ok: false, message: `traffic of 1 devices is dropped: Device ${device}: no Pod of this node has a device of this name` });
    expect(problems).toContainEqual({ object: `Device ${device}`, field: '', message: 'no Pod of this node has a device of this name' });
  });

  it('keep their addresses: a new pod gets another, and reaches them', async () => {
    expect(reserved()).toEqual([CLIENT, SERVER, UNRESERVED, LOST]);
    lab.node(1).write(`${STORE}/last_reserved_ip.0`, '10.42.0.1', 0o600); // so that the search begins with theirs
    const object = (await lab.client.get(PODS, { namespace: 'x', name: 'new' })) as unknown as Pod;
    const sandbox = await createSandbox(lab.node(1), object);
    const attachment = { containerId: sandbox.id, netns: sandbox.netns, namespace: 'x', pod: 'new', uid: object.metadata.uid, portMappings: [] };
    try {
      const { ips } = await lab.kubelet(1).cni.add(attachment);
      expect(ips).toMatchObject([{ address: '10.42.0.6/32' }]);
      const answer = await lab.node(1).exec(['nsenter', `--net=${sandbox.netns}`, 'ping', '-c1', '-W2', UNRESERVED]);
      expect(answer.stdout).toContain('1 received');
    } finally {
      await lab.kubelet(1).cni.del(attachment);
      await sandbox.destroy();
    }
  });

  it('are adopted for good: the next agent has nothing to adopt and nothing to write', async () => {
    await lab.node(1).agent.stop('SIGKILL');
    const lines = await startAgent();
    expect(lines.filter(({ msg }) => msg === 'adopted a pod that another plugin attached')).toEqual([]);
    expect((await agentStatus(lab, 1)).apply!.firstWrites).toBe(0);
  });

  it('are adopted when the API knows them at last', async () => {
    await createPod(lab, 'x/lost', { node: 'node1', labels: { role: 'lost' } });
    await eventually('it is known', async () => {
      const { conditions } = await agentStatus(lab, 1);
      return conditions.find(({ name }) => name === 'pods')!.ok ? '' : 'not yet';
    }, { withinMs: 40_000, everyMs: 200 });
    await eventually('it is reached', () => blocked('unreserved', [`${LOST}:80`]), { withinMs: 5_000 });
  });

  it('are taken down by DEL: device, route and address', async () => {
    await lab.kubelet(1).cni.del(pod('server').attachment);
    expect(reserved()).toEqual([CLIENT, UNRESERVED, LOST]);
    const { code } = await lab.node(1).exec(['ip', 'link', 'show', pod('server').device]);
    expect(code).not.toBe(0);
    expect((await askAgent<EndpointView[]>(lab, 1, '/v1/endpoints')).map((one) => one.pod).sort()).toEqual(['client', 'lost', 'unreserved']);
  });
});
