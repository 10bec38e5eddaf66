import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../agent/base/address.js';
import type { LocalEndpoint } from '../../agent/compile/desired.js';
import { podSysctls } from '../../agent/compile/endpoints/endpoints.js';
import { addPodLink, deletePodLink, inspectPodLink, netnsAlive, upPodLink, type PodLink } from '../../agent/kernel/pod-link.js';
import { EmptyNetns } from '../support/empty-netns.js';
import { takeNamespace } from '../support/own-namespace.js';
import { run, runQuietly } from '../support/shell.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const HOST = 'calipl000000001';
let netns: EmptyNetns;

const link = (change: Partial<PodLink> = {}): PodLink => ({
  netns: netns.path, hostDevice: HOST, ifname: 'eth0', mtu: 1450, queues: 1, addresses: [ip('10.42.0.2')], ipForward: false, ...change,
});
const sysctl = (path: string): string => readFileSync(`/proc/sys/net/${path}`, 'utf8').trim();
const squeeze = (text: string): string => text.replace(/\s+/g, ' ').trim();

beforeAll(async () => {
  await takeNamespace();
});
beforeEach(async () => {
  netns = await EmptyNetns.create();
});
afterEach(async () => {
  runQuietly(`ip link del ${HOST}`);
  await netns.close();
});
afterAll(() => {
  for (const name of ['pl-other', 'pl-gate']) runQuietly(`ip link del ${name}`);
});

