import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cidr } from '../../../agent/base/address.js';
import { FlockFileLock } from '../../../agent/kernel/file-lock.js';
import { Ipam } from '../../../agent/ipam/ipam.js';
import { rangeOf, type AddressRange } from '../../../agent/ipam/range.js';

let directory: string;
let ipam: Ipam;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'canal-ipam-')), 'net');
  ipam = new Ipam(new FlockFileLock());
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

const set = (cidr: string): AddressRange[] => [rangeOf(Cidr.parse(cidr)!) as AddressRange];
const owner = (containerId: string, ifname = 'eth0'): { containerId: string; ifname: string } => ({ containerId, ifname });
const texts = (list: readonly { text: string }[]): string[] => list.map(({ text }) => text);

describe('the address store', () => {
  it("is host-local's: a file an address, the last one given, modes and contents", async () => {
    expect(texts(await ipam.allocate(directory, [set('10.0.0.0/24'), set('fd00::/64')], owner('c1')))).toEqual(['10.0.0.2', 'fd00::2']);
    expect(readdirSync(directory).sort()).toEqual(['10.0.0.2', 'fd00::2', 'last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
    expect(readFileSync(join(directory, '10.0.0.2'), 'utf8')).toBe('c1\r\neth0');
    expect(readFileSync(join(directory, 'last_reserved_ip.1'), 'utf8')).toBe('fd00::2');
    expect(statSync(join(directory, '10.0.0.2')).mode & 0o777).toBe(0o600);
  });

  it('gives an address again only after all others', async () => {
    const given: string[] = [];
    for (let i = 0; i < 6; i++) {
      given.push(...texts(await ipam.allocate(directory, [set('10.0.0.0/29')], owner(`c${i}`))));
      await ipam.release(directory, owner(`c${i}`));
    }
    expect(given).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6', '10.0.0.2']);
  });

  it('lets an owner keep what it has', async () => {
    const first = await ipam.allocate(directory, [set('10.0.0.0/24')], owner('c1'));
    expect(texts(await ipam.allocate(directory, [set('10.0.0.0/24')], owner('c1')))).toEqual(texts(first));
  });

  it('takes all or none', async () => {
    await ipam.allocate(directory, [set('fd00::/126')], owner('a'));
    await ipam.allocate(directory, [set('fd00::/126')], owner('b'));
    await expect(ipam.allocate(directory, [set('10.0.0.0/24'), set('fd00::/126')], owner('c'))).rejects.toThrow(/no free address in fd00::1-fd00::3/);
    expect(await ipam.held(directory, owner('c'))).toEqual([]);
  });

  it('frees by container and interface, by container alone in files that name no interface, and never a part of a name', async () => {
    mkdirSync(directory, { recursive: true });
    const write = (address: string, content: string): void => writeFileSync(join(directory, address), content);
    write('10.0.0.2', 'c1\r\neth0');
    write('10.0.0.3', 'c1\r\nnet1');
    write('10.0.0.4', 'c10\r\neth0');
    write('10.0.0.5', 'old');
    write('10.0.0.6', 'unix\neth0\n');
    expect(texts(await ipam.release(directory, owner('c1')))).toEqual(['10.0.0.2']);
    expect(texts(await ipam.release(directory, owner('old')))).toEqual(['10.0.0.5']);
    expect(texts(await ipam.release(directory, owner('unix')))).toEqual(['10.0.0.6']);
    expect(await ipam.release(directory, owner('nobody'))).toEqual([]);
    expect(readdirSync(directory).sort()).toEqual(['10.0.0.3', '10.0.0.4', 'lock']);
  });

  it('sees what others release, reserve and give to somebody else', async () => {
    await ipam.allocate(directory, [set('10.0.0.0/24')], owner('a'));
    await ipam.allocate(directory, [set('10.0.0.0/24')], owner('b'));
    rmSync(join(directory, '10.0.0.2'));
    writeFileSync(join(directory, '10.0.0.2'), 'foreign\r\neth0', { flag: 'wx' });
    rmSync(join(directory, '10.0.0.3'));
    writeFileSync(join(directory, '10.0.0.9'), 'b\r\neth0', { flag: 'wx' });
    expect(await ipam.release(directory, owner('a'))).toEqual([]);
    expect(texts(await ipam.release(directory, owner('b')))).toEqual(['10.0.0.9']);
    expect(texts(await ipam.release(directory, owner('foreign')))).toEqual(['10.0.0.2']);
  });

  it('never frees an address that has changed hands unnoticed, as under a coarse clock', async () => {
    await ipam.allocate(directory, [set('10.0.0.0/24')], owner('a'));
    const { atime, mtime } = statSync(directory);
    utimesSync(directory, atime, mtime);
    await ipam.held(directory, owner('a'));
    rmSync(join(directory, '10.0.0.2'));
    writeFileSync(join(directory, '10.0.0.2'), 'foreign\r\neth0', { flag: 'wx' });
    utimesSync(directory, atime, mtime); // what it was, as far as the clock can tell
    expect(await ipam.release(directory, owner('a'))).toEqual([]);
    expect(readFileSync(join(directory, '10.0.0.2'), 'utf8')).toBe('foreign\r\neth0');
  });

  it('takes a file that was empty for what it says once it is filled', async () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, '10.0.0.2'), '');
    expect(await ipam.reservations(directory)).toMatchObject([{ containerId: undefined }]);
    writeFileSync(join(directory, '10.0.0.2'), 'late\r\neth0');
    expect(await ipam.reservations(directory)).toMatchObject([{ containerId: 'late', ifname: 'eth0' }]);
  });

  it('survives a last address that is rubbish', async () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'last_reserved_ip.0'), '\0\0');
    expect(texts(await ipam.allocate(directory, [set('10.0.0.0/24')], owner('c1')))).toEqual(['10.0.0.2']);
  });

  it('gives 200 owners at once 200 addresses', async () => {
    const given = await Promise.all(Array.from({ length: 200 }, (_, i) => ipam.allocate(directory, [set('10.0.0.0/24')], owner(`c${i}`))));
    expect(new Set(given.flatMap(texts)).size).toBe(200);
  });

  it('names the path when the disk does not do as told', async () => {
    writeFileSync(directory, 'a file where the directory should be');
    await expect(ipam.allocate(directory, [set('10.0.0.0/24')], owner('c1'))).rejects.toMatchObject({ code: 'IPAM', subject: directory });
  });
});
