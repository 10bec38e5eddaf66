import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lab } from '../../agent/lab/lab.js';
import { processesOf } from '../../agent/lab/machine/cgroup.js';
import { inside } from '../../agent/lab/machine/place.js';
import { must } from '../../agent/lab/machine/process.js';
import { followLog, mendedRows } from './agent-log.js';
import { applyPolicy, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';
import { kernelState, LINKS, stateDifferences, type KernelState } from './kernel-state.js';

/** From the fault to the state that is wanted. */
const MENDED_WITHIN_MS = 1_000;

let lab: Lab;
let wanted: KernelState;
let device: string;

beforeAll(async () => {
  lab = await startTestLab('heal', { nodes: 2 });
  await createNamespace(lab, 'x');
  await createPod(lab, 'x/a', { node: 'node1', ports: [[80, 'TCP'], [81, 'TCP']] });
  await createPod(lab, 'x/b', { node: 'node2', ports: [[80, 'TCP'], [81, 'TCP']] });
  await lab.podsReady();
  await applyPolicy(lab, 'x', {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'only-80' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ ports: [{ port: 80 }] }] },
  });
  await eventually('pods reach each other', reachability, { withinMs: 5_000 });
  wanted = await kernelState(lab, 1);
  await eventually('what pods send is at its quicker hook', async () => (await lab.node(1).must(['ls', LINKS])).includes('cali') ? [] : ['no link'], { withinMs: 10_000 });
  device = /cali\w+/.exec(wanted.routes.join())![0];
});
afterAll(() => lab?.close());

/** Both ways on port 80, neither way on 81. */
async function reachability(): Promise<string[]> {
  const ways = [['a', 'x/b'], ['b', 'x/a']] as const;
  const found = await Promise.all(
    ways.map(async ([pod, to]) => {
      const [open, closed] = await lab.probe({ namespace: 'x', pod }, [80, 81].map((port) => ({ address: to, port, protocol: 'TCP' as const })), { timeoutMs: 200 });
      return [...(open!.allowed ? [] : [`${pod} does not reach ${to}: ${open!.outcome}`]), ...(closed!.allowed ? [`${pod} reaches port 81 of ${to}`] : [])];
    }),
  );
  return found.flat();
}

const shell = (script: string): (() => Promise<unknown>) => () => lab.node(1).must(['sh', '-ec', script.replaceAll('$CALI', device)]);

/** As a cloud does it: the old device goes, another with the same name and address comes. */
async function recreateUplink(): Promise<void> {
  const node = lab.node(1);
  const [lan] = processesOf(join(dirname(node.cgroup), 'lan'));
  await node.must(['ip', 'link', 'del', 'eth0']);
  const command = inside({ net: `/proc/${lan}/ns/net` }, ['ip', '-batch', '-']);
  await must(command.file, command.args, { input: `link add name node1 type veth peer name eth0 netns ${node.holder.pid}\nlink set node1 master lan0\nlink set node1 up\n` });
  await node.must(['sh', '-ec', `ip address add ${node.address}/24 dev eth0; ip link set eth0 up; ip route add default via 172.30.0.1`]);
}

