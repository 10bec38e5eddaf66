import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { findLink } from '../../agent/kernel/netlink.js';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { openPinned } from '../../agent/kernel/pins.js';
import { ANY_DEVICE, ChangeMonitor, type Heard, type Notices, type Told } from '../../agent/kernel/monitor.js';
import { Ring } from '../../agent/kernel/ring.js';
import { testRun, testRunMany } from '../../agent/kernel/test-run.js';
import { Waker } from '../../agent/kernel/waker.js';
import { takeNamespace } from '../support/own-namespace.js';
import { run, runQuietly } from '../support/shell.js';

let monitor: ChangeMonitor | undefined;

beforeAll(async () => {
  await takeNamespace();
  mountBpffs('/sys/fs/bpf');
});
afterEach(() => monitor?.close());
afterAll(() => runQuietly('ip link del no-one'));

describe('the monitor', () => {
  /** Other test files change this namespace too, so only presence says something. */
  const heard = (command: string): Heard => {
    monitor!.drain();
    run(command);
    return monitor!.drain();
  };
  const changes = (command: string): Notices => heard(command).changes;
  const told = (command: string, change: Told['change']): Told | undefined => heard(command).told.findLast((each) => each.change === change);

  it('tells what kind of thing changed', () => {
    monitor = new ChangeMonitor();
    expect(changes('ip link add no-one type veth peer name no-two').has('link')).toBe(true);
    run('ip link set no-two up');
    const { ifindex } = findLink('no-one')!;
    expect(changes('ip link set no-one up').get('link')).toContain(ifindex);
    expect(changes('ip addr add 10.78.0.1/24 dev no-one').get('address')).toContain(ifindex);
    const link = changes('ip link set no-one down');
    for (const change of ['link', 'down'] as const) expect(link.get(change)).toContain(ifindex);
    expect(changes('ip link set no-one up').get('down')).toBeUndefined();
    expect(changes('ip addr del 10.78.0.1/24 dev no-one').get('unaddressed')).toContain(ifindex);
    run('ip addr add 10.78.0.1/24 dev no-one');
    expect(changes('tc qdisc add dev no-one clsact').get('tc')).toBeUndefined();
    expect(changes('tc qdisc del dev no-one clsact').get('tc')).toContain(ifindex);
  });

  it('tells routes, neighbours and FDB entries whole, as they come and as they go', () => {
    monitor = new ChangeMonitor();
    const { ifindex } = findLink('no-one')!;
    expect(told('ip route add 10.79.0.0/16 via 10.78.0.2', 'route')).toMatchObject({ gone: false, raw: { family: 4, prefixlen: 16, ifindex, table: 254 } });
    expect(told('ip route replace 10.79.0.0/16 dev lo metric 0', 'route')).toMatchObject({ gone: false, raw: { prefixlen: 16, ifindex: 1 } });
    expect(told('ip route del 10.79.0.0/16', 'route')).toMatchObject({ gone: true, raw: { prefixlen: 16 } });
    expect(told('ip route add blackhole 10.81.0.0/16', 'route')).toMatchObject({ gone: false, raw: { type: 6, ifindex: 0 } });
    run('ip route del blackhole 10.81.0.0/16');
    expect(told('ip neigh add 10.78.0.2 lladdr 02:00:00:00:00:01 dev no-one', 'neighbour')).toMatchObject({ gone: false, raw: { family: 4, ifindex, mac: Uint8Array.of(2, 0, 0, 0, 0, 1) } });
    expect(told('ip neigh del 10.78.0.2 dev no-one', 'neighbour')).toMatchObject({ gone: true, raw: { family: 4, ifindex } });
    run('ip link add no-vx type vxlan id 77 dstport 4790 dev no-one');
    expect(told('bridge fdb add 02:00:00:00:00:02 dev no-vx dst 10.78.0.9', 'neighbour')).toMatchObject({ gone: false, raw: { family: 7, dstFamily: 4, mac: Uint8Array.of(2, 0, 0, 0, 0, 2) } });
    expect(told('bridge fdb del 02:00:00:00:00:02 dev no-vx', 'neighbour')).toMatchObject({ gone: true, raw: { family: 7 } });
    run('ip link del no-vx');
  });

  it('says of rows for which there is no room whose they are', () => {
    monitor = new ChangeMonitor();
    monitor.drain();
    const lines = Array.from({ length: 300 }, (_, i) => `neigh add 10.78.${1 + (i >> 8)}.${i & 255} lladdr 02:00:00:00:00:01 dev no-one`);
    execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });
    const { changes, told } = monitor.drain();
    expect(told.filter(({ change }) => change === 'neighbour')).toHaveLength(256);
    expect(changes.get('neighbour')).toContain(findLink('no-one')!.ifindex);
    run('ip neigh flush dev no-one nud permanent');
  });

  it('says that it may be any device when there is no room for all that were named', () => {
    monitor = new ChangeMonitor(2);
    run('ip addr add 10.78.0.9/32 dev lo');
    run('ip link add no-three type veth peer name no-four');
    run('ip link set no-three up');
    run('ip link set no-four up');
    const notices = monitor.drain().changes;
    for (const change of ['link', 'address', 'route', 'neighbour', 'tc', 'down', 'unaddressed'] as const) expect(notices.get(change)).toContain(ANY_DEVICE);
    run('ip addr del 10.78.0.9/32 dev lo');
    run('ip link del no-three');
  });

  it('costs microseconds when there is nothing', () => {
    monitor = new ChangeMonitor();
    monitor.drain();
    const started = performance.now();
    for (let i = 0; i < 1000; i++) monitor.drain();
    const each = (performance.now() - started) / 1000;
    console.log(`a drain takes ${(each * 1000).toFixed(1)} us`);
    expect(each).toBeLessThan(0.5);
  });

  it('calls back while it watches, and not after it is closed', async () => {
    monitor = new ChangeMonitor();
    const seen = new Promise<Notices>((resolve) => monitor!.watch(5, ({ changes }) => changes.has('address') && resolve(changes)));
    run('ip addr add 10.78.0.9/32 dev lo');
    expect((await seen).has('address')).toBe(true);
    run('ip addr del 10.78.0.9/32 dev lo');
    monitor.close();
    expect(monitor.drain()).toEqual({ changes: new Map(), told: [] });
  });
});

