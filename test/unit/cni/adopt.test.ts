import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import { adopt, type Adoption } from '../../../agent/cni/adopt.js';
import { hostDeviceName } from '../../../agent/cni/request.js';
import type { Pod } from '../../../agent/model/objects.js';
import { Node } from './node.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const DEVICE = hostDeviceName('shop', 'a', '');
const ADDRESS = '10.244.1.9';

let node: Node;
beforeEach(() => {
  node = new Node();
});
afterEach(() => node.remove());

const pod = (name: string, address?: string, more: Partial<Pod> = {}): Pod => ({
  namespace: 'shop', name, uid: `uid-${name}`, labels: {}, serviceAccount: 'default', nodeName: 'here', hostNetwork: false,
  addresses: address === undefined ? [] : [ip(address)], finished: false, namedPorts: [], hostPorts: [], ...more,
});

const directory = (): string => join(node.directory, 'networks', 'net');
const results = (): string => join(node.directory, 'results');

/** host-local's file of an address. */
function reserve(address: string, content: string): void {
  mkdirSync(directory(), { recursive: true });
  writeFileSync(join(directory(), address), content);
}

/** libcni's file of an ADD. */
function cache(containerId: string, name: string, netns: string, mac: string): void {
  mkdirSync(results(), { recursive: true });
  const result = { cniVersion: '0.3.1', interfaces: [{ name: DEVICE }, { name: 'eth0', mac, sandbox: netns }], ips: [] };
  const file = { kind: 'cniCacheV1', containerId, config: '', ifName: 'eth0', networkName: 'net', cniArgs: [['IgnoreUnknown', '1'], ['K8S_POD_NAMESPACE', 'shop'], ['K8S_POD_NAME', name]], result };
  writeFileSync(join(results(), `net-${containerId}-eth0`), JSON.stringify(file));
}

const run = (...pods: readonly Pod[]): Promise<Adoption> => adopt(node.context, pods, { addressDirectories: [directory()], resultCache: results() }, (_device, work) => work());

/** What `run` answers, in words. */
async function outcome(...pods: readonly Pod[]): Promise<string> {
  const { adopted, refused } = await run(...pods);
  return [...adopted.map(({ endpoint }) => `${endpoint.namespace}/${endpoint.pod} ${endpoint.addresses.join()}`), ...refused.map(({ object, message }) => `${object}: ${message}`)].join('; ');
}

describe('adoption', () => {
  it('makes what another plugin attached an endpoint, by the name of its device, host-local and the pod it leads to', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    reserve(ADDRESS, 'c1\r\neth0');
    const { adopted, refused } = await run(pod('a', ADDRESS));
    expect(refused).toEqual([]);
    expect(adopted).toHaveLength(1);
    expect(adopted[0]).toMatchObject({ state: 'ready', network: 'net', addressDirectory: directory() });
    expect(adopted[0]!.endpoint).toMatchObject({
      containerId: 'c1', ifname: 'eth0', netns: `/netns/${DEVICE}`, namespace: 'shop', pod: 'a', podUid: 'uid-a', hostDevice: DEVICE,
      podMac: '0a:00:00:00:00:01', hostMac: 'ee:ee:ee:ee:ee:ee', mtu: 1500, ifindex: node.dataplane.links.get(DEVICE)!.ifindex,
    });
    expect(node.context.endpoints.ready()).toEqual([adopted[0]!.endpoint]);
    expect(node.annotated).toEqual(['attached a c1']);
  });

  it('finds nothing to do a second time, and after a restart', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    reserve(ADDRESS, 'c1\r\neth0');
    await run(pod('a', ADDRESS));
    expect(await outcome(pod('a', ADDRESS))).toBe('');
    await node.restart();
    expect(await outcome(pod('a', ADDRESS))).toBe('');
    expect(node.context.endpoints.ready()).toHaveLength(1);
  });

  it('lets DEL take down what it adopted', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    reserve(ADDRESS, 'c1\r\neth0');
    await run(pod('a', ADDRESS));
    expect((await node.del('c1', 'a')).status).toBe(0);
    expect([node.dataplane.links.size, node.reserved(), node.context.endpoints.all()]).toEqual([0, [], []]);
  });

  it("lets a pod's new sandbox take over", async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    reserve(ADDRESS, 'c1\r\neth0');
    await run(pod('a', ADDRESS));
    expect((await node.add('c2', 'a')).status).toBe(0);
    expect(node.context.endpoints.all().map(({ endpoint }) => endpoint.containerId)).toEqual(['c2']);
    expect(node.reserved()).toEqual(['10.244.1.2']);
  });

  it('reads the files of old host-local versions, which name no interface', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    reserve(ADDRESS, 'c1');
    expect(await outcome(pod('a', ADDRESS))).toBe(`shop/a ${ADDRESS}`);
    expect(node.context.endpoints.get('c1', 'eth0')).toBeDefined();
  });

  it('reserves an address whose file is lost, for the container that libcni knows, so that it is given to nobody else', async () => {
    node.dataplane.foreign(DEVICE, ip('10.244.1.2'));
    cache('c1', 'a', `/netns/${DEVICE}`, '0a:00:00:00:00:02');
    expect(await outcome(pod('a', '10.244.1.2'))).toBe('shop/a 10.244.1.2');
    const added = await node.add('c2', 'b');
    expect(added.json['ips']).toMatchObject([{ address: '10.244.1.3/32' }]);
    expect(node.reserved()).toEqual(['10.244.1.2', '10.244.1.3']);
  });

  it('takes MAC and namespace from libcni where the namespace cannot be seen', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    node.dataplane.hiddenNetns.add(`/netns/${DEVICE}`);
    reserve(ADDRESS, 'c1\r\neth0');
    cache('c1', 'a', '/var/run/netns/cni-1', '0A:00:00:00:00:02');
    const { adopted } = await run(pod('a', ADDRESS));
    expect(adopted[0]!.endpoint).toMatchObject({ netns: '/var/run/netns/cni-1', podMac: '0a:00:00:00:00:02' });
  });

  it('takes the container of no pod by its ID', async () => {
    const device = hostDeviceName('', '', '0123456789abcdef');
    node.dataplane.foreign(device, ip(ADDRESS));
    reserve(ADDRESS, '0123456789abcdef\r\neth0');
    expect(await outcome()).toBe(`/ ${ADDRESS}`);
  });

  it('adopts a pod whose addresses the API does not know yet', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    reserve(ADDRESS, 'c1\r\neth0');
    expect(await outcome(pod('a'))).toBe(`shop/a ${ADDRESS}`);
  });

  it('leaves a device alone whose ADD is under way', async () => {
    node.dataplane.enforceStalls = true;
    const adding = node.call(node.env('ADD', 'c1', 'a'), node.config(), 300);
    await expect.poll(() => node.dataplane.calls).toContain(`enforce ${DEVICE}`);
    expect(await outcome(pod('a', '10.244.1.2'))).toBe('');
    await adding;
  });
});