const FAULTS: readonly (readonly [fault: string, make: () => Promise<unknown>, mended: RegExp | undefined])[] = [
  ['flannel.1 set down', shell('ip link set flannel.1 down'), /link flannel\.1/],
  ['the uplink set down and up', shell('ip link set eth0 down; ip link set eth0 up; ip route replace default via 172.30.0.1'), undefined],
  ['the uplink recreated', recreateUplink, /link flannel\.1/],
  ['flannel.1 deleted', shell('ip link del flannel.1'), /link flannel\.1/],
  ['the MAC of flannel.1 changed', shell('ip link set flannel.1 address 02:00:00:00:00:77'), /link flannel\.1/],
  ['the MTU of flannel.1 changed', shell('ip link set flannel.1 mtu 1300'), /link flannel\.1/],
  ['addresses of flannel.1 flushed', shell('ip -4 address flush dev flannel.1'), /address /],
  ['routes through flannel.1 flushed', shell('ip route flush dev flannel.1'), /route 10\.42\.1\.0\/24/],
  ['all routes to pods flushed', shell('ip route flush root 10.42.0.0/16'), /route 10\.42\.0\.\d+/],
  ['neighbours flushed', shell('ip neighbour flush dev flannel.1 nud permanent'), /neighbour .*10\.42\.1\.0/],
  ['FDB entries flushed', shell('bridge fdb show dev flannel.1 | while read mac _ dst _; do bridge fdb del $mac dev flannel.1 dst $dst self; done'), /fdb /],
  ['programs of a pod detached', shell('tc qdisc del dev $CALI clsact'), /attachment .*canal_from_pod|attachment /],
  ['one program of a pod detached', shell('tc filter del dev $CALI egress'), /attachment /],
  ['the link of a pod detached', shell(`bpftool link detach pinned ${LINKS}/$CALI-ingress`), /attachment /],
  ['a route of a node that does not exist', shell('ip route add 10.42.99.0/24 via 10.42.99.0 dev flannel.1 onlink'), /route 10\.42\.99\.0/],
  ['a neighbour of a node that does not exist', shell('ip neighbour add 10.42.99.0 lladdr 02:00:00:00:00:99 nud permanent dev flannel.1'), /neighbour .*10\.42\.99\.0/],
  ['an FDB entry of a node that does not exist', shell('bridge fdb add 02:00:00:00:00:99 dev flannel.1 dst 172.30.0.99 self permanent'), /fdb .*02:00:00:00:00:99/],
  ['a route to another node by another way', shell('ip route replace 10.42.1.0/24 via 172.30.0.1'), /route 10\.42\.1\.0\/24/],
];

describe('the agent mends what somebody else has changed', () => {
  for (const [fault, make, mended] of FAULTS) {
    it(fault, async () => {
      const log = followLog(lab, 1);
      await make();
      const ms = await eventually('state equals intent', async () => stateDifferences(await kernelState(lab, 1), wanted), { withinMs: MENDED_WITHIN_MS });
      await eventually('pods reach each other, as policy allows', reachability, { withinMs: MENDED_WITHIN_MS });
      if (mended !== undefined) await eventually('the log says what was mended', () => (mendedRows(log.lines()).some((row) => mended.test(row)) ? [] : [`${mended} in ${JSON.stringify(log.lines())}`]), { withinMs: 1_000 });
      console.log(`${fault}: ${ms.toFixed(0)} ms`);
    });
  }

  it('programs of flannel.1 and of the uplink detached', async () => {
    const pins = `${LINKS}/flannel* ${LINKS}/eth0*`;
    const ids = async (): Promise<readonly number[]> => {
      const text = await lab.node(1).must(['sh', '-ec', `for pin in ${pins}; do bpftool -j link show pinned $pin; done`]);
      return text.split('\n').filter(Boolean).map((line) => (JSON.parse(line) as { id: number }).id);
    };
    const before = await ids();
    expect(before.length).toBeGreaterThan(0);
    await lab.node(1).must(['sh', '-ec', `for pin in ${pins}; do bpftool link detach pinned $pin; done`]);
    await eventually('other links are pinned', async () => {
      const now = await ids();
      return now.length === before.length && now.every((id) => !before.includes(id)) ? [] : [`${before.join()} -> ${now.join()}`];
    }, { withinMs: MENDED_WITHIN_MS });
    await eventually('pods reach each other, as policy allows', reachability, { withinMs: MENDED_WITHIN_MS });
  });
});

it('rows of others are left alone', async () => {
  const foreign = 'ip route add 192.168.77.0/24 via 172.30.0.1; ip neighbour add 172.30.0.200 lladdr 02:00:00:00:00:20 nud permanent dev eth0';
  await shell(foreign)();
  await shell('ip route flush dev flannel.1')();
  await eventually('state equals intent', async () => stateDifferences(await kernelState(lab, 1), wanted), { withinMs: MENDED_WITHIN_MS });
  expect(await lab.node(1).must(['ip', 'route', 'show', '192.168.77.0/24'])).toContain('172.30.0.1');
  expect(await lab.node(1).must(['ip', 'neighbour', 'show', '172.30.0.200'])).toContain('PERMANENT');
});
