import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../agent/base/address.js';
import type { RouteRow, VxlanLinkRow } from '../../agent/compile/desired.js';
import { AddressTable } from '../../agent/kernel/address-table.js';
import { FdbTable } from '../../agent/kernel/fdb-table.js';
import { LinkTable } from '../../agent/kernel/link-table.js';
import { NeighbourTable } from '../../agent/kernel/neighbour-table.js';
import { findLink, routeTo } from '../../agent/kernel/netlink.js';
import { RouteTable } from '../../agent/kernel/route-table.js';
import { SysctlTable } from '../../agent/kernel/sysctl-table.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import { takeNamespace } from '../support/own-namespace.js';
import { run, runQuietly } from '../support/shell.js';
import { tableContract } from './table-contract.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const cidr = (text: string): Cidr => Cidr.parse(text)!;
const writes = new WriteCounter();
const networks = (): readonly Cidr[] => [cidr('10.42.0.0/16'), cidr('fd42::/48')];
const links = new LinkTable(writes);
let uplink = 0;

/** The overlay device of the tests, made by the table that is tested first. */
const overlay = (vni = 9100): VxlanLinkRow => ({
  name: `flannel.${vni}`, vni, port: vni, local: ip('192.0.2.1'), lowerIfindex: uplink, learning: false, gbp: false, mtu: 1450, mac: '02:00:00:00:00:01',
});

/** Makes the device unless it is there, and tells its ifindex. */
function overlayIfindex(): number {
  expect(links.upsert([{ key: overlay().name, row: overlay() }])).toEqual([undefined]);
  return findLink(overlay().name)!.ifindex;
}

beforeAll(async () => {
  await takeNamespace();
  run('ip link add nt-up type veth peer name nt-far');
  run('ip addr add 192.0.2.1/24 dev nt-up');
  run('ip link set nt-up up');
  run('ip link set nt-far up');
  uplink = findLink('nt-up')!.ifindex;
});

afterAll(() => {
  for (const name of ['nt-up', 'flannel.9100', 'flannel.9101', 'flannel.9102']) runQuietly(`ip link del ${name}`);
});

tableContract('link', () => ({
  table: links,
  rows: [overlay(), overlay(9101), { ...overlay(9102), gbp: true, learning: true }].map((row) => ({ key: row.name, row })),
  changed: { key: overlay().name, row: { ...overlay(), mtu: 1400, mac: '02:00:00:00:00:02' } },
  refused: { key: 'flannel.9103', row: { ...overlay(9103), lowerIfindex: 999_999 } },
  strangers: () => run('ip link add nt-vx type vxlan id 77 dstport 4790 dev nt-up'),
}));

tableContract('address', () => {
  const ifindex = overlayIfindex();
  const row = (text: string, prefixLength: number) => ({ key: { ifindex, address: ip(text) }, row: { ifindex, address: ip(text), prefixLength } });
  return {
    table: new AddressTable(networks, writes),
    rows: [row('10.42.0.0', 32), row('10.42.0.9', 32), row('fd42::1', 128)],
    changed: row('10.42.0.0', 24),
    refused: { key: { ifindex: 999_999, address: ip('10.42.0.3') }, row: { ifindex: 999_999, address: ip('10.42.0.3'), prefixLength: 32 } },
    strangers: () => run('ip addr add 172.31.0.1/32 dev flannel.9100'),
  };
});

tableContract('fdb', () => {
  const ifindex = overlayIfindex();
  const row = (mac: string, to: string) => ({ key: { ifindex, mac }, row: { ifindex, mac, destination: ip(to) } });
  return {
    table: new FdbTable(writes),
    rows: [row('02:00:00:00:01:01', '192.0.2.11'), row('02:00:00:00:01:02', '192.0.2.12'), row('02:00:00:00:01:03', '192.0.2.12')],
    changed: row('02:00:00:00:01:01', '192.0.2.13'),
    refused: { key: { ifindex: 999_999, mac: '02:00:00:00:01:04' }, row: { ifindex: 999_999, mac: '02:00:00:00:01:04', destination: ip('192.0.2.4') } },
    strangers: () => run('bridge fdb append 00:00:00:00:00:00 dev flannel.9100 dst 192.0.2.99'),
  };
});

tableContract('neighbour', () => {
  const ifindex = overlayIfindex();
  const row = (address: string, mac: string) => ({ key: { ifindex, address: ip(address) }, row: { ifindex, address: ip(address), mac } });
  return {
    table: new NeighbourTable([4, 6], writes),
    rows: [row('10.42.1.0', '02:00:00:00:01:01'), row('10.42.2.0', '02:00:00:00:01:02'), row('fd42:0:0:1::', '02:00:00:00:01:03')],
    changed: row('10.42.1.0', '02:00:00:00:01:09'),
    refused: { key: { ifindex: 999_999, address: ip('10.42.3.0') }, row: { ifindex: 999_999, address: ip('10.42.3.0'), mac: '02:00:00:00:01:01' } },
    strangers: () => run('ip neigh add 10.42.7.0 lladdr 02:00:00:00:01:07 dev flannel.9100 nud reachable'),
  };
});

