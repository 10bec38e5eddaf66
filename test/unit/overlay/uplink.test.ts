import { describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { chooseUplink, type DeviceAddress, type UplinkFacts } from '../../../agent/compile/overlay/uplink.js';
import type { UplinkSettings } from '../../../agent/model/settings.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const address = (ifindex: number, text: string, over: Partial<DeviceAddress> = {}): DeviceAddress => ({ ifindex, address: ip(text), scope: 'global', temporary: false, deprecated: false, ...over });

const facts: UplinkFacts = {
  devices: [
    { ifindex: 1, name: 'lo', mtu: 65536, up: true },
    { ifindex: 2, name: 'eth0', mtu: 1500, up: true },
    { ifindex: 3, name: 'eth1', mtu: 9000, up: true },
    { ifindex: 7, name: 'docker0', mtu: 1500, up: true },
  ],
  addresses: [
    address(1, '127.0.0.1', { scope: 'host' }),
    address(2, '169.254.9.9', { scope: 'link' }),
    address(2, '10.0.0.5'),
    address(3, '10.1.0.6', { temporary: true }),
    address(3, '10.1.0.5'),
    address(7, '172.17.0.1'),
  ],
  routeTo: (target) => (target.text.startsWith('10.1.') ? { ifindex: 3, source: ip('10.1.0.5') } : undefined),
  defaultRoute: () => 2,
  resolve: (target) => IpAddress.parse(target),
  internalAddresses: [ip('10.1.0.5')],
  nodePublicIp: undefined,
};
const none: UplinkSettings = { iface: [], ifaceRegex: [], ifaceCanReach: undefined, publicIp: undefined, publicIpV6: undefined, autodetection: undefined, dataIfacePattern: undefined };

const choice = (settings: Partial<UplinkSettings>, over: Partial<UplinkFacts> = {}): string => {
  const u = chooseUplink({ ...none, ...settings }, { ...facts, ...over });
  return `${u.name} ${u.address.text} ${u.externalAddress.text} ${u.mtu}`;
};

describe('the uplink', () => {
  it.each<[string, Partial<UplinkSettings>, string]>([
    ['the default route', {}, 'eth0 10.0.0.5 10.0.0.5 1500'],
    ['--iface by name', { iface: ['eth1'] }, 'eth1 10.1.0.5 10.1.0.5 9000'],
    ['--iface by address', { iface: ['10.1.0.6'] }, 'eth1 10.1.0.6 10.1.0.6 9000'],
    ['the first --iface that exists', { iface: ['nope', 'eth1', 'eth0'] }, 'eth1 10.1.0.5 10.1.0.5 9000'],
    ['--iface-regex over addresses before names', { ifaceRegex: ['^10\\.1\\.'] }, 'eth1 10.1.0.6 10.1.0.6 9000'],
    ['--iface-can-reach', { ifaceCanReach: '10.1.9.9' }, 'eth1 10.1.0.5 10.1.0.5 9000'],
    ['--public-ip that a device holds', { publicIp: ip('10.1.0.5') }, 'eth1 10.1.0.5 10.1.0.5 9000'],
    ['--iface with a --public-ip from elsewhere', { iface: ['eth0'], publicIp: ip('203.0.113.1') }, 'eth0 10.0.0.5 203.0.113.1 1500'],
    ["Calico's first-found, from the highest index", { autodetection: { method: 'first-found' } }, 'eth1 10.1.0.6 10.1.0.6 9000'],
    ["Calico's interface=, without its skip list", { autodetection: { method: 'interface', patterns: ['docker'] } }, 'docker0 172.17.0.1 172.17.0.1 1500'],
    ["Calico's skip-interface=", { autodetection: { method: 'skip-interface', patterns: ['eth1'] } }, 'eth0 10.0.0.5 10.0.0.5 1500'],
    ["Calico's cidr=", { autodetection: { method: 'cidr', cidrs: [Cidr.parse('172.17.0.0/16')!] } }, 'docker0 172.17.0.1 172.17.0.1 1500'],
    ["Calico's kubernetes-internal-ip", { autodetection: { method: 'kubernetes-internal-ip' } }, 'eth1 10.1.0.5 10.1.0.5 9000'],
    ["Calico's can-reach=", { autodetection: { method: 'can-reach', target: '10.1.3.3' } }, 'eth1 10.1.0.5 10.1.0.5 9000'],
  ])('follows %s', (_, settings, expected) => expect(choice(settings)).toBe(expected));

  it("lets the node's node-public-ip annotation win over --public-ip", () => {
    expect(choice({ iface: ['eth0'], publicIp: ip('203.0.113.1') }, { nodePublicIp: ip('203.0.113.2') })).toContain('203.0.113.2');
  });

  it.each<[Partial<UplinkSettings>, Partial<UplinkFacts>, string]>([
    [{ iface: ['nope'] }, {}, 'no device matches nope'],
    [{ publicIp: ip('203.0.113.1') }, {}, 'no device holds 203.0.113.1'],
    [{}, { defaultRoute: () => undefined }, 'no default route'],
    [{ autodetection: { method: 'cidr', cidrs: [] } }, {}, 'finds no address'],
    [{ iface: ['eth0'] }, { addresses: [] }, 'has no IPv4 address'],
  ])('refuses %j with a reason', (settings, over, message) => expect(() => choice(settings, over)).toThrow(message));
});
