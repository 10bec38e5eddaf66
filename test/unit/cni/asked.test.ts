import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PodAsks } from '../../../agent/model/objects.js';
import { Node, type Answer } from './node.js';

let node: Node;
beforeEach(() => {
  node = new Node();
});
afterEach(() => node.remove());

const add = (container: string, config: object = {}, args = ''): Promise<Answer> => {
  const env = node.env('ADD', container);
  return node.call({ ...env, CNI_ARGS: `${env['CNI_ARGS']}${args === '' ? '' : `;${args}`}` }, node.config(config));
};
const address = ({ json }: Answer): string => (json['ips'] as { address: string }[])[0]!.address;
const mac = ({ json }: Answer): string => (json['interfaces'] as { mac: string }[])[1]!.mac;

describe('an address that is asked for', () => {
  it.each([
    ['runtimeConfig.ips', { runtimeConfig: { ips: ['10.244.1.77'] } }, ''],
    ['runtimeConfig.ips, with its prefix length', { runtimeConfig: { ips: ['10.244.1.77/24'] } }, ''],
    ['args.cni.ips', { args: { cni: { ips: ['10.244.1.77'] } } }, ''],
    ['CNI_ARGS', {}, 'IP=10.244.1.77'],
  ])('by %s is given', async (_field, config, args) => {
    expect(address(await add('c1', config, args))).toBe('10.244.1.77/32');
    expect(node.reserved()).toEqual(['10.244.1.77']);
  });

  it('moves the turn on, as with host-local', async () => {
    await add('c1', { runtimeConfig: { ips: ['10.244.1.77'] } });
    expect(address(await add('c2'))).toBe('10.244.1.78/32');
  });

  it('is given again to the same container', async () => {
    const config = { runtimeConfig: { ips: ['10.244.1.77'] } };
    expect((await add('c1', config)).json).toEqual((await add('c1', config)).json);
  });

  it('is refused where another container has it, and nothing is left', async () => {
    await add('c1', { runtimeConfig: { ips: ['10.244.1.77'] } });
    const answer = await add('c2', { runtimeConfig: { ips: ['10.244.1.77'] } });
    expect(answer).toMatchObject({ status: 1, json: { code: 100, msg: '10.244.1.77, which is asked for, is reserved for another container' } });
    expect(node.reserved()).toEqual(['10.244.1.77']);
    expect(node.context.endpoints.all()).toHaveLength(1);
  });

  it.each([
    ['outside of all ranges', ['192.0.2.1'], /^runtimeConfig\.ips\[0\]: 192\.0\.2\.1 is not one of the network's addresses \(10\.244\.1\.1-10\.244\.1\.254\)/],
    ['the second of a range set', ['10.244.1.7', '10.244.1.8'], /^runtimeConfig\.ips\[1\]: 10\.244\.1\.8 is not one of/],
    ['the gateway', ['10.244.1.1'], /^runtimeConfig\.ips\[0\]: 10\.244\.1\.1 is the subnet's gateway$/],
    ['none at all', ['here'], /^runtimeConfig\.ips\[0\]: "here" is no address$/],
  ])('is refused where it is %s', async (_what, ips, message) => {
    const { status, json } = await add('c1', { runtimeConfig: { ips } });
    expect([status, json['code']]).toEqual([1, 7]);
    expect(json['msg']).toMatch(message);
    expect(node.reserved()).toEqual([]);
  });
});

describe('a MAC that is asked for', () => {
  it.each([
    ['runtimeConfig.mac', { runtimeConfig: { mac: '02:11:22:33:44:55' } }, ''],
    ['args.cni.mac', { args: { cni: { mac: '02-11-22-33-44-55' } } }, ''],
    ['CNI_ARGS', {}, 'MAC=02:11:22:33:44:55'],
  ])('by %s is given', async (_field, config, args) => {
    expect(mac(await add('c1', config, args))).toBe('02:11:22:33:44:55');
  });

  it("by the pod's annotation comes before all others", async () => {
    node.asks.set('shop/c1', { hwAddr: '02:AA:00:00:00:01' });
    expect(mac(await add('c1', { runtimeConfig: { mac: '02:11:22:33:44:55' } }))).toBe('02:aa:00:00:00:01');
  });

  it.each([
    ['01:00:5e:00:00:01', /01:00:5e:00:00:01 is no device's own address/],
    ['00:00:00:00:00:00', /is no device's own address/],
    ['02:11:22', /"02:11:22" is no MAC address$/],
  ])('is refused as %s, naming pod and annotation', async (hwAddr, message) => {
    node.asks.set('shop/c1', { hwAddr });
    const { status, json } = await add('c1');
    expect(status).toBe(1);
    expect(json['msg']).toMatch(/^Pod shop\/c1: metadata\.annotations\[cni\.projectcalico\.org\/hwAddr\]: /);
    expect(json['msg']).toMatch(message);
    expect(node.reserved()).toEqual([]);
  });
});

describe('annotations that cannot be served', () => {
  const at = (name: string): string => `Pod shop/c1: metadata.annotations[cni.projectcalico.org/${name}]: `;
  const cases: readonly [title: string, asks: PodAsks, config: object, code: number, message: string][] = [
    ['ipAddrs', { ipAddrs: '["10.244.1.9"]' }, {}, 2, `${at('ipAddrs')}not compatible with IPAM host-local, which gives addresses of the lease`],
    ['ipAddrsNoIpam', { ipAddrsNoIpam: '["192.0.2.1"]' }, {}, 2, `${at('ipAddrsNoIpam')}not compatible with IPAM host-local, which gives addresses of the lease`],
    ['both', { ipAddrs: '["10.244.1.9"]', ipAddrsNoIpam: '["192.0.2.1"]' }, {}, 7, `${at('ipAddrs')}not together with ipAddrsNoIpam`],
    ['floatingIPs that the network does not allow', { floatingIPs: '["192.0.2.1"]' }, {}, 7, `${at('floatingIPs')}feature_control.floating_ips is not set`],
    ['floatingIPs', { floatingIPs: '["192.0.2.1"]' }, { feature_control: { floating_ips: true } }, 2, `${at('floatingIPs')}floating addresses are not supported; a Service with externalIPs does the like`],
  ];
  it.each(cases)('%s: an error that names the pod', async (_title, asks, config, code, message) => {
    node.asks.set('shop/c1', asks);
    expect(await add('c1', config)).toMatchObject({ status: 1, json: { code, msg: message } });
    expect(node.reserved()).toEqual([]);
  });

  it('are not read for a network of type calico whose policy is not k8s, as by Calico', async () => {
    node.asks.set('shop/c1', { ipAddrs: '["10.244.1.9"]', hwAddr: '02:aa:00:00:00:01' });
    const answer = await add('c1', { type: 'calico' });
    expect([answer.status, mac(answer) === '02:aa:00:00:00:01']).toEqual([0, false]);
    expect((await add('c1', { type: 'calico', policy: { type: 'k8s' } })).status).toBe(0); // attached already
  });
});

it('an ADD waits for its pod to be known, and says so at the deadline', async () => {
  node.context = { ...node.context, pods: { asks: (_namespace, _pod, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))) } };
  const { createHandler } = await import('../../../agent/cni/handler.js');
  node.handler = createHandler(node.context, node.queue);
  const answer = await node.call(node.env('ADD', 'c1'), node.config(), 100);
  expect(answer).toMatchObject({ status: 1, json: { code: 11, msg: 'pod shop/c1: not known before the deadline; the pod is not attached' } });
  expect(node.reserved()).toEqual([]);
});
