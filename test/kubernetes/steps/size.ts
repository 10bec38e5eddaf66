import { afterAll, beforeAll, expect, it } from 'vitest';
import { apply, canal, eventually, kubectl, NAMESPACE, nodes, shellOn } from '../cluster.js';
import { IMAGE, prepareTalk } from '../talkers.js';

const PODS = Number(process.env['PODS'] ?? 200);
const ROUNDS = Number(process.env['ROUNDS'] ?? 5);

/** What a node has of its pods; equal before and after, or something leaked. */
const HELD: Readonly<Record<string, string>> = {
  addresses: 'ls /var/lib/cni/networks/k8s-pod-network | grep -c "^[0-9]" || true',
  records: 'ls /var/lib/canal/endpoints | wc -l',
  devices: 'ls /sys/class/net | grep -c "^cali" || true',
  routes: 'ip route | grep -c " dev cali" || true',
  pins: 'find /sys/fs/bpf/canal | wc -l',
  namespaces: 'ls /run/netns | wc -l',
};

/** Many pods at once, away and back, with nothing left behind. */
export function size(): void {
  beforeAll(async () => {
    await prepareTalk();
    await apply({
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'many', namespace: NAMESPACE },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'many' } },
        template: { metadata: { labels: { app: 'many' } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'pause', image: process.env['PAUSE_IMAGE'] ?? IMAGE, imagePullPolicy: 'IfNotPresent', ...(process.env['PAUSE_IMAGE'] === undefined ? { command: ['/usr/bin/node', '-e', 'setInterval(() => {}, 1 << 30)'] } : {}) }] } },
      },
    });
  });
  afterAll(() => kubectl('-n', NAMESPACE, 'delete', 'deployment', 'many', '--ignore-not-found'));

  it(`starts ${PODS} pods at once and takes them away, ${ROUNDS} times, and nothing stays behind`, async () => {
    await eventually('nodes hold no more than pods that the API server knows', async () => (await Promise.all((await nodes()).map(({ name }) => holdsItsPods(name)))).every(Boolean), 120_000);
    const before = await held();
    const seconds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      seconds.push(await scale(PODS));
      if (round === 0) console.log(await agents());
      await scale(0);
      await eventually('every sandbox is gone', async () => JSON.stringify(await held()) === JSON.stringify(before), 120_000).catch(async () => expect(await held()).toEqual(before));
    }
    console.log(`${PODS} pods Ready after ${seconds.map((s) => s.toFixed(0)).join(', ')} s`);
    console.log(await agents());
  }, 1_800_000);
}

async function scale(replicas: number): Promise<number> {
  const begun = performance.now();
  await kubectl('-n', NAMESPACE, 'scale', 'deployment', 'many', `--replicas=${replicas}`);
  await eventually(`${replicas} pods are ready`, async () => {
    const ready = await kubectl('-n', NAMESPACE, 'get', 'deployment', 'many', '-o', 'jsonpath={.status.readyReplicas}/{.status.replicas}');
    return replicas === 0 ? (await kubectl('-n', NAMESPACE, 'get', 'pods', '-l', 'app=many', '-o', 'name')) === '' : ready === `${replicas}/${replicas}`;
  }, 600_000);
  return (performance.now() - begun) / 1000;
}

/** Pods of a step before may be gone from the API server and not yet from the node. */
async function holdsItsPods(node: string): Promise<boolean> {
  const { items } = JSON.parse(await kubectl('get', 'pods', '-A', '--field-selector', `spec.nodeName=${node}`, '-o', 'json')) as { items: readonly { readonly spec: { readonly hostNetwork?: boolean } }[] };
  return Number(await shellOn(node, HELD['records']!)) === items.filter(({ spec }) => spec.hostNetwork !== true).length;
}

async function held(): Promise<Record<string, Record<string, string>>> {
  const all: Record<string, Record<string, string>> = {};
  for (const { name } of await nodes()) {
    const of: Record<string, string> = {};
    for (const [what, script] of Object.entries(HELD)) of[what] = await shellOn(name, script);
    // Rows that are one a pod; those of flows and of policy come and go with traffic.
    const maps = JSON.parse(await canal(name, 'maps', '--json')) as readonly { readonly name: string; readonly rows: number }[];
    for (const map of maps) if (['canal_endpoint', 'canal_local4'].includes(map.name)) of[map.name] = String(map.rows);
    all[name] = of;
  }
  return all;
}

/** Processor time and memory of the agents, as their kernel counts. */
async function agents(): Promise<string> {
  const lines: string[] = [];
  for (const { name } of await nodes()) {
    const { pid } = JSON.parse(await canal(name, 'status', '--json')) as { pid: number };
    const script = `for p in $(pgrep -f 'main.js agent'); do awk '/VmRSS|RssAnon/ {printf "%s %s kB ", $1, $2}' /proc/$p/status; awk '{print "user and system ticks " $14 " " $15}' /proc/$p/stat; done`;
    lines.push(`agent of ${name} (pid ${pid} in its container): ${await shellOn(name, script)}`);
  }
  return lines.join('\n');
}
