import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import { decodePrevResult } from '../../../agent/cni/prev-result.js';
import { encodeResult, type AddResult } from '../../../agent/cni/result.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const made: AddResult = {
  hostDevice: 'calic440f455693', hostMac: 'ee:ee:ee:ee:ee:ee', ifname: 'eth0', podMac: '02:00:00:00:00:01', netns: '/run/netns/p', mtu: 1450,
  addresses: [ip('10.244.1.2'), ip('fd00::2')], dns: undefined, prevResult: undefined,
};

describe('the result of ADD', () => {
  it.each(['0.1.0', '0.2.0'] as const)('is one address a family in %s', (version) => {
    expect(encodeResult(made, version)).toEqual({
      cniVersion: version,
      ip4: { ip: '10.244.1.2/32', routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }] },
      ip6: { ip: 'fd00::2/128', routes: [{ dst: '::/0' }] },
      dns: {},
    });
  });

  it.each(['0.3.0', '0.3.1', '0.4.0'] as const)('has interfaces, and addresses with their IP version, in %s', (version) => {
    expect(encodeResult(made, version)).toEqual({
      cniVersion: version,
      interfaces: [
        { name: 'calic440f455693', mac: 'ee:ee:ee:ee:ee:ee' },
        { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/p' },
      ],
      ips: [
        { version: '4', interface: 1, address: '10.244.1.2/32' },
        { version: '6', interface: 1, address: 'fd00::2/128' },
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: '::/0' }],
      dns: {},
    });
  });

  it('has no IP version in 1.0.0', () => {
    expect(encodeResult(made, '1.0.0')).toMatchObject({ ips: [{ interface: 1, address: '10.244.1.2/32' }, { interface: 1, address: 'fd00::2/128' }] });
    expect(JSON.stringify(encodeResult(made, '1.0.0'))).not.toMatch(/"version"|"mtu"/);
  });

  it('has the MTU of each interface in 1.1.0', () => {
    expect(encodeResult(made, '1.1.0')).toMatchObject({
      cniVersion: '1.1.0',
      interfaces: [{ name: 'calic440f455693', mtu: 1450 }, { name: 'eth0', mtu: 1450, sandbox: '/run/netns/p' }],
    });
  });

  it('comes after what earlier plugins made, with interface indexes that still fit', () => {
    const before = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: '/run/netns/p', custom: true }],
      ips: [{ address: '127.0.0.1/8', interface: 0, gateway: '127.0.0.2' }],
      routes: [{ dst: '10.0.0.0/8' }],
      dns: { nameservers: ['10.96.0.10'], search: ['svc'] },
    };
    const prevResult = decodePrevResult({ prevResult: before }, '1.0.0');
    expect(encodeResult({ ...made, prevResult }, '1.0.0')).toEqual({
      cniVersion: '1.0.0',
      interfaces: [before.interfaces[0], { name: 'calic440f455693', mac: 'ee:ee:ee:ee:ee:ee' }, { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/p' }],
      ips: [{ interface: 0, address: '127.0.0.1/8', gateway: '127.0.0.2' }, { interface: 2, address: '10.244.1.2/32' }, { interface: 2, address: 'fd00::2/128' }],
      routes: [{ dst: '10.0.0.0/8' }, { dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: '::/0' }],
      dns: { nameservers: ['10.96.0.10'], search: ['svc'], options: [] },
    });
  });
});
