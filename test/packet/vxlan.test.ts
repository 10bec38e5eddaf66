import { execFileSync } from 'node:child_process';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CanalConfigFlags as Config } from '../../agent/kernel/abi.generated.js';
import { ACK, checksum, frameBytes, HOST_MAC, icmp, packetBytes, SYN, TCP, tcp, UDP, udp, type Frame } from './frames.js';
import { FAST_OVERLAY, passTick, podMac, u32 } from './node.js';
import { encapsulated, OUTER_LENGTH, type Outer } from './outer.js';
import { denied, redirected, Talk, useDevices, useNode } from './scene.js';

const devices = useDevices('cpx');
const UPLINK = 'cpx3';
const DIRECT = FAST_OVERLAY | Config.CONFIG_DIRECT_VXLAN;
const untouched = { verdict: 'next', reasons: [] } as const;
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

const HERE = { address: bytes('c0000209'), uplinkMac: bytes('020000000009'), vtepMac: bytes('660000000009') };
const THERE = { address: bytes('c0000205'), uplinkMac: bytes('020000000005'), vtepMac: bytes('660000000005') };
const GATEWAY_MAC = bytes('0200000000fe');

const ip = (...args: string[]): void => void execFileSync('ip', args);
const mac = (octets: Buffer): string => [...octets].map((o) => o.toString(16).padStart(2, '0')).join(':');

