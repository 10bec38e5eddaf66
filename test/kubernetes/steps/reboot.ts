import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apply, eventually, given, kubectl, NAMESPACE, nodes, shellOn, type ClusterNode } from '../cluster.js';
import { addressOf, prepareTalk, prober, reaches, remove, server, start, type Target } from '../talkers.js';

const PODS = ['near', 'far', 'friend', 'stranger'];
const IDLE = { targets: [], hz: 0, connectHz: 0, held: 0 };

/** A node whose namespaces, pins and runtime folders are gone, and whose disks are as they were. */
export function reboot(): void {
  let first: ClusterNode;
  let second: ClusterNode;

  beforeAll(async () => {
    if (given.restartNode.length === 0) return;
    await prepareTalk();
    [first, second] = (await nodes()) as [ClusterNode, ClusterNode];
    await remove(...PODS);
    await start(server('near', first, [80]), server('far', second, [80]), prober('friend', first, IDLE), prober('stranger', second, IDLE));
    await apply({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'near', namespace: NAMESPACE }, spec: { podSelector: { matchLabels: { name: 'near' } }, ingress: [{ from: [{ podSelector: { matchLabels: { name: 'friend' } } }] }] } });
  });
  afterAll(async () => {
    if (given.restartNode.length === 0) return;
    await remove(...PODS);
    await kubectl('-n', NAMESPACE, 'delete', 'networkpolicy', 'near', '--ignore-not-found');
  });

  it.runIf(given.restartNode.length > 0)('a node that is restarted has its pods, their policy and both ways again, and no address of before', async () => {
    const restarts = (pod: string): Promise<string> => kubectl('-n', NAMESPACE, 'get', 'pod', pod, '-o', 'jsonpath={.status.containerStatuses[0].restartCount}');
    const begun = performance.now();
    await promisify(execFile)(given.restartNode[0]!, [...given.restartNode.slice(1), first.name]);
    await eventually('the pods of the node were started anew', async () => Number(await restarts('near')) > 0 && Number(await restarts('friend')) > 0, 180_000);
    await kubectl('-n', NAMESPACE, 'wait', '--for=condition=Ready', '--timeout=120s', ...PODS.map((name) => `pod/${name}`));
    const [near, far] = await Promise.all(['near', 'far'].map(async (name): Promise<Target> => ({ name, host: await addressOf(name), port: 80 })));
    const reached = (from: string, to: Target): Promise<void> => eventually(`${from} reaches ${to.name}`, () => reaches(from, to, 'TCP', 1000));
    await reached('friend', near!);
    await reached('friend', far!);
    await reached('stranger', far!);
    console.log(`all is well again ${((performance.now() - begun) / 1000).toFixed(1)} s after the restart began`);
    for (const protocol of ['TCP', 'UDP'] as const) expect(await reaches('stranger', near!, protocol, 1000), `policy of ${near!.host} over ${protocol}`).toBe(false);
    await eventually('one address, record and device for each pod', async () => new Set((await shellOn(first.name, COUNTS)).split('\n')).size === 1, 120_000);
  }, 600_000);
}

const COUNTS = 'ls /var/lib/cni/networks/k8s-pod-network | grep -c "^[0-9]"; ls /var/lib/canal/endpoints | wc -l; ls /sys/class/net | grep -c "^cali"';