describe('a device that cannot be identified beyond doubt is refused:', () => {
  const refused: readonly [title: string, message: RegExp, prepare: () => readonly Pod[]][] = [
    ['no pod has its name', /^Device cali\w+: no Pod of this node has a device of this name$/, () => [pod('other', ADDRESS)]],
    ['the pod is a hostNetwork one', /no Pod of this node/, () => [pod('a', ADDRESS, { hostNetwork: true })]],
    ['the API says another address', /Pod shop\/a has 10\.244\.1\.10, the device 10\.244\.1\.9$/, () => [pod('a', '10.244.1.10')]],
    ['its address is routed to another device too', /10\.244\.1\.9 is routed to caliother too/, () => {
      node.dataplane.foreign('caliother', ip(ADDRESS));
      return [pod('a', ADDRESS)];
    }],
    ['nobody knows its MAC', /MAC address is not known/, () => {
      node.dataplane.hiddenNetns.add(`/netns/${DEVICE}`);
      return [pod('a', ADDRESS)];
    }],
  ];
  it.each(refused)('%s', async (_title, message, prepare) => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    reserve(ADDRESS, 'c1\r\neth0');
    expect(await outcome(...prepare())).toMatch(message);
    expect(node.context.endpoints.all()).toEqual([]);
    expect(node.reserved()).toEqual([ADDRESS]);
  });

  it('nothing names its container', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    expect(await outcome(pod('a', ADDRESS))).toMatch(/its container is not known: 10\.244\.1\.9 is reserved for nobody, and 0 CNI results name Pod shop\/a/);
  });

  it('two containers might be it', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    node.dataplane.hiddenNetns.add(`/netns/${DEVICE}`);
    cache('c1', 'a', '/netns/1', '0a:00:00:00:00:02');
    cache('c2', 'a', '/netns/2', '0a:00:00:00:00:02');
    expect(await outcome(pod('a', ADDRESS))).toMatch(/2 CNI results name Pod shop\/a/);
  });

  it('its pod has another address than the host routes', async () => {
    node.dataplane.foreign(DEVICE, ip(ADDRESS));
    const examine = node.dataplane.examine.bind(node.dataplane);
    node.dataplane.examine = async (devices) => new Map([...(await examine(devices))].map(([ifindex, link]) => [ifindex, { ...link, addresses: [ip('10.244.1.77')] }]));
    expect(await outcome(pod('a', ADDRESS))).toMatch(/the host routes 10\.244\.1\.9 to it, its pod has 10\.244\.1\.77/);
  });
});
