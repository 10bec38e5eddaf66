import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findLink } from '../../agent/kernel/netlink.js';
import { requireOwnNamespace } from '../support/own-namespace.js';
import { run } from '../support/shell.js';
import { addressOf, CniNode } from './cni-node.js';

let node: CniNode;
beforeEach(async () => {
  requireOwnNamespace();
  node = await CniNode.create(77);
});
afterEach(() => node.close());

/** Names of this test's host devices. */
const devices = (): string[] => node.dataplane.devices();

describe('the plugin with real links and programs', () => {
  it('makes what it answers, CHECK agrees, and DEL leaves nothing', async () => {
    const pod = await node.netns();
    const output = await node.plugin('ADD', 'a', pod.path);
    const [host, inside] = (JSON.parse(output) as { interfaces: { name: string; mac: string }[] }).interfaces;
    expect(findLink(host!.name)).toBeDefined();
    expect(run(pod.inside('ip -br link show eth0'))).toContain(inside!.mac);
    await node.plugin('CHECK', 'a', pod.path, { prevResult: JSON.parse(output) as object });
    run(pod.inside('ip route del default'));
    await expect(node.plugin('CHECK', 'a', pod.path, { prevResult: JSON.parse(output) as object })).rejects.toThrow(/the pod has no default route through eth0/);
    await node.plugin('DEL', 'a', pod.path);
    expect(findLink(host!.name)).toBeUndefined();
    expect(node.reserved()).toEqual([]);
  });

  it('lets open pods reach each other as soon as ADD has answered', async () => {
    const [a, b] = [await node.netns(), await node.netns()];
    const [, to] = [await node.plugin('ADD', 'a', a.path), addressOf(await node.plugin('ADD', 'b', b.path))];
    expect(run(a.inside(`ping -c1 -W2 ${to}`))).toContain('1 received');
  });

  it('gives the MAC and the address that pod and runtime ask for, and packets pass', async () => {
    const [a, b] = [await node.netns(), await node.netns()];
    node.asks.set('t/b', { hwAddr: '02:aa:00:00:00:0b' });
    await node.plugin('ADD', 'a', a.path);
    const output = await node.plugin('ADD', 'b', b.path, { runtimeConfig: { ips: ['10.77.0.99'] } });
    expect(addressOf(output)).toBe('10.77.0.99');
    expect(run(b.inside('ip -br link show eth0'))).toContain('02:aa:00:00:00:0b');
    expect(run(a.inside('ping -c1 -W2 10.77.0.99'))).toContain('1 received');
    await node.plugin('CHECK', 'b', b.path, { prevResult: JSON.parse(output) as object });
    await node.plugin('DEL', 'b', b.path);
    expect(node.reserved()).toEqual(['10.77.0.2']);
  });

  it('frees the address of a pod whose netns went while the agent was down', async () => {
    const pod = await node.netns();
    await node.plugin('ADD', 'a', pod.path);
    await node.stop();
    await pod.close();
    await expect.poll(devices).toEqual([]); // the kernel takes netns down in its own time
    await node.start();
    expect(node.reserved()).toEqual([]);
  });

  it('does a DEL that was asked for while the agent was down', async () => {
    const pod = await node.netns();
    await node.plugin('ADD', 'a', pod.path);
    await node.stop();
    expect(await node.plugin('DEL', 'a', pod.path)).toBe('');
    expect(node.reserved()).toEqual(['10.77.0.2']);
    await node.start();
    expect(node.reserved()).toEqual([]);
    expect(devices()).toEqual([]);
  });

  it.each(['enforce', 'up'] as const)('fails an ADD whose device vanishes before %s, and leaves nothing', async (verb) => {
    const netns = await node.netns();
    const step = node.dataplane[verb].bind(node.dataplane);
    node.dataplane[verb] = (endpoint) => {
      run(`ip link del ${endpoint.hostDevice}`);
      return step(endpoint);
    };
    await expect(node.plugin('ADD', 'a', netns.path)).rejects.toThrow(/"code":101,"msg":"CNI_NETNS: .* is no network namespace, or went away meanwhile/);
    expect(node.reserved()).toEqual([]);
    expect(devices()).toEqual([]);
    await node.plugin('DEL', 'a', netns.path);
  });

  it('fails an ADD into a netns that does not exist, and leaves nothing', async () => {
    await expect(node.plugin('ADD', 'a', '/proc/1/ns/none')).rejects.toThrow(/"code":101,"msg":"CNI_NETNS: \/proc\/1\/ns\/none is no network namespace/);
    expect(node.reserved()).toEqual([]);
    expect(devices()).toEqual([]);
  });
});
