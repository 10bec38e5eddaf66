import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { CniCode } from '../../../agent/cni/cni-error.js';
import type { LocalEndpoint } from '../../../agent/compile/desired.js';
import { Node } from './node.js';

let node: Node;
beforeEach(() => (node = new Node()));
afterEach(() => node.remove());

const addresses = (answer: { json: Record<string, any> }): string[] => answer.json['ips'].map((ip: { address: string }) => ip.address); // eslint-disable-line @typescript-eslint/no-explicit-any

describe('ADD', () => {
  it("names the device after the pod, takes the lease's first address and enforces before the device is up", async () => {
    const answer = await node.call(node.env('ADD', 'c1', 'nginx', { CNI_ARGS: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=nginx' }), node.config());
    expect(answer.status).toBe(0);
    expect(answer.json['interfaces'][0]).toEqual({ name: 'calic440f455693', mac: 'ee:ee:ee:ee:ee:ee' });
    expect(addresses(answer)).toEqual(['10.244.1.2/32']);
    expect(node.dataplane.calls).toEqual(['addLink calic440f455693', 'enforce calic440f455693', 'up calic440f455693']);
    expect(readFileSync(join(node.directory, 'networks', 'net', '10.244.1.2'), 'utf8')).toBe('c1\r\neth0');
    expect(node.annotated).toEqual(['attached nginx c1']);
  });

  it('names the device after the container outside Kubernetes and annotates nothing', async () => {
    const answer = await node.call(node.env('ADD', 'abcdef0123456789', '', { CNI_ARGS: '' }), node.config());
    expect(answer.json['interfaces'][0].name).toBe('caliabcdef01234');
    expect(node.annotated).toEqual([]);
  });

  it('gives the same answer to a second ADD and changes nothing', async () => {
    const first = await node.add('c1');
    const calls = node.dataplane.calls.length;
    expect(await node.add('c1')).toEqual(first);
    expect(node.dataplane.calls.length).toBe(calls);
    expect(node.reserved()).toEqual(['10.244.1.2']);
  });

  it('makes the attachment anew where a second ADD finds it broken', async () => {
    await node.add('c1');
    node.dataplane.links.clear();
    expect((await node.add('c1')).status).toBe(0);
    expect(node.dataplane.links.size).toBe(1);
    expect(node.reserved()).toHaveLength(1);
  });

  it("lets a pod's new sandbox take the device over, and the old sandbox's DEL leaves it alone", async () => {
    await node.add('old', 'web');
    await node.add('new', 'web');
    const device = [...node.dataplane.links.values()][0]!;
    expect(device.spec.netns).toBe('/netns/new');
    expect((await node.del('old', 'web')).status).toBe(0);
    expect([...node.dataplane.links.values()]).toEqual([device]);
    expect(node.reserved()).toEqual([device.spec.addresses[0]!.text]);
  });

  it.each(['addLink', 'enforce', 'up'])('leaves nothing behind when %s fails', async (verb) => {
    node.dataplane.failing.add(verb);
    const answer = await node.add('c1');
    expect(answer).toMatchObject({ status: 1, json: { code: CniCode.DATAPLANE, msg: `${verb} failed` } });
    expect(node.dataplane.links.size).toBe(0);
    expect(node.reserved()).toEqual([]);
    expect(node.context.endpoints.all()).toEqual([]);
    expect(node.annotated).toEqual([]);
  });

  it.each(['enforce', 'up'] as const)('says that the netns went, and leaves nothing behind, where it takes the device along before %s', async (verb) => {
    const step = node.dataplane[verb].bind(node.dataplane) as (endpoint: LocalEndpoint, signal: AbortSignal) => Promise<void>;
    node.dataplane[verb] = (endpoint: LocalEndpoint, signal?: AbortSignal) => {
      node.dataplane.killNetns('/netns/c1');
      return step(endpoint, signal!);
    };
    const answer = await node.add('c1');
    expect(answer).toMatchObject({ status: 1, json: { code: CniCode.DATAPLANE, msg: 'CNI_NETNS: /netns/c1 is no network namespace, or went away meanwhile' } });
    expect([node.dataplane.links.size, node.reserved(), node.context.endpoints.all(), node.annotated]).toEqual([0, [], [], []]);
    expect((await node.del('c1')).status).toBe(0);
  });

  it('keeps record and address of what it could not undo, and the DEL that follows frees them', async () => {
    node.dataplane.failing.add('enforce').add('remove');
    await node.add('c1');
    expect(node.reserved()).toEqual(['10.244.1.2']);
    node.dataplane.failing.clear();
    expect((await node.del('c1')).status).toBe(0);
    expect(node.reserved()).toEqual([]);
    expect(node.dataplane.links.size).toBe(0);
  });

  it('waits for policy up to the deadline and then asks to try again later, with nothing made', async () => {
    node.dataplane.synced = false;
    const answer = await node.call(node.env('ADD', 'c1'), node.config(), 20);
    expect(answer.json).toMatchObject({ code: CniCode.TRY_LATER, msg: 'policy: not in force before the deadline; the pod is not attached' });
    expect(node.dataplane.calls).toEqual([]);
  });

  it('undoes the link when policy is not in force before the deadline', async () => {
    node.dataplane.enforceStalls = true;
    const answer = await node.call(node.env('ADD', 'c1'), node.config(), 20);
    expect(answer.json['code']).toBe(CniCode.TRY_LATER);
    expect(node.dataplane.links.size).toBe(0);
    expect(node.reserved()).toEqual([]);
  });

  it.each([['lease', () => (node.podCidrs = undefined)], ['MTU', () => (node.podMtu = undefined)]])('asks to try again later while the %s is not known', async (_, forget) => {
    forget();
    expect((await node.add('c1')).json['code']).toBe(CniCode.TRY_LATER);
  });

  it('refuses a second interface for a container', async () => {
    await node.add('c1');
    const answer = await node.call(node.env('ADD', 'c1', 'c1', { CNI_IFNAME: 'net1' }), node.config());
    expect(answer.json).toMatchObject({ code: CniCode.INVALID_ENV, msg: expect.stringMatching(/^CNI_IFNAME: /) });
    expect(node.dataplane.links.size).toBe(1);
  });

  it('gives one address a family on a dual-stack lease', async () => {
    node.podCidrs = [Cidr.parse('10.244.1.0/24')!, Cidr.parse('fd00:1::/64')!];
    expect(addresses(await node.add('c1'))).toEqual(['10.244.1.2/32', 'fd00:1::2/128']);
  });

  it("honours mtu, queues, IP forwarding and port mappings of Canal's configuration", async () => {
    const answer = await node.add('c1', 'web', {
      type: 'calico', log_level: 'info', log_file_path: '/var/log/calico/cni/cni.log', datastore_type: 'kubernetes', nodename: 'n1', mtu: 1400, num_queues: 4,
      ipam: { type: 'host-local', subnet: 'usePodCidr', dataDir: join(node.directory, 'networks') },
      policy: { type: 'k8s' }, kubernetes: { kubeconfig: '/etc/cni/net.d/calico-kubeconfig' }, container_settings: { allow_ip_forwarding: true },
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'TCP', hostIP: '127.0.0.1' }] },
    });
    expect(answer.status).toBe(0);
    const [link] = node.dataplane.links.values();
    expect(link!.spec).toMatchObject({ mtu: 1400, queues: 4, ipForward: true });
    expect(node.context.endpoints.all()[0]!.portMappings).toEqual([{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIp: IpAddress.parse('127.0.0.1') }]);
  });

  it('serves 60 ADDs at once with 60 addresses and serialises those of one pod', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => node.add(`c${i}`, `p${i % 50}`)));
    expect(answers.every(({ status }) => status === 0)).toBe(true);
    expect(new Set(answers.flatMap(addresses)).size).toBe(60);
    expect(node.dataplane.links.size).toBe(50);
    expect(node.reserved()).toHaveLength(50);
  });

  it('says which range is exhausted and works again after a DEL', async () => {
    node.podCidrs = [Cidr.parse('10.0.0.0/29')!]; // .2 to .6
    for (let i = 0; i < 5; i++) expect((await node.add(`c${i}`)).status).toBe(0);
    expect((await node.add('c5')).json).toMatchObject({ code: CniCode.IPAM, msg: 'no free address in 10.0.0.1-10.0.0.6' });
    await node.del('c3');
    expect((await node.add('c5')).status).toBe(0);
  });
});

