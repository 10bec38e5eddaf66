import { describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { nextFree } from '../../../agent/ipam/next-free.js';
import { rangeOf, type AddressRange, type RangeLimits } from '../../../agent/ipam/range.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const range = (cidr: string, limits?: RangeLimits): AddressRange => {
  const made = rangeOf(Cidr.parse(cidr)!, limits);
  if (typeof made === 'string') throw new Error(made);
  return made;
};
const next = (set: AddressRange[], last?: string, ...taken: string[]): string | undefined => nextFree(set, last === undefined ? undefined : ip(last), new Set(taken))?.text;

describe('a range', () => {
  it.each([
    ['10.1.2.0/24', '10.1.2.1', '10.1.2.254'],
    ['10.1.0.0/20', '10.1.0.1', '10.1.15.254'],
    ['10.1.2.4/30', '10.1.2.5', '10.1.2.6'],
    ['fd00::/64', 'fd00::1', 'fd00::ffff:ffff:ffff:ffff'],
    ['fd00::/122', 'fd00::1', 'fd00::3f'],
  ])('of %s goes from %s to %s', (cidr, first, last) => {
    expect(range(cidr)).toMatchObject({ first: ip(first), last: ip(last), gateway: ip(first) });
  });

  it.each(['10.0.0.0/31', '10.0.0.1/32', 'fd00::/127'])('of %s is too small', (cidr) => {
    expect(rangeOf(Cidr.parse(cidr)!)).toMatch(/too small/);
  });

  it('must lie in its subnet and in order', () => {
    const subnet = Cidr.parse('10.0.0.0/24')!;
    expect(rangeOf(subnet, { first: ip('10.0.1.1') })).toMatch(/not in/);
    expect(rangeOf(subnet, { last: ip('fd00::1') })).toMatch(/not in/);
    expect(rangeOf(subnet, { first: ip('10.0.0.9'), last: ip('10.0.0.8') })).toMatch(/after/);
  });
});

describe('the next address', () => {
  it('is .2 first, because .1 is the gateway', () => expect(next([range('10.0.0.0/24')])).toBe('10.0.0.2'));
  it('is the one after the last, though earlier ones are free', () => expect(next([range('10.0.0.0/24')], '10.0.0.7')).toBe('10.0.0.8'));
  it('skips what is taken', () => expect(next([range('10.0.0.0/24')], '10.0.0.7', '10.0.0.8', '10.0.0.9')).toBe('10.0.0.10'));
  it('wraps around at the end, past the gateway', () => expect(next([range('10.0.0.0/29')], '10.0.0.6')).toBe('10.0.0.2'));
  it('may be the last one itself when it is free again and nothing else is', () =>
    expect(next([range('10.0.0.0/29')], '10.0.0.4', '10.0.0.2', '10.0.0.3', '10.0.0.5', '10.0.0.6')).toBe('10.0.0.4'));
  it('is none when all are taken', () => expect(next([range('10.0.0.0/30')], '10.0.0.2', '10.0.0.2')).toBeUndefined());
  it('goes on in the next range and comes back to the first', () => {
    const set = [range('10.0.0.0/30'), range('10.9.0.0/30')];
    expect(next(set, '10.0.0.2', '10.0.0.2')).toBe('10.9.0.2');
    expect(next(set, '10.9.0.2', '10.9.0.2')).toBe('10.0.0.2');
  });
  it('begins at the start where the last is of another range', () => expect(next([range('10.0.0.0/24')], '192.168.0.1')).toBe('10.0.0.2'));
  it('respects the ends and the gateway that are given', () => {
    const set = [range('10.0.0.0/24', { first: ip('10.0.0.10'), last: ip('10.0.0.12'), gateway: ip('10.0.0.11') })];
    expect([next(set), next(set, '10.0.0.10'), next(set, '10.0.0.12', '10.0.0.12')]).toEqual(['10.0.0.10', '10.0.0.12', '10.0.0.10']);
  });
  it('works in IPv6', () => expect(next([range('fd00::/64')], 'fd00::ff')).toBe('fd00::100'));
});
