import { expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { labDriver } from '../../agent/bench/lab-driver.js';

it('a client without ports left gives no figure, but says so', async () => {
  const contender = await labDriver().create({ contender: 'bare', size: { policies: 0, cidrs: 0, services: 0 } }, 7700);
  const ask = { path: 'same', metric: 'crr', warmMs: 0, countMs: 50, perCpuSecond: false } as const;
  const client = (...settings: string[]): void =>
    void execFileSync('nsenter', [`--net=/run/netns/canal-bench-${process.pid}-7700-a1`, 'sysctl', '-qw', ...settings]);
  try {
    expect((await contender.measure(ask)).value).toBeGreaterThan(0);
    // A range of six ports, all of which the client's kernel is told to keep for others.
    client('net.ipv4.ip_local_port_range=40000 40005', 'net.ipv4.ip_local_reserved_ports=40000-40005');
    await expect(contender.measure(ask)).rejects.toThrow(/no figure for crr to .*: the client had no port left for \d+ connections/);
  } finally {
    await contender.close();
  }
}, 60_000);
