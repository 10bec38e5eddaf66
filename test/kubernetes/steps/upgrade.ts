import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentPod, apply, canal, eventually, given, kubectl, loadImage, NAMESPACE, nodes, restart, type ClusterNode } from '../cluster.js';
import { addressOf, laterReport, prepareTalk, prober, remove, reportOf, server, start, type Report, type Target, type Totals } from '../talkers.js';

/** Datagrams a second on every way. */
const HZ = Number(process.env['PROBE_HZ'] ?? 1000);
/** Held connections over all ways. */
const HELD = 100;
const TALKERS = ['near', 'far', 'outside', 'prober'];

/** The agent is swapped, killed and restarted under load: nothing may be lost. */
export function upgrade(): void {
  let silent: readonly string[] = [];

  beforeAll(async () => {
    await prepareTalk();
    const [here, there] = (await nodes()) as [ClusterNode, ClusterNode];
    await remove(...TALKERS); // of a run that was cut
    await start(server('near', here, [80], {}), server('far', there, [80, 81, 82], { labels: { app: 'far' } }), server('outside', there, [7999], { hostNetwork: true }));
    await apply(policy(), service());
    // Connections are held by a second prober, when it is known which ways stand.
    await start(prober('prober', here, { targets: await ways(there), hz: HZ, connectHz: 20, held: 0 }));
    const stands = (way: Totals): boolean => way.datagrams.answered > HZ && way.connects.answered > 10;
    await eventually('every way is answered', async () => (await reportOf('prober')).report.every(stands), 30_000).catch(() => undefined);
    silent = (await reportOf('prober')).report.filter((way) => !stands(way)).map((way) => way.name);
    await remove('prober');
    const targets = (await ways(there)).filter((way) => !silent.includes(way.name));
    await start(prober('prober', here, { targets, hz: HZ, connectHz: 20, held: Math.ceil(HELD / targets.length) }));
    await laterReport('prober', 5000);
  });

  afterAll(async () => {
    await remove(...TALKERS);
    await kubectl('-n', NAMESPACE, 'delete', '--ignore-not-found', 'service/far', 'networkpolicy/far');
  });

  it('answers on every way', () => expect(silent).toEqual([]));

  it('loses nothing where nothing happens, so that a loss can be told', async () => {
    await expectNothingLost(async () => {
      await new Promise((resolve) => setTimeout(resolve, 10_000));
    });
  });

  it('loses nothing when the agents are restarted by kubectl rollout', async () => {
    await expectNothingLost(() => rollout('restart'));
  });

  it('loses nothing when the agents are killed with SIGKILL', async () => {
    await expectNothingLost(async () => {
      for (const { name } of await nodes()) await kubectl('-n', 'kube-system', 'exec', (await agentPod(name))!, '-c', 'canal', '--', '/usr/bin/node', '-e', 'process.kill(1,9)').catch(() => undefined);
      await kubectl('-n', 'kube-system', 'delete', 'pod', '-l', 'k8s-app=canal', '--grace-period=0', '--force');
      await kubectl('-n', 'kube-system', 'rollout', 'status', 'daemonset/canal', '--timeout=120s');
    });
  });

  it('loses nothing on the way to the next version, whose maps have another layout, and back', async () => {
    if (given.nextImage === '') throw new Error('NEXT_IMAGE is not set: make test-kubernetes builds one');
    for (const { name } of await nodes()) await loadImage(name, given.nextImage);
    // A run that failed half way leaves the next version running.
    const image = (await kubectl('-n', 'kube-system', 'get', 'daemonset', 'canal', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).replace(/-next$/, '');
    for (const version of [`${image}-next`, image]) {
      await expectNothingLost(() => rollout('image', version));
      for (const { name } of await nodes()) expect(await canal(name, 'version')).toContain(version.replace(/^.*:/, ''));
    }
  });

  it.each(['kubelet', 'containerd'])('loses nothing when %s is restarted on both nodes', async (service) => {
    await expectNothingLost(async () => {
      for (const { name } of await nodes()) await restart(name, service);
      await kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s');
    });
    await start(server('after', (await nodes())[0]!, [80])); // and pods can be made again
    await remove('after');
  });
}

async function rollout(what: 'restart' | 'image', image = ''): Promise<void> {
  if (what === 'restart') await kubectl('-n', 'kube-system', 'rollout', 'restart', 'daemonset/canal');
  else await kubectl('-n', 'kube-system', 'set', 'image', 'daemonset/canal', `canal=${image}`, `install-cni=${image}`);
  await kubectl('-n', 'kube-system', 'rollout', 'status', 'daemonset/canal', '--timeout=180s');
}

/** All ways that the product promises: a pod of this node and of another, a service, the outside, a node port. */
async function ways(there: ClusterNode): Promise<Target[]> {
  const clusterIp = await kubectl('-n', NAMESPACE, 'get', 'service', 'far', '-o', 'jsonpath={.spec.clusterIP}');
  return [
    { name: 'pod, same node', host: await addressOf('near'), port: 80 },
    { name: 'pod, other node', host: await addressOf('far'), port: 80 },
    { name: 'service', host: clusterIp, port: 7081 },
    { name: 'outside', host: there.address, port: 7999 },
    { name: 'node port', host: there.address, port: 30781 },
  ];
}

function service(): object {
  const ports = ['TCP', 'UDP'].flatMap((protocol) => [{ name: `cluster-${protocol.toLowerCase()}`, protocol, port: 7081, targetPort: 81 }, { name: `node-${protocol.toLowerCase()}`, protocol, port: 7082, targetPort: 82, nodePort: 30781 }]);
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'far', namespace: NAMESPACE }, spec: { type: 'NodePort', selector: { app: 'far' }, ports } };
}