describe('a pod link', () => {
  it('has its MACs, MTU, addresses and routes, and lets nothing through until it is brought up', async () => {
    const made = await addPodLink(link());
    expect(made.hostMac).toBe('ee:ee:ee:ee:ee:ee');
    const facts = await inspectPodLink(netns.path, HOST, 'eth0');
    expect(facts).toMatchObject({
      netnsAlive: true, hostIfindex: made.ifindex, hostUp: false, podIfindex: made.podIfindex, podUp: true, podMac: made.podMac, mtu: 1450,
      defaultRoute: true, ipForward: false,
    });
  });

  it('looks in the pod as Calico makes it', async () => {
    await addPodLink(link());
    await upPodLink(link());
    expect(squeeze(run(netns.inside('ip route')))).toBe('default via 169.254.1.1 dev eth0 169.254.1.1 dev eth0 scope link');
    expect(squeeze(run(netns.inside('ip -4 addr show eth0')))).toContain('inet 10.42.0.2/32 scope global eth0');
    expect(await inspectPodLink(netns.path, HOST, 'eth0')).toMatchObject({ hostUp: true, podUp: true, defaultRoute: true });
  });

  it('has on the host, before it is up, the settings that compile wants of it', async () => {
    await addPodLink(link());
    const wanted = podSysctls({ hostDevice: HOST } as LocalEndpoint);
    expect(wanted.map(([path]) => [path, sysctl(path.replace('net/', ''))])).toEqual(wanted);
  });

  it('looks on the host as Calico makes it', async () => {
    await addPodLink(link());
    await upPodLink(link());
    expect(squeeze(run(`ip route show dev ${HOST}`))).toBe('10.42.0.2 scope link metric 1024');
    const values = ['forwarding', 'proxy_arp', 'route_localnet', 'rp_filter'].map((name) => sysctl(`ipv4/conf/${HOST}/${name}`));
    expect(values).toEqual(['1', '1', '1', '0']);
    expect(sysctl(`ipv4/neigh/${HOST}/proxy_delay`)).toBe('0');
    expect([sysctl(`ipv6/conf/${HOST}/accept_ra`), sysctl(`ipv6/conf/${HOST}/proxy_ndp`)]).toEqual(['0', '0']);
    expect(run(`ip -4 addr show ${HOST}`)).not.toContain('inet ');
  });

  it('carries packets between pod and host by proxy ARP', async () => {
    run('ip addr add 10.77.0.1/32 dev lo');
    // Proxy ARP answers for what the host routes through another device: on a node, its default route.
    run('ip link add pl-gate type veth peer name pl-gate2');
    run('ip link set pl-gate up');
    run('ip link set pl-gate2 up');
    run('ip route add 169.254.0.0/16 dev pl-gate');
    await addPodLink(link());
    await upPodLink(link());
    expect(run(netns.inside('ping -c1 -W2 10.77.0.1'))).toContain('1 received');
    run('ip addr del 10.77.0.1/32 dev lo');
  });

  it('has both families where it is asked to', async () => {
    const both = link({ addresses: [ip('10.42.0.2'), ip('fd42::2')] });
    await addPodLink(both);
    await upPodLink(both);
    expect(squeeze(run(netns.inside('ip -6 route show default')))).toContain('default via fe80::ecee:eeff:feee:eeee dev eth0');
    expect(run(`ip -6 route show dev ${HOST}`)).toMatch(/^fd42::2 metric 1024/m);
    expect(run(`ip -6 addr show ${HOST}`)).toContain('fe80::ecee:eeff:feee:eeee/64');
    expect(sysctl(`ipv6/conf/${HOST}/proxy_ndp`)).toBe('1');
    expect((await inspectPodLink(netns.path, HOST, 'eth0')).addresses.map((a) => a.text)).toEqual(['10.42.0.2', 'fd42::2']);
  });

  it('may be brought up again, and replaces an older device of its name', async () => {
    const first = await addPodLink(link());
    await upPodLink(link());
    await upPodLink(link());
    const second = await addPodLink(link());
    expect(second.ifindex).not.toBe(first.ifindex);
    await upPodLink(link());
  });

  it('forwards in the pod only when asked to', async () => {
    await addPodLink(link({ ipForward: true, podMac: '02:00:00:00:00:07' }));
    expect(await inspectPodLink(netns.path, HOST, 'eth0')).toMatchObject({ ipForward: true, podMac: '02:00:00:00:00:07' });
  });

  it('is refused where the host routes the address elsewhere', async () => {
    run('ip link add pl-other type veth peer name pl-other2');
    run('ip link set pl-other up');
    run('ip link set pl-other2 up');
    run('ip route add 10.42.0.2/32 dev pl-other scope link metric 1024');
    await addPodLink(link());
    await expect(upPodLink(link())).rejects.toMatchObject({ code: 'KERNEL', errno: 17 });
    run('ip link del pl-other');
  });

  it('can be deleted, again and again, and when its namespace is gone', async () => {
    await addPodLink(link());
    await deletePodLink(netns.path, 'eth0');
    await deletePodLink(netns.path, 'eth0');
    expect((await inspectPodLink(netns.path, HOST, 'eth0')).hostIfindex).toBe(0);
    expect(netnsAlive(netns.path)).toBe(true);
    await netns.close();
    expect(netnsAlive(netns.path)).toBe(false);
    await deletePodLink(netns.path, 'eth0');
    expect(await inspectPodLink(netns.path, HOST, 'eth0')).toMatchObject({ netnsAlive: false, hostIfindex: 0 });
    await expect(addPodLink(link())).rejects.toMatchObject({ errno: 2 });
  });

  it('leaves no device behind when it cannot be made', async () => {
    run(netns.inside('ip link add eth0 type veth peer name eth1'));
    await expect(addPodLink(link())).rejects.toMatchObject({ errno: 17 });
    expect(run('ip -o link')).not.toContain(HOST);
  });

  it('never deletes what is no veth', async () => {
    // Again and again: the answer of a thread that was quicker than its creator once got lost.
    for (let i = 0; i < 500; i++) await expect(deletePodLink(netns.path, 'lo')).rejects.toMatchObject({ errno: 16 });
  });

  it('never moves this process to another namespace', async () => {
    const before = run('readlink /proc/self/ns/net');
    await Promise.all([addPodLink(link()), inspectPodLink(netns.path, HOST, 'eth0'), inspectPodLink(netns.path, 'lo', 'lo')]);
    expect(run('readlink /proc/self/ns/net')).toBe(before);
  });

  it('is made and brought up in some milliseconds', async () => {
    const started = performance.now();
    await addPodLink(link());
    await upPodLink(link());
    console.log(`add and up: ${(performance.now() - started).toFixed(1)} ms`);
  });
});