describe('a waker', () => {
  it('wakes for a notice, once for many at a time, and not while nothing comes', async () => {
    monitor = new ChangeMonitor();
    const waker = new Waker(monitor.fd, 5);
    const stop = new AbortController();
    run('ip addr add 10.78.0.9/32 dev lo');
    run('ip addr del 10.78.0.9/32 dev lo');
    await waker.wait(stop.signal);
    expect(monitor.drain().changes.has('address')).toBe(true);
    const other = waker.wait(stop.signal);
    run('ip addr add 10.78.0.9/32 dev lo');
    await other;
    run('ip addr del 10.78.0.9/32 dev lo');
    stop.abort();
    await waker.wait(stop.signal);
    waker.close();
  });

  it('wakes nobody for what has been read before its pause is over, nor for what is worth nothing', async () => {
    monitor = new ChangeMonitor();
    const looks: boolean[] = [];
    const waker = new Waker(monitor.fd, 500, () => {
      looks.push(monitor!.drain().changes.has('address'));
      return looks.at(-1)!;
    });
    run('ip addr add 10.78.0.9/32 dev lo');
    expect(monitor.drain().changes.has('address')).toBe(true);
    waker.later(); // looks when the pause is over, and so is that of the notice
    const waiting = waker.wait(new AbortController().signal);
    await vi.waitFor(() => expect(looks).toEqual([false]), 5000);
    run('ip addr del 10.78.0.9/32 dev lo');
    await waiting;
    expect(looks).toEqual([false, true]);
    waker.close();
  });

  it('lets go of whoever waits when it is closed', async () => {
    monitor = new ChangeMonitor();
    const waker = new Waker(monitor.fd, 5);
    const waiting = waker.wait(new AbortController().signal);
    waker.close();
    await waiting;
  });
});

describe('loaded programs', () => {
  it('run on packets, one or many, and drop while nobody has configured them', () => {
    const object = BpfObject.load({ path: 'build/bpf/canal4.o' });
    const { fd } = object.program('canal_from_pod');
    const packet = Buffer.alloc(60);
    packet.writeUInt16BE(0x0800, 12);
    packet[14] = 0x45;
    const TC_ACT_SHOT = 2;
    expect(testRun(fd, { packet })).toMatchObject({ verdict: TC_ACT_SHOT, packet: expect.any(Buffer) as Buffer });
    expect([...testRunMany(fd, [packet, packet, packet])]).toEqual([TC_ACT_SHOT, TC_ACT_SHOT, TC_ACT_SHOT]);
    const ring = new Ring(object.map('canal_events'));
    expect(Array.isArray(ring.drain())).toBe(true);
    ring.close();
    expect(ring.drain()).toEqual([]);
    object.close();
    expect(() => object.map('canal_peer4')).toThrow('closed');
  });

  it('that the verifier refuses fail with its words', () => {
    const dir = mkdtempSync(join(tmpdir(), 'canal-refused-'));
    const source = `struct __sk_buff { unsigned int len; };
      __attribute__((section("tc"), used)) int refused(struct __sk_buff *skb) { return *(volatile int *)((char *)skb + 4096); }
      char LICENSE[] __attribute__((section("license"), used)) = "GPL";`;
    writeFileSync(join(dir, 'refused.c'), source);
    run(`clang -O2 -g -target bpf -c ${dir}/refused.c -o ${dir}/refused.o`);
    expect(() => BpfObject.load({ path: join(dir, 'refused.o') })).toThrow(/invalid bpf_context access off=4096/);
    rmSync(dir, { recursive: true });
  });

  it('that are not there are an error, and a pin that is not there is none', () => {
    expect(() => BpfObject.load({ path: '/no/such.o' })).toThrow(/ENOENT/);
    expect(openPinned('/sys/fs/bpf/no-such')).toBeUndefined();
  });
});
