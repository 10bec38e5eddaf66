import { beforeAll, expect, it } from 'vitest';
import { apply, eventually, kubectl, NAMESPACE, nodes, type ClusterNode } from '../cluster.js';
import { addressOf, prepareTalk, prober, reaches, remove, server, start, type Target } from '../talkers.js';

const IDLE = { targets: [], hz: 0, connectHz: 0, held: 0 };

/** Pods, policy, services and DNS with pods on both nodes. */
export function traffic(): void {
  let here: ClusterNode;
  let there: ClusterNode;
  let near: Target;
  let far: Target;

  beforeAll(async () => {
    await prepareTalk();
    [here, there] = (await nodes()) as [ClusterNode, ClusterNode];
    await start(server('near', here, [80], { labels: { app: 'serve' } }), server('far', there, [80], { labels: { app: 'serve' } }), prober('asker', here, IDLE), prober('stranger', there, IDLE));
    near = { name: 'near', host: await addressOf('near'), port: 80 };
    far = { name: 'far', host: await addressOf('far'), port: 80 };
  });

  it.each(['TCP', 'UDP'] as const)('pods reach pods of their own and of another node over %s', async (protocol) => {
    for (const target of [near, far]) expect(await reaches('asker', target, protocol), target.name).toBe(true);
  });

  it('a policy closes a pod to all but the named, and opens it again when it goes', async () => {
    await apply({
      apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'only-asker', namespace: NAMESPACE },
      spec: { podSelector: { matchLabels: { name: 'far' } }, ingress: [{ from: [{ podSelector: { matchLabels: { name: 'asker' } } }] }] },
    });
    await eventually('the stranger is kept out', async () => !(await reaches('stranger', far, 'TCP', 500)));
    for (const protocol of ['TCP', 'UDP'] as const) {
      expect(await reaches('asker', far, protocol)).toBe(true);
      expect(await reaches('stranger', far, protocol)).toBe(false);
      expect(await reaches('stranger', near, protocol)).toBe(true);
    }
    await kubectl('-n', NAMESPACE, 'delete', 'networkpolicy', 'only-asker');
    await eventually('the stranger is let in', () => reaches('stranger', far, 'TCP', 500));
  });

  it.each(['ClusterIP', 'NodePort'] as const)('a %s service is reached by pods and by a node itself', async (type) => {
    const service = await makeService(type);
    await start(prober('on-node', here, IDLE, { hostNetwork: true }));
    for (const target of service) {
      for (const protocol of ['TCP', 'UDP'] as const) {
        for (const from of ['asker', 'stranger', 'on-node']) await eventually(`${from} reaches ${target.name} ${target.host}:${target.port} over ${protocol}`, () => reaches(from, target, protocol), 15_000);
      }
    }
    await remove('on-node');
    await kubectl('-n', NAMESPACE, 'delete', 'service', 'serve');
    expect(await reaches('asker', service[0]!, 'TCP')).toBe(false);
  });

  it('a name of the cluster is found through the DNS service', async () => {
    await eventually('kubernetes.default is found', async () => {
      const script = "require('dns').lookup('kubernetes.default.svc.cluster.local',(e,a)=>console.log(e?e.code:a))";
      const found = await kubectl('-n', NAMESPACE, 'exec', 'asker', '--', '/usr/bin/node', '-e', script);
      return found === (await kubectl('-n', 'default', 'get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}'));
    });
  });

  it('pods go when they are deleted, and leave no endpoint behind', async () => {
    await remove('near', 'far', 'asker', 'stranger', 'on-node');
    expect(await kubectl('-n', NAMESPACE, 'get', 'pods', '-o', 'name')).toBe('');
  });
}

/** A service in front of near and far; the targets that it has. */
async function makeService(type: 'ClusterIP' | 'NodePort'): Promise<Target[]> {
  const ports = ['TCP', 'UDP'].map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 7080, targetPort: 80, ...(type === 'NodePort' ? { nodePort: 30780 } : {}) }));
  await apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'serve', namespace: NAMESPACE }, spec: { type, selector: { app: 'serve' }, ports } });
  const clusterIp: Target = { name: 'clusterIP', host: await kubectl('-n', NAMESPACE, 'get', 'service', 'serve', '-o', 'jsonpath={.spec.clusterIP}'), port: 7080 };
  if (type === 'ClusterIP') return [clusterIp];
  return [clusterIp, ...(await nodes()).map(({ name, address }) => ({ name, host: address, port: 30780 }))];
}