/** Answers pass only as answers: a flow that is forgotten shows. */
function policy(): object {
  return {
    apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'far', namespace: NAMESPACE },
    spec: { podSelector: { matchLabels: { app: 'far' } }, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [] },
  };
}

/** Longer than what a question may wait for its answer. */
const SETTLE_MS = 9000;

async function expectNothingLost(act: () => Promise<void>): Promise<void> {
  const before = await laterReport('prober', 1000);
  const room = await bufferDrops();
  await act();
  const after = await laterReport('prober', SETTLE_MS);
  const dropped = (await bufferDrops()) - room;
  console.log(`${lossTable(before, after)}\n${dropped} datagrams found no room in a socket of the test's; the prober waited ${after.longestStallMs} ms for the processor`);
  const lost = after.report.map((way, i) => ({ name: way.name, datagrams: way.datagrams.lost - before.report[i]!.datagrams.lost, connects: way.connects.lost - before.report[i]!.connects.lost, broken: way.held.broken - before.report[i]!.held.broken }));
  expect(lost.filter((way) => way.connects > 0 || way.broken > 0)).toEqual([]);
  expect(lost.reduce((sum, way) => sum + way.datagrams, 0), lossTable(before, after)).toBeLessThanOrEqual(dropped);
}

/** Over all talkers. The node's own namespace counts for the one outside. */
async function bufferDrops(): Promise<number> {
  const reports = await Promise.all(TALKERS.map((name) => laterReport(name, 0)));
  return reports.reduce((sum, report) => sum + report.bufferDrops, 0);
}

function lossTable(before: Report, after: Report): string {
  return after.report.map((way, i) => {
    const then = before.report[i]!;
    const [d, c] = [way.datagrams, way.connects];
    return `${way.name.padEnd(16)} ${d.lost - then.datagrams.lost} of ${d.sent - then.datagrams.sent} datagrams, ${c.lost - then.connects.lost} of ${c.sent - then.connects.sent} connects, ${way.held.broken - then.held.broken} of ${then.held.open} held; longest gap ${d.longestGapMs} ms`;
  }).join('\n');
}
