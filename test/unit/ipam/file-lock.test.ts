import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cidr } from '../../../agent/base/address.js';
import { FlockFileLock } from '../../../agent/kernel/file-lock.js';
import { Ipam } from '../../../agent/ipam/ipam.js';
import { rangeOf, type AddressRange } from '../../../agent/ipam/range.js';

const HOST_LOCAL = '/usr/lib/cni/host-local';
let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'canal-lock-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Another process that holds the lock until it is killed. */
async function holder(path: string): Promise<ChildProcess> {
  const child = spawn('flock', [path, 'sh', '-c', 'echo held; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  await once(child.stdout, 'data');
  return child;
}

describe('the file lock', () => {
  it('waits for another process and goes on when that dies', async () => {
    const path = join(directory, 'lock');
    const other = await holder(path);
    let held = false;
    const waiting = new FlockFileLock().hold(path, () => (held = true));
    const impatient = new FlockFileLock(30).hold(path, () => undefined);
    await expect(impatient).rejects.toMatchObject({ code: 'IPAM', subject: path });
    expect(held).toBe(false);
    process.kill(-other.pid!, 'SIGKILL');
    await waiting;
    expect(held).toBe(true);
  });

  it('lets one at a time in, and lets go after a failure', async () => {
    const lock = new FlockFileLock();
    const path = join(directory, 'lock');
    let inside = 0;
    const work = async (): Promise<void> => {
      expect(++inside).toBe(1);
      await Promise.resolve();
      inside--;
      throw new Error('refused');
    };
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lock.hold(path, work)));
    expect(outcomes.every(({ status, ...rest }) => status === 'rejected' && (rest as { reason: Error }).reason.message === 'refused')).toBe(true);
  });

  it('shares a directory with the real host-local plugin without giving an address twice', async () => {
    const config = JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'x', ipam: { type: 'host-local', dataDir: directory, ranges: [[{ subnet: '10.0.0.0/24' }]] } });
    const theirs = (command: string, id: string): Promise<number | null> =>
      new Promise((resolve) => {
        const env = { CNI_COMMAND: command, CNI_CONTAINERID: id, CNI_NETNS: '/none', CNI_IFNAME: 'eth0', CNI_PATH: '/usr/lib/cni' };
        const child = spawn(HOST_LOCAL, { env, stdio: ['pipe', 'ignore', 'ignore'] });
        child.stdin.end(config);
        child.on('exit', resolve);
      });
    const ipam = new Ipam(new FlockFileLock());
    const net = join(directory, 'net');
    mkdirSync(net);
    const set = [rangeOf(Cidr.parse('10.0.0.0/24')!) as AddressRange];
    const [ours, exits] = await Promise.all([
      Promise.all(Array.from({ length: 40 }, (_, i) => ipam.allocate(net, [set], { containerId: `ours${i}`, ifname: 'eth0' }))),
      Promise.all(Array.from({ length: 20 }, (_, i) => theirs('ADD', `theirs${i}`))),
    ]);
    expect(exits).toEqual(exits.map(() => 0));
    expect(ours.flat()).toHaveLength(40);
    expect(readdirSync(net).filter((name) => name.startsWith('10.'))).toHaveLength(60);
    // each reads the other's files
    expect(await ipam.release(net, { containerId: 'theirs3', ifname: 'eth0' })).toHaveLength(1);
    expect(await theirs('DEL', 'ours3')).toBe(0);
    expect(await ipam.held(net, { containerId: 'ours3', ifname: 'eth0' })).toEqual([]);
    expect(spawnSync(HOST_LOCAL, { env: { CNI_COMMAND: 'CHECK', CNI_CONTAINERID: 'ours5', CNI_NETNS: '/none', CNI_IFNAME: 'eth0', CNI_PATH: '/x' }, input: config }).status).toBe(0);
  });
});
