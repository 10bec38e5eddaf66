import { describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';

describe('an address', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['fd00:10:244::', 'fd00:10:244::'],
    ['FD00:0010:0:0:1:0:0:1', 'fd00:10::1:0:0:1'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['2001:db8::192.0.2.1', '2001:db8::c000:201'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
  ])('%s is written %s', (text, canonical) => expect(IpAddress.parse(text)?.text).toBe(canonical));

  it.each(['', '10.0.0', '10.0.0.256', '010.0.0.1', '1::2::3', 'fe80::1%eth0', '10.0.0.1/32', ' 10.0.0.1'])('%j is none', (text) =>
    expect(IpAddress.parse(text)).toBeUndefined());

  it('counts across bytes', () => {
    expect(IpAddress.parse('10.0.0.255')!.plus(1).text).toBe('10.0.1.0');
    expect(IpAddress.parse('fd00::ffff')!.plus(1).text).toBe('fd00::1:0');
    expect(IpAddress.parse('255.255.255.255')!.plus(2).text).toBe('0.0.0.1');
  });
});

describe('a prefix', () => {
  it.each([
    ['10.1.2.3/16', '10.1.0.0/16'],
    ['10.1.2.3', '10.1.2.3/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['fd00::1/64', 'fd00::/64'],
    ['255.255.255.255/1', '128.0.0.0/1'],
  ])('%s is %s', (text, canonical) => expect(Cidr.parse(text)?.text).toBe(canonical));

  it.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', '10.0.0.0/08', 'fd00::/129', '/8', '10.0.0.0/8/8'])('%j is none', (text) =>
    expect(Cidr.parse(text)).toBeUndefined());

  it.each([
    ['010.0.0.0/8', '10.0.0.0/8'],
    ['10.001.000.0/016', '10.1.0.0/16'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.0.0.09/128', '10.0.0.9/32'],
    ['::ffff:10.0.0.0/64', '::/64'],
    ['fd00:0010::1/64', 'fd00:10::/64'],
  ])('%s, in an older field, is %s', (text, canonical) => expect(Cidr.parseSloppy(text)?.text).toBe(canonical));

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.256/8', '::ffff:10.0.0.0/129', 'fd00::%eth0/64', '0x0a.0.0.0/8', '10.0.0.0/8/8', '10.0.0.0/-1'])('%j is none in an older field either', (text) =>
    expect(Cidr.parseSloppy(text)).toBeUndefined());

  it('contains its addresses and covers longer prefixes, of its own family only', () => {
    const cidr = Cidr.parse('10.1.0.0/17')!;
    expect(cidr.contains(IpAddress.parse('10.1.127.255')!)).toBe(true);
    expect(cidr.contains(IpAddress.parse('10.1.128.0')!)).toBe(false);
    expect(cidr.contains(IpAddress.parse('::a01:1')!)).toBe(false);
    expect(cidr.covers(Cidr.parse('10.1.4.0/24')!)).toBe(true);
    expect(cidr.covers(Cidr.parse('10.1.0.0/16')!)).toBe(false);
  });
});
