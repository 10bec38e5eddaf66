import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVICES, type Resource } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import { addressOf, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { createService, PORT, serviceLeadsTo, TARGET } from './service-objects.js';
import { losses, Traffic, type Where } from './traffic.js';

const ROLLOUTS = Number(process.env['CANAL_ROLLOUTS'] ?? 2);
/** Short connections a second, and long ones at a time. */
const SHORT = Number(process.env['CANAL_ROLLOUT_SHORT'] ?? 100);
const LONG = Number(process.env['CANAL_ROLLOUT_LONG'] ?? 10);
const PAIRS = Number(process.env['CANAL_DNS_PAIRS'] ?? 5_000);
const REPLICAS = 2;
const DEPLOYMENTS: Resource = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true };

let lab: Lab;
let traffic: Traffic;
const CLIENTS: readonly (readonly [string, Where])[] = [['a pod', 'x/client'], ['the node', { node: 1 }]];

beforeAll(async () => {
  lab = await startTestLab('svcload', { nodes: 2 });
  traffic = new Traffic(lab);
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/client', { node: 'node1' });
  await createPod(lab, 'x/dns-0', { node: 'node1' });
  await createPod(lab, 'x/dns-1', { node: 'node2' });
  await lab.podsReady();
});
afterAll(async () => {
  traffic?.close();
  await lab?.close();
});

describe(`${PAIRS} pairs of questions from one socket each`, () => {
  it.each(CLIENTS)('are all answered within a second, asked by %s', async (_, client) => {
    const servers = ['x/dns-0', 'x/dns-1'];
    const name = typeof client === 'string' ? 'dns-pod' : 'dns-node';
    if (typeof client === 'string') for (const who of servers) await traffic.serve(who, [TARGET]);
    const ip = await createService(lab, name, servers.map((who) => addressOf(lab, who)));
    await eventually(name, async () => ((await lab.probe({ node: 1 }, [{ address: ip, port: PORT, protocol: 'TCP' }]))[0]!.outcome === 'open' ? '' : 'not yet'), { withinMs: 5_000 });
    const { pairs, answered, slowestMs, errno } = await traffic.pairs(client, `udp:${ip}:${PORT}`, { count: PAIRS, parallel: 32 });
    console.log(`slowest of ${pairs}: ${slowestMs} ms`);
    expect({ pairs, answered, errno }).toEqual({ pairs: PAIRS, answered: PAIRS, errno: 0 });
    expect(slowestMs).toBeLessThan(1_000);
  }, 30_000 + 2 * PAIRS);
});

/** Servers that go on until they are killed: what is open when a pod is to go may end in its own time. */
function deployment(): object {
  const command = ['sh', '-c', `trap '' TERM; tail -f /dev/null | exec ${traffic.binary} serve ${TARGET}`];
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'x' },
    spec: {
      replicas: REPLICAS, selector: { matchLabels: { app: 'web' } }, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 60,
          containers: [{ name: 'main', image: 'none', command, ports: [{ containerPort: TARGET }], readinessProbe: { tcpSocket: { port: TARGET }, periodSeconds: 1 } }],
        },
      },
    },
  };
}

const livePods = (): string[] => [...lab.caches.pods.list()].filter(({ metadata }) => metadata.labels?.['app'] === 'web' && metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
const leavingPods = (): string[] => [...lab.caches.pods.list()].filter(({ metadata }) => metadata.labels?.['app'] === 'web' && metadata.deletionTimestamp !== undefined).map(({ metadata }) => metadata.name);

describe('a rolling update', () => {
  it(`${ROLLOUTS} times, under ${SHORT} short connections a second and ${LONG} long ones, fails none`, async () => {
    await lab.client.create(DEPLOYMENTS, 'x', deployment());
    const made = await lab.client.create(SERVICES, 'x', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'x' }, spec: { selector: { app: 'web' }, ports: [{ port: PORT, targetPort: TARGET }] } });
    const { clusterIP: ip } = (made as { spec: { clusterIP: string } }).spec;
    await lab.until('the deployment is ready', () => lab.status().pods.filter(({ name, ready }) => name.startsWith('web-') && ready).length === REPLICAS);
    await eventually('the service answers', async () => ((await lab.probe({ node: 1 }, [{ address: ip, port: PORT, protocol: 'TCP' }]))[0]!.outcome === 'open' ? '' : 'not yet'), { withinMs: 5_000 });
    const short = await Promise.all(CLIENTS.map(([, client]) => traffic.knock(client, (1000 * CLIENTS.length) / SHORT, [`tcp:${ip}:${PORT}`])));
    for (let rollout = 1; rollout <= ROLLOUTS; rollout++) {
      const long = await Promise.all(CLIENTS.map(([, client]) => traffic.stream(client, 50, Array.from({ length: LONG / CLIENTS.length }, () => `tcp:${ip}:${PORT}`))));
      const old = new Set(livePods());
      await lab.client.patch(DEPLOYMENTS, { namespace: 'x', name: 'web' }, 'merge', { spec: { template: { metadata: { annotations: { rollout: String(rollout) } } } } });
      await lab.until(`rollout ${rollout}`, () => {
        const now = livePods();
        return now.length === REPLICAS && now.every((name) => !old.has(name)) && lab.status().pods.filter(({ name, ready }) => now.includes(name) && ready).length === REPLICAS;
      }, 60_000);
      for (const stream of long) expect(await losses(stream), `long connections of rollout ${rollout}`).toEqual([]);
      // A kubelet leaves a pod its time to end; here it has all the time that the nodes need to turn away from it.
      await serviceLeadsTo(lab, 'web', livePods().map((name) => addressOf(lab, `x/${name}`)));
      await Promise.all(leavingPods().map((name) => lab.client.remove({ group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true }, { namespace: 'x', name }, { gracePeriodSeconds: 0 })));
    }
    for (const knocks of short) {
      const [door] = await knocks.stop();
      expect(door!.tried).toBeGreaterThan(ROLLOUTS * 10);
      expect(door).toMatchObject({ silent: 0, refused: 0 });
    }
  }, 30_000 + 30_000 * ROLLOUTS);
});
