import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Capture } from '../../agent/kernel/capture.js';
import { takeNamespace } from '../support/own-namespace.js';

beforeAll(async () => {
  await takeNamespace();
  execFileSync('ip', ['link', 'add', 'cap0', 'type', 'veth', 'peer', 'name', 'cap1']);
  for (const device of ['cap0', 'cap1']) execFileSync('ip', ['link', 'set', device, 'up']);
});
afterAll(() => void execFileSync('ip', ['link', 'del', 'cap0']));

it('gives a file that tcpdump reads, with what passed and its time', () => {
  const capture = new Capture('', 'cap0');
  try {
    execFileSync('ip', ['neigh', 'replace', '192.0.2.7', 'lladdr', '02:00:00:00:00:07', 'dev', 'cap0', 'nud', 'permanent']);
    execFileSync('ip', ['addr', 'replace', '192.0.2.1/24', 'dev', 'cap0']);
    execFileSync('sh', ['-c', 'ping -c2 -i0.2 -W1 192.0.2.7 >/dev/null || true']);
    const file = Buffer.concat([capture.header, Buffer.from(capture.read(1000))]);
    const text = execFileSync('tcpdump', ['-n', '-tt', '-r', '-', 'icmp'], { input: file, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
    const lines = text.trim().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line).toContain('192.0.2.1 > 192.0.2.7: ICMP echo request');
      expect(Math.abs(Number(line.split(' ')[0]) - Date.now() / 1000)).toBeLessThan(60);
    }
    expect(capture.dropped()).toBe(0);
  } finally {
    capture.close();
  }
});

it('says which device or namespace is not there', () => {
  const open = (netns: string, device: string) => (): Capture => new Capture(netns, device);
  expect(open('', 'nosuch0')).toThrow(expect.objectContaining({ code: 'KERNEL', subject: 'nosuch0' }) as Error);
  expect(open('/run/netns/no-such', 'eth0')).toThrow(expect.objectContaining({ code: 'KERNEL', subject: 'eth0' }) as Error);
});
