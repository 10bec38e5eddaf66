import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { CniCode } from '../../../agent/cni/cni-error.js';
import { rangeOf, type AddressRange } from '../../../agent/ipam/range.js';
import { Node, type Answer } from './node.js';

let node: Node;
beforeEach(() => (node = new Node()));
afterEach(() => node.remove());

describe('CHECK', () => {
  let made: Answer['json'];
  beforeEach(async () => (made = (await node.add('c1')).json));
  const check = (prevResult: object | undefined = made, id = 'c1'): Promise<Answer> => node.call(node.env('CHECK', id), node.config(prevResult === undefined ? {} : { prevResult }));
  const link = () => [...node.dataplane.links.values()][0]!;

  it('says nothing about a sound attachment, even in a chain', async () => {
    expect(await check()).toEqual({ status: 0, json: {} });
    expect((await check({ ...made, interfaces: [...made['interfaces'], { name: 'tap0' }], routes: [] })).status).toBe(0);
  });

  it.each<[string, () => void, RegExp]>([
    ['the netns', () => node.dataplane.killNetns('/netns/c1'), /^netns: \/netns\/c1 is gone/],
    ['the host device', () => node.dataplane.links.clear(), /^device: cali\w+ is gone/],
    ['the same device', () => node.dataplane.foreign(link().spec.hostDevice, IpAddress.parse('10.244.1.2')!), /^device: cali\w+ is another one/],
    ['being up', () => (link().up = false), /is down/],
    ['policy', () => (link().enforced = false), /^policy: not in force on cali\w+/],
    ['the address in the pod', () => (link().spec.addresses as IpAddress[]).pop(), /^address: 10.244.1.2 is not on eth0/],
    ['the reservation', () => rmSync(join(node.directory, 'networks', 'net', '10.244.1.2')), /^ipam: 10.244.1.2 is not reserved/],
  ])('misses %s and names it', async (_, spoil, message) => {
    const addresses = link().spec.addresses;
    (link() as { spec: object }).spec = { ...link().spec, addresses: [...addresses] };
    spoil();
    expect(await check()).toMatchObject({ status: 1, json: { code: CniCode.CHECK_FAILED, msg: expect.stringMatching(message) } });
  });

  it('needs the result of the ADD, for this container, with what was made', async () => {
    expect((await node.call(node.env('CHECK', 'c1'), node.config())).json).toMatchObject({ code: CniCode.INVALID_CONFIG, msg: 'prevResult: not set; CHECK needs it' });
    expect((await check(made, 'c2')).json).toMatchObject({ code: CniCode.UNKNOWN_CONTAINER });
    expect((await check({ ...made, ips: [] })).json).toMatchObject({ code: CniCode.CHECK_FAILED, msg: 'prevResult.ips: 10.244.1.2 is not there' });
    expect((await check({ ...made, interfaces: [] , ips: [] })).json).toMatchObject({ code: CniCode.CHECK_FAILED, msg: 'prevResult.interfaces: eth0 is not there' });
  });
});

describe('GC', () => {
  const gc = (valid: unknown, more: object = {}): Promise<Answer> => node.call({ CNI_COMMAND: 'GC' }, node.config({ cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid, ...more }));
  const keep = (...ids: string[]): object[] => ids.map((containerID) => ({ containerID, ifname: 'eth0' }));
  /** GC leaves alone what was added after it began, to the millisecond. */
  const later = (): void => {
    const { clock } = node;
    node.context = Object.assign(node.context, { clock: { ...node.clock, now: () => clock.now() + 1_000 } });
  };

  it('takes null for an empty list, as Go writes one', async () => {
    await node.add('c1');
    later();
    expect((await gc(null)).status).toBe(0);
    expect(node.reserved()).toEqual([]);
  });

  it('frees every attachment of the network that is not listed', async () => {
    for (const id of ['c1', 'c2', 'c3']) await node.add(id);
    await node.call(node.env('ADD', 'other'), { ...node.config(), name: 'other' });
    later();
    expect((await gc(keep('c2'))).status).toBe(0);
    expect(node.context.endpoints.ready().map(({ containerId }) => containerId).sort()).toEqual(['c2', 'other']);
    expect(node.reserved()).toEqual(['10.244.1.3']);
  });

  it("frees another plugin's addresses, and the device that uses one", async () => {
    node.dataplane.foreign('calithem', IpAddress.parse('10.244.1.2')!);
    const set = [rangeOf(Cidr.parse('10.244.1.0/24')!) as AddressRange];
    await node.context.ipam.allocate(join(node.directory, 'networks', 'net'), [set], { containerId: 'theirs', ifname: 'eth0' });
    expect(node.reserved()).toEqual(['10.244.1.2']);
    later();
    expect((await gc([])).status).toBe(0);
    expect(node.reserved()).toEqual([]);
    expect(node.dataplane.links.size).toBe(0);
  });

  it('frees nothing without a list, or with one that is broken', async () => {
    await node.add('c1');
    later();
    for (const valid of [undefined, 'all', [{ containerID: 'c1' }], [null]]) expect((await gc(valid)).json).toMatchObject({ code: CniCode.INVALID_CONFIG, msg: expect.stringMatching(/^cni\.dev\/valid-attachments/) });
    expect(node.reserved()).toHaveLength(1);
  });

  it("knows the list's first name", async () => {
    await node.add('c1');
    await node.add('c2');
    later();
    expect((await node.call({ CNI_COMMAND: 'GC' }, node.config({ cniVersion: '1.1.0', 'cni.dev/attachments': keep('c1') }))).status).toBe(0);
    expect(node.reserved()).toEqual(['10.244.1.2']);
  });

  it('goes on with the others when one cannot be freed, and says so', async () => {
    await node.add('c1');
    later();
    node.dataplane.failing.add('remove');
    expect((await gc([])).json).toMatchObject({ code: CniCode.DATAPLANE });
    expect(node.reserved()).toEqual(['10.244.1.2']);
  });
});

describe('STATUS', () => {
  const status = (): Promise<Answer> => node.call({ CNI_COMMAND: 'STATUS' }, node.config({ cniVersion: '1.1.0' }));

  it('is nothing when an ADD could be served', async () => expect(await status()).toEqual({ status: 0, json: {} }));

  it.each<[string, () => void, RegExp]>([
    ['the lease', () => (node.podCidrs = undefined), /^ipam: /],
    ['the MTU', () => (node.podMtu = undefined), /^mtu: /],
    ['policy', () => (node.dataplane.synced = false), /^policy: /],
  ])('is an error while %s is not known', async (_, forget, message) => {
    forget();
    expect((await status()).json).toMatchObject({ code: CniCode.UNAVAILABLE, msg: expect.stringMatching(message) });
  });
});
