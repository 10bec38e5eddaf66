import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type * as canalNode from '../../agent/bench/canal-node.js';
import type * as benchLab from '../../agent/bench/lab.js';
import { packageRoot } from '../../agent/lab/machine/layout.js';
import { eventually } from './eventually.js';

const run = promisify(execFile);
const root = packageRoot();
const TALK = join(import.meta.dirname, 'checksum-talk.mjs');
const [CLIENT, SERVER] = ['10.42.0.2', '10.42.1.2'];
const PORT = 8080; // what the bench's policies let through
const BYTES = 15_000_000;
const FIT = 1450 - 28;
/** The pod's own address asks the server in its place, as load balancers in pods do. */
const PASS_ON = `table ip pass-on {
  chain before { type nat hook prerouting priority -100; tcp dport ${PORT} dnat to ${SERVER}:${PORT}; }
  chain after { type nat hook postrouting priority 100; masquerade; }
}`;

/** Node n1 is canal's and writes VXLAN in the programs; n2 is a bare kernel with flannel's device. */
describe('a node that writes VXLAN itself and one whose kernel does', () => {
  let lab: benchLab.BenchLab;
  let canal: canalNode.CanalNode | undefined;
  const servers: ChildProcess[] = [];

  beforeAll(async () => {
    const { BenchLab: Lab } = (await import(join(root, 'build/agent/bench/lab.js'))) as typeof benchLab;
    const { startCanalNode } = (await import(join(root, 'build/agent/bench/canal-node.js'))) as typeof canalNode;
    lab = Lab.create(`${process.pid}-peer`);
    canal = await startCanalNode(lab, { node: 'n1', size: { policies: 3, cidrs: 6, services: 0 }, fastPath: 'on', everything: false, cgroup: '' });
    for (const pod of ['a1', 'b1']) servers.push(await serve(pod));
  });

  afterAll(async () => {
    for (const server of servers) server.kill();
    await canal?.close();
    lab.close();
  });

  async function serve(pod: string): Promise<ChildProcess> {
    const child = spawn('nsenter', [`--net=${lab.netns(pod)}`, process.execPath, TALK, 'serve', String(PORT)], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return child;
  }

  const talk = async (pod: string, ...args: (string | number)[]): Promise<unknown> =>
    JSON.parse((await run('nsenter', [`--net=${lab.netns(pod)}`, process.execPath, TALK, ...args.map(String)], { timeout: 60_000 })).stdout) as unknown;
  const ping = async (pod: string, ...args: string[]): Promise<string> => (await run('nsenter', [`--net=${lab.netns(pod)}`, 'ping', ...args]).catch((e: { stdout: string }) => e)).stdout;
  const link = (node: string, device: string): { rx: number; tx: number } => {
    const { rx, tx } = (JSON.parse(lab.run(node, ['ip', '-s', '-j', 'link', 'show', device])) as { stats64: Record<'rx' | 'tx', { packets: number }> }[])[0]!.stats64;
    return { rx: rx.packets, tx: tx.packets };
  };
  const features = (name: string, device: string, ...change: string[]): void => void lab.run(name, ['ethtool', '-K', device, ...change]);

  afterEach(() => {
    for (const node of ['n1', 'n2']) features(node, 'u0', 'tx', 'on', 'tso', 'on', 'gso', 'on');
    for (const pod of ['a1', 'b1']) features(pod, 'eth0', 'tx', 'on', 'tso', 'on', 'gso', 'on');
  });

  it.each<[string, () => void]>([
    ['as devices are', () => undefined],
    ['without checksum offload on the uplinks', () => ['n1', 'n2'].forEach((node) => features(node, 'u0', 'tx', 'off'))],
    ['without segmentation offload on the uplinks', () => ['n1', 'n2'].forEach((node) => features(node, 'u0', 'tso', 'off', 'gso', 'off'))],
    ['without checksum offload in the pods', () => ['a1', 'b1'].forEach((pod) => features(pod, 'eth0', 'tx', 'off'))],
    ['without segmentation offload in the pods', () => ['a1', 'b1'].forEach((pod) => features(pod, 'eth0', 'tso', 'off', 'gso', 'off'))],
  ])('exchange every byte both ways, %s', async (_, change) => {
    change();
    const before = link('n1', 'flannel.1');
    expect(await talk('a1', 'tcp', SERVER, PORT, BYTES)).toEqual({ sent: true, received: true });
    expect(await talk('b1', 'tcp', CLIENT, PORT, BYTES)).toEqual({ sent: true, received: true });
    const sizes = [1, 100, 1300, FIT];
    expect(await talk('a1', 'udp', SERVER, PORT, sizes.join(','))).toEqual({ echoed: sizes.length, wrong: 0 });
    // What the programs sent has not been the device's, nor what they took, joined packets among it.
    const after = link('n1', 'flannel.1');
    expect(after.tx - before.tx).toBeLessThan(200);
    expect(after.rx - before.rx).toBeLessThan(200);
  });

  it('exchange every byte through a pod that passes on what it gets', async () => {
    lab.run('a1', ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    lab.run('a1', ['nft', '-f', '-'], PASS_ON);
    try {
      const before = link('n1', 'flannel.1');
      expect(await talk('b1', 'tcp', CLIENT, PORT, BYTES)).toEqual({ sent: true, received: true });
      // Joined packets were the kernel's, which takes the tunnel's mark off them.
      expect(link('n1', 'flannel.1').rx - before.rx).toBeGreaterThan(200);
    } finally {
      lab.run('a1', ['nft', 'delete', 'table', 'ip', 'pass-on']);
      lab.run('a1', ['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
    }
  });

  it('exchange fragments of datagrams that do not fit, and pings up to what fits', async () => {
    expect(await talk('a1', 'udp', SERVER, PORT, '3000,8000,20000')).toEqual({ echoed: 3, wrong: 0 });
    expect(await talk('b1', 'udp', CLIENT, PORT, '3000,8000,20000')).toEqual({ echoed: 3, wrong: 0 });
  });

  it('tell a pod that sends more than fits what does, and that its packet has travelled too far', async () => {
    for (const [name, device] of [['n1', 'cali1'], ['a1', 'eth0']] as const) lab.run(name, ['ip', 'link', 'set', device, 'mtu', '1500']);
    expect(await ping('a1', '-c1', '-W2', '-Mdo', '-s1460', SERVER)).toMatch(/Frag needed.*mtu = 1450/);
    expect(await ping('a1', '-c1', '-W2', '-t1', SERVER)).toMatch(/From 10\.0\.0\.1 .*Time to live exceeded/);
    expect(await ping('a1', '-c1', '-W2', '-t2', SERVER)).toMatch(/From 10\.42\.1\.0 .*Time to live exceeded/);
    expect(await ping('a1', '-c1', '-W2', '-t3', '-s1422', SERVER)).toContain(' 0% packet loss');
    for (const [name, device] of [['n1', 'cali1'], ['a1', 'eth0']] as const) lab.run(name, ['ip', 'link', 'set', device, 'mtu', '1450']);
  });

  it('lose nothing when the neighbour entry goes or its address changes', async () => {
    lab.run('n1', ['ip', 'neigh', 'del', '10.0.0.2', 'dev', 'u0']);
    expect(await talk('a1', 'udp', SERVER, PORT, Array<number>(50).fill(100).join(','))).toEqual({ echoed: 50, wrong: 0 });
    lab.run('n2', ['ip', 'link', 'set', 'u0', 'address', '02:00:00:00:00:22']);
    lab.run('n1', ['ip', 'neigh', 'replace', '10.0.0.2', 'lladdr', '02:00:00:00:00:22', 'dev', 'u0', 'nud', 'stale']);
    expect(await talk('a1', 'udp', SERVER, PORT, Array<number>(50).fill(100).join(','))).toEqual({ echoed: 50, wrong: 0 });
    // In use, the entry is confirmed by the kernel, which is not told of it by each packet.
    const state = (): string => lab.run('n1', ['ip', 'neigh', 'show', '10.0.0.2', 'dev', 'u0']);
    await eventually('the neighbour is asked for', () => (/REACHABLE|DELAY|PROBE/.test(state()) ? '' : state()), { withinMs: 10_000 });
  });

  it('go on at once when the uplink was down', async () => {
    lab.run('n1', ['ip', 'link', 'set', 'u0', 'down']);
    expect(await ping('a1', '-c1', '-W1', SERVER)).toContain('100% packet loss');
    lab.run('n1', ['ip', 'link', 'set', 'u0', 'up']);
    expect(await talk('a1', 'tcp', SERVER, PORT, 1_000_000)).toEqual({ sent: true, received: true });
  });
});
