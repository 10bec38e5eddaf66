import ffi from 'ffi-napi';
import { describe, expect, it } from 'vitest';
import { NativeCall } from '../../../agent/kernel/native-call.js';

const libc = new ffi.DynamicLibrary('libc.so.6');
const call = (name: string, letters: string): NativeCall => new NativeCall(libc.get(name), letters);

describe('a call of a C function', () => {
  it('hands over integers of each width and sign', () => {
    expect(call('abs', 'i').call([-2_000_000_000])).toBe(2_000_000_000);
    expect(call('ffs', 'i').call([-2_147_483_648])).toBe(32);
    expect(call('ffsll', 'U').call([2 ** 40])).toBe(41);
    expect(call('htonl', 'u').call([0xff])).toBe(-(2 ** 24));
  });

  it('hands over strings as C has them, and no bytes of an earlier one', () => {
    const strlen = call('strlen', 's');
    expect(['abcdef', 'ü', '', 'x'.repeat(5000)].map((text) => strlen.call([text]))).toEqual([6, 2, 0, 5000]);
  });

  it('lets the function write into bytes, also where they are part of others', () => {
    const whole = new Uint8Array(16).fill(7);
    call('snprintf', 'pUs').call([whole.subarray(4, 8), 4, 'abcdef']);
    expect([...whole]).toEqual([7, 7, 7, 7, 97, 98, 99, 0, 7, 7, 7, 7, 7, 7, 7, 7]);
  });

  it('hands over null as no pointer, and arguments beyond the registers', () => {
    expect(call('time', 'p').call([null])).not.toBe(0);
    const text = Buffer.alloc(32);
    call('snprintf', 'pUsiiiiii').call([text, 32, '%d %d %d %d %d %d', 1, -2, 3, -4, 5, -6]);
    expect(text.toString('utf8', 0, 16)).toBe('1 -2 3 -4 5 -6\0\0');
  });

  it('refuses what the function does not take, before it is called', () => {
    const strnlen = call('strnlen', 'sU');
    expect(() => strnlen.call(['a'])).toThrow(TypeError);
    expect(() => strnlen.call([null, 1])).toThrow(TypeError);
    expect(() => call('abs', 'i').call([2 ** 31])).toThrow(RangeError);
    expect(() => call('htonl', 'u').call([-1])).toThrow(RangeError);
  });

  it('runs many at once in worker threads, each with its own arguments, whatever is collected meanwhile', async () => {
    const strnlen = call('strnlen', 'sU');
    const wanted = Array.from({ length: 500 }, (_, i) => i % 97);
    const lengths = wanted.map(async (length) => strnlen.async(['y'.repeat(length), 1000]));
    for (let i = 0; i < 200; i++) Buffer.alloc(1 << 16, i); // what a collection would give to others
    expect(await Promise.all(lengths)).toEqual(wanted);
  });
});