tableContract('route', () => {
  const ifindex = overlayIfindex();
  new AddressTable(networks, writes).upsert([{ key: { ifindex, address: ip('10.42.0.0') }, row: { ifindex, address: ip('10.42.0.0'), prefixLength: 32 } }]);
  const base: RouteRow = { destination: cidr('10.42.1.0/24'), ifindex, gateway: ip('10.42.1.0'), onlink: true, scope: 'universe', type: 'unicast', metric: 0, protocol: 3 };
  const row = (change: Partial<RouteRow>) => ({ key: { destination: change.destination ?? base.destination, metric: change.metric ?? 0 }, row: { ...base, ...change } });
  return {
    table: new RouteTable({ networks, families: [4, 6], devices: /^(flannel(-v6)?\.\d+|cali.*)$/ }, writes),
    rows: [
      row({}),
      row({ destination: cidr('10.42.2.0/24'), ifindex: 0, gateway: ip('192.0.2.22'), onlink: false }), // DirectRouting
      row({ destination: cidr('10.42.0.0/24'), ifindex: 0, gateway: undefined, onlink: false, type: 'blackhole' }),
      row({ destination: cidr('10.42.0.5/32'), gateway: undefined, onlink: false, scope: 'link', metric: 1024 }),
      row({ destination: cidr('fd42:0:0:1::/64'), gateway: ip('fd42:0:0:1::') }),
    ],
    changed: row({ gateway: ip('10.42.1.1') }),
    refused: row({ destination: cidr('10.42.3.0/24'), ifindex: 0, gateway: ip('203.0.113.1'), onlink: false }),
    strangers: () => {
      run('ip route add 10.99.0.0/16 via 192.0.2.50');
      run('ip route add 10.42.8.0/24 via 192.0.2.50 proto static');
    },
  };
});

describe('the overlay device', () => {
  it('looks to iproute2 as flanneld makes it', () => {
    overlayIfindex();
    const shown = run('ip -d link show flannel.9100').replace(/\s+/g, ' ');
    expect(shown).toContain('vxlan id 9100 local 192.0.2.1 dev nt-up srcport 0 0 dstport 9100 nolearning ttl auto ageing 300 udpcsum noudp6zerocsumtx noudp6zerocsumrx');
    expect(shown).toMatch(/<[^>]*UP[^>]*> mtu 1450 .*link\/ether 02:00:00:00:00:01/);
    expect(run('cat /proc/sys/net/ipv6/conf/flannel.9100/accept_ra').trim()).toBe('0');
  });

  it('takes port 8472 from the kernel where none is given', () => {
    const row = { ...overlay(9101), port: 0 };
    expect(links.upsert([{ key: row.name, row }])).toEqual([undefined]);
    expect(run('ip -d link show flannel.9101')).toContain('dstport 8472');
    links.remove([row.name]);
  });

  it('keeps its ifindex when only MAC, MTU or state change, and is made anew when its VNI does', () => {
    const before = overlayIfindex();
    run('ip link set flannel.9100 down mtu 1300 address 02:00:00:00:00:77');
    expect(links.equal(links.list().get('flannel.9100')!.row, overlay())).toBe(false);
    expect(overlayIfindex()).toBe(before);
    expect(links.equal(links.list().get('flannel.9100')!.row, overlay())).toBe(true);
    links.upsert([{ key: 'flannel.9100', row: { ...overlay(), local: ip('192.0.2.7') } }]);
    expect(findLink('flannel.9100')!.ifindex).not.toBe(before);
  });

  it('is not touched when nothing differs', () => {
    overlayIfindex();
    const before = writes.byTable().get('link');
    overlayIfindex();
    expect(writes.byTable().get('link')).toBe(before);
  });
});

describe('routes', () => {
  it('answer where an address would go', () => {
    expect(routeTo(ip('192.0.2.5'))).toMatchObject({ ifindex: uplink, gateway: undefined, source: { text: '192.0.2.1' } });
    expect(routeTo(ip('203.0.113.1'))).toBeUndefined();
  });
});

describe('sysctls', () => {
  it('are listed where they exist and written where they differ', () => {
    const paths = ['net/ipv4/conf/nt-up/proxy_arp', 'net/ipv4/conf/no-such/proxy_arp'];
    const table = new SysctlTable(() => paths, writes);
    expect([...table.list().values()]).toEqual([{ key: paths[0], row: '0' }]);
    expect(table.upsert([{ key: paths[0]!, row: '1' }])).toEqual([undefined]);
    expect(table.list().get(paths[0]!)!.row).toBe('1');
    expect(table.upsert([{ key: paths[1]!, row: '1' }])[0]).toMatchObject({ code: 'KERNEL', errno: 2 });
  });
});
