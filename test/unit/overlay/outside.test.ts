import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import { outsideDevices, type OutsideFacts } from '../../../agent/compile/overlay/outside.js';
import type { DeviceAddress } from '../../../agent/compile/overlay/uplink.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const uplink = { ifindex: 3, name: 'eth1', mtu: 1500, address: ip('192.168.56.11'), externalAddress: ip('192.168.56.11') };
const device = (ifindex: number, name: string, more: Partial<OutsideFacts> = {}): OutsideFacts => ({ ifindex, name, mtu: 1500, up: true, kind: '', mac: `02:00:00:00:00:0${ifindex}`, ...more });
const address = (ifindex: number, text: string, more: Partial<DeviceAddress> = {}): DeviceAddress => ({ ifindex, address: ip(text), scope: 'global', temporary: false, deprecated: false, ...more });
const named = (pattern: RegExp | undefined, devices: readonly OutsideFacts[], addresses: readonly DeviceAddress[]): string[] => outsideDevices(uplink, pattern, devices, addresses).map(({ name, address4, address6 }) => [name, address4?.text, address6?.text].filter((part) => part !== undefined).join(' '));

describe('devices that lead out of the node', () => {
  it('are the uplink and, as on a machine of Vagrant, the one with the default route beside it', () => {
    const found = named(undefined, [device(2, 'eth0'), device(3, 'eth1')], [address(2, '10.0.2.15'), address(2, 'fd00::15'), address(3, '192.168.56.11')]);
    expect(found).toEqual(['eth1 192.168.56.11', 'eth0 10.0.2.15 fd00::15']);
  });

  it('are not those of container engines, tunnels, and what has no Ethernet header, global address or is down', () => {
    const devices = [
      device(3, 'eth1'), device(4, 'docker0', { kind: 'bridge' }), device(5, 'wg0', { kind: 'wireguard', mac: '' }), device(6, 'flannel.1', { kind: 'vxlan' }),
      device(7, 'vxlan9', { kind: 'vxlan' }), device(8, 'eth2', { up: false }), device(9, 'eth3'), device(1, 'lo', { mac: '00:00:00:00:00:00' }),
    ];
    const addresses = [4, 5, 6, 7, 8].map((i) => address(i, `10.${i}.0.1`)).concat(address(9, 'fe80::9', { scope: 'link' }), address(1, '127.0.0.1', { scope: 'host' }));
    expect(named(undefined, devices, addresses)).toEqual(['eth1 192.168.56.11']);
  });

  it('are those that a pattern matches, whatever they are, and the uplink', () => {
    const devices = [device(2, 'eth0'), device(3, 'eth1'), device(4, 'docker0', { kind: 'bridge' }), device(5, 'wg0', { kind: 'wireguard', mac: '' })];
    const addresses = [2, 4, 5].map((i) => address(i, `10.${i}.0.1`));
    expect(named(/^(docker|wg).*/, devices, addresses)).toEqual(['eth1 192.168.56.11', 'docker0 10.4.0.1']);
  });
});