describe('DEL', () => {
  it('frees everything and succeeds again and again', async () => {
    await node.add('c1');
    for (let i = 0; i < 3; i++) expect(await node.del('c1')).toEqual({ status: 0, json: {} });
    expect(node.dataplane.links.size).toBe(0);
    expect(node.reserved()).toEqual([]);
    expect(node.annotated.at(-1)).toBe('detached c1 c1');
  });

  it('succeeds with netns and device gone, without CNI_NETNS and CNI_ARGS, after a restart of the agent', async () => {
    await node.add('c1');
    node.dataplane.killNetns('/netns/c1');
    node.start();
    expect((await node.call(node.env('DEL', 'c1', 'c1', { CNI_NETNS: '', CNI_ARGS: '' }), node.config())).status).toBe(0);
    expect(node.reserved()).toEqual([]);
  });

  it('keeps the address while the link cannot be removed', async () => {
    await node.add('c1');
    node.dataplane.failing.add('remove');
    expect((await node.del('c1')).json['code']).toBe(CniCode.DATAPLANE);
    expect(node.reserved()).toEqual(['10.244.1.2']);
    node.dataplane.failing.clear();
    expect((await node.del('c1')).status).toBe(0);
    expect(node.reserved()).toEqual([]);
  });

  it('runs after an ADD of the same container that is under way', async () => {
    const adding = node.add('c1');
    const deleting = node.del('c1');
    expect([(await adding).status, (await deleting).status]).toEqual([0, 0]);
    expect(node.dataplane.links.size).toBe(0);
    expect(node.reserved()).toEqual([]);
  });

  it('detaches a pod that another plugin attached before', async () => {
    node.dataplane.foreign('calithem', IpAddress.parse('10.244.1.9')!);
    expect((await node.call(node.env('DEL', 'x', 'x', { CNI_NETNS: '/netns/calithem' }), node.config())).status).toBe(0);
    expect(node.dataplane.links.size).toBe(0);
  });
});