describe('VXLAN in the programs', () => {
  const node = useNode(4, devices.ifindexes);
  const talk = new Talk(node);

  beforeAll(() => {
    execFileSync('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
    ip('link', 'set', UPLINK, 'address', mac(HERE.uplinkMac));
    ip('link', 'set', `${UPLINK}p`, 'up');
  });

  beforeEach(() => {
    ip('link', 'set', UPLINK, 'mtu', '1500', 'up');
    ip('addr', 'replace', '192.0.2.9/24', 'dev', UPLINK);
    ip('neigh', 'replace', '192.0.2.5', 'lladdr', mac(THERE.uplinkMac), 'dev', UPLINK, 'nud', 'permanent');
    node().configure(DIRECT, { vtepAddr: HERE.address, vtepMac: HERE.vtepMac });
    node().routeRemote(undefined, { vtepAddr: THERE.address, vtepMac: THERE.vtepMac });
  });

  /** What a packet that leaves must look like, by what the kernel's device writes. */
  const leaving = (frame: Frame, sent: Buffer, more: Partial<Outer> = {}): Buffer =>
    encapsulated(packetBytes({ ...frame, ttl: (frame.ttl ?? 64) - 1 }), {
      destinationMac: THERE.uplinkMac, sourceMac: HERE.uplinkMac, source: HERE.address, destination: THERE.address,
      innerDestinationMac: THERE.vtepMac, innerSourceMac: HERE.vtepMac, id: sent.readUInt16BE(18), sourcePort: sent.readUInt16BE(34), ...more,
    });

  const arriving = (inner: Frame | Buffer, more: Partial<Outer> = {}): Buffer =>
    encapsulated(Buffer.isBuffer(inner) ? inner : packetBytes(inner), {
      destinationMac: HERE.uplinkMac, sourceMac: THERE.uplinkMac, source: THERE.address, destination: HERE.address,
      innerDestinationMac: HERE.vtepMac, innerSourceMac: THERE.vtepMac, ...more,
    });

  const withTos = (frame: Frame, tos: number): Buffer => {
    const packet = packetBytes(frame);
    packet[1] = tos;
    packet.writeUInt16BE(0, 10);
    packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
    return packet;
  };

  it.each<[string, Frame['protocol'], Buffer]>([
    ['TCP', TCP, tcp(40000, 80, SYN)],
    ['UDP', UDP, udp(5000, 53, 900)],
    ['a ping', 1, icmp(8, 0, 7)],
    ['a packet as long as the path', TCP, tcp(40000, 80, SYN, 1410)],
  ])('writes the header around %s as a kernel does', (_, protocol, body) => {
    const frame = talk.frame('a', 'remote', protocol, body);
    const outcome = node().fromPod('a', frame);
    expect(outcome).toMatchObject(redirected);
    expect(outcome.bytes).toEqual(leaving(frame, outcome.bytes));
    expect(checksum(outcome.bytes.subarray(14, 34))).toBe(0);
    expect(checksum(outcome.bytes.subarray(OUTER_LENGTH, OUTER_LENGTH + 20))).toBe(0);
    expect(outcome.bytes.readUInt16BE(34)).toBeGreaterThanOrEqual(32768);
    expect(outcome.bytes.readUInt16BE(34)).toBeLessThan(60999);
  });

  it('keeps a flow on one source port and spreads flows', () => {
    const port = (source: number): number => node().fromPod('a', talk.frame('a', 'remote', UDP, udp(source, 53))).bytes.readUInt16BE(34);
    expect(port(1000)).toBe(port(1000));
    expect(new Set(Array.from({ length: 32 }, (_, i) => port(1000 + i))).size).toBeGreaterThan(16);
  });

  it.each([[0, 0], [1, 1], [2, 2], [3, 2], [0xb8, 0], [0xba, 2]])('shows congestion marks of TOS %i outside as %i', (tos, outside) => {
    const frame = talk.syn('a', 'remote');
    const outcome = node().plane.run('canal_from_pod', Buffer.concat([frameBytes(frame).subarray(0, 14), withTos(frame, tos)]), { ifindex: node().device('a'), ingressIfindex: node().device('a') });
    expect(outcome).toMatchObject(redirected);
    expect(outcome.bytes[15]).toBe(outside);
    expect(outcome.bytes.subarray(OUTER_LENGTH)).toEqual(withTos({ ...frame, ttl: 63 }, tos));
    expect(checksum(outcome.bytes.subarray(14, 34))).toBe(0);
  });

  const viaDevice = (frame = talk.syn('a', 'remote')): void => {
    passTick();
    const outcome = node().fromPod('a', frame);
    expect(outcome).toMatchObject(redirected);
    expect(outcome.bytes).toEqual(frameBytes({ ...frame, ttl: 63 }));
  };
  const sentTo = (): Buffer => {
    passTick();
    return Buffer.from(node().fromPod('a', talk.syn('a', 'remote')).bytes.subarray(0, 6));
  };

  it.each<[string, () => void, () => void]>([
    ['has no neighbour', () => ip('neigh', 'del', '192.0.2.5', 'dev', UPLINK), () => {}],
    ['has no route', () => ip('addr', 'flush', 'dev', UPLINK), () => {}],
    ['is down', () => ip('link', 'set', UPLINK, 'down'), () => {}],
    ['carries less than pods send', () => ip('link', 'set', UPLINK, 'mtu', '1480'), () => {}],
    ['is not the way', () => ip('route', 'add', 'blackhole', '192.0.2.5'), () => ip('route', 'del', 'blackhole', '192.0.2.5')],
    ['is not to be used', () => node().configure(FAST_OVERLAY, { vtepAddr: HERE.address, vtepMac: HERE.vtepMac }), () => {}],
  ])('leaves it to the overlay device where the uplink %s, and takes it back after', (_, change, back) => {
    change();
    viaDevice();
    back();
    ip('link', 'set', UPLINK, 'mtu', '1500', 'up');
    ip('addr', 'replace', '192.0.2.9/24', 'dev', UPLINK);
    ip('neigh', 'replace', '192.0.2.5', 'lladdr', mac(THERE.uplinkMac), 'dev', UPLINK, 'nud', 'permanent');
    node().configure(DIRECT, { vtepAddr: HERE.address, vtepMac: HERE.vtepMac });
    expect(sentTo()).toEqual(THERE.uplinkMac);
  });

  it('follows a new neighbour, a new gateway and a peer that moved, without anybody writing a row for the first two', () => {
    expect(sentTo()).toEqual(THERE.uplinkMac);
    const moved = bytes('020000000077');
    ip('neigh', 'replace', '192.0.2.5', 'lladdr', mac(moved), 'dev', UPLINK, 'nud', 'permanent');
    expect(sentTo()).toEqual(moved);
    ip('neigh', 'replace', '192.0.2.254', 'lladdr', mac(GATEWAY_MAC), 'dev', UPLINK, 'nud', 'permanent');
    ip('route', 'add', '192.0.2.5/32', 'via', '192.0.2.254', 'dev', UPLINK);
    expect(sentTo()).toEqual(GATEWAY_MAC);
    ip('route', 'del', '192.0.2.5/32', 'via', '192.0.2.254');
    ip('neigh', 'replace', '192.0.2.6', 'lladdr', mac(GATEWAY_MAC), 'dev', UPLINK, 'nud', 'permanent');
    node().routeRemote(undefined, { vtepAddr: bytes('c0000206'), vtepMac: bytes('660000000006') });
    const { bytes: sent } = node().fromPod('a', talk.syn('a', 'remote'));
    expect(sent.subarray(30, 34)).toEqual(bytes('c0000206'));
    expect(sent.subarray(50, 56)).toEqual(bytes('660000000006'));
  });

  it('delivers requests and known flows of other nodes without their headers', () => {
    for (const frame of [talk.syn('remote', 'b'), talk.data('remote', 'b')]) {
      const outcome = node().fromUplink(arriving(frame));
      expect(outcome).toMatchObject(redirected);
      const expected = frameBytes({ ...frame, ttl: 63 });
      podMac('b').copy(expected, 0);
      HOST_MAC.copy(expected, 6);
      expect(outcome.bytes).toEqual(expected);
    }
    const [flow, ...others] = node().plane.flows('ctnew');
    expect(others).toEqual([]);
    expect(flow!.packetsA + flow!.packetsB).toBe(2);
  });

  it('refuses what policy refuses, and what claims an address of this node', () => {
    node().isolate('b', 'ingress', [{ protocol: TCP, port: 80, id: 1n }]);
    expect(node().fromUplink(arriving(talk.syn('remote', 'b')))).toMatchObject(redirected);
    expect(node().fromUplink(arriving(talk.frame('remote', 'b', TCP, tcp(1, 81, SYN))))).toMatchObject(denied('DROP_POLICY_INGRESS'));
    node().plane.put('local', node().at.remote, u32(0));
    expect(node().fromUplink(arriving(talk.frame('remote', 'b', TCP, tcp(2, 80, SYN))))).toMatchObject(denied('DROP_OVERLAY_SOURCE'));
  });

  const request = (): Frame => talk.syn('remote', 'b');
  const notOurs: readonly [string, () => Buffer][] = [
    ['of an unknown node', () => arriving(request(), { source: bytes('c0000207') })],
    ['of another node than the inner source’s', () => arriving(talk.syn('outside', 'b'))],
    ['for another node', () => arriving(request(), { destination: bytes('c0000208') })],
    ['for another station of the link', () => arriving(request(), { destinationMac: bytes('020000000055') })],
    ['of another network', () => arriving(request(), { vni: 2 })],
    ['to another port', () => arriving(request(), { port: 4789 })],
    ['with flags of extensions', () => arriving(request(), { flags: 0x88000000 })],
    ['without a network’s number', () => arriving(request(), { flags: 0 })],
    ['for another inner station', () => arriving(request(), { innerDestinationMac: bytes('660000000055') })],
    ['from another inner station', () => arriving(request(), { innerSourceMac: bytes('660000000055') })],
    ['with an inner frame that is not IPv4', () => arriving(request(), { innerType: 0x86dd })],
    ['in fragments', () => arriving(request(), { fragment: 0x2000 })],
    ['that met congestion', () => arriving(request(), { tos: 3 })],
    ['marked ECT(1)', () => arriving(request(), { tos: 1 })],
    ['with bytes behind it', () => arriving(request(), { trailer: 6 })],
    ['with an expired inner hop limit', () => arriving({ ...request(), ttl: 1 })],
    ['with inner options', () => arriving({ ...request(), options: Buffer.from([1, 1, 1, 0]) })],
    ['with an inner fragment', () => arriving({ ...request(), fragment: { offset: 0, more: true, id: 9 } })],
    ['with an inner ICMP error', () => arriving(talk.frame('remote', 'b', 1, icmp(3, 1, 0, packetBytes(talk.answer('b', 'remote')))))],
    ['with an inner packet longer than the path', () => arriving(talk.frame('remote', 'b', TCP, tcp(40000, 80, SYN, 1500)))],
    ['for the node itself', () => arriving(talk.syn('remote', 'host'))],
    ['for nobody here', () => arriving(talk.syn('remote', 'outside'))],
    ['that may answer what the host stack translated', () => arriving(talk.data('remote', 'b'))],
    ['that is cut short inside', () => arriving(packetBytes(request()).subarray(0, 30))],
  ];
  it.each(notOurs)('leaves VXLAN %s to the kernel, untouched', (_, make) => {
    const frame = make();
    const outcome = node().fromUplink(frame);
    expect(outcome).toMatchObject(untouched);
    expect(outcome.bytes).toEqual(frame);
    expect([...node().plane.flows('ct'), ...node().plane.flows('ctnew')]).toEqual([]);
  });

  it('leaves packets cut at any length, and all of them where the programs are not to do it, to the kernel', () => {
    const whole = arriving(talk.frame('remote', 'b', TCP, tcp(40000, 80, SYN | ACK)));
    for (let length = 40; length < whole.length; length++) expect(node().fromUplink(whole.subarray(0, length)).verdict).toBe('next');
    node().configure(FAST_OVERLAY, { vtepAddr: HERE.address, vtepMac: HERE.vtepMac });
    expect(node().fromUplink(arriving(request()))).toMatchObject(untouched);
  });
});
