import { describe, expect, it } from 'vitest';
import { CanalFull } from '../../agent/kernel/abi.generated.js';
import { Edge, ends, packetOf, quotedEnds, wholePacket } from './edge-scene.js';
import { ACK, FIN, type Frame, frameBytes, icmp, icmpProtocol, packetBytes, sealed, SYN, TCP, tcp, UDP, udp } from './frames.js';
import { MASQUERADE, FAST_LOCAL } from './node.js';
import { denied, redirected, useDevices, useNode } from './scene.js';

const devices = useDevices('cpm');

describe.each([4, 6] as const)('IPv%i masquerade', (family) => {
  // Room for 4,000 rows: an LRU map evicts rows of other CPUs' lists before it is full.
  const node = useNode(family, devices.ifindexes, { [`canal_edge${family}`]: 16384 });
  const edge = new Edge(node);
  const icmpProto = icmpProtocol(family);
  const [ask, answer] = family === 4 ? [8, 0] : [128, 129];
  const next = { verdict: 'next', reasons: [] } as const;
  const frame = (source: Buffer, destination: Buffer, protocol: number, body: Buffer, more: Partial<Frame> = {}): Frame => sealed({ source, destination, protocol, body, ...more });
  /** A pod's packet to the world: from_pod, then to_uplink. */
  const leaves = (pod: 'a' | 'b', protocol: number, body: Buffer, more: Partial<Frame> = {}): ReturnType<ReturnType<typeof node>['toUplink']> => {
    const sent = frame(node().at[pod], node().at.outside, protocol, body, more);
    node().fromPod(pod, sent);
    return node().toUplink(sent, pod);
  };
  const comes = (protocol: number, body: Buffer, more: Partial<Frame> = {}): ReturnType<ReturnType<typeof node>['fromUplink']> =>
    node().fromUplink(frameBytes(frame(node().at.outside, edge.address, protocol, body, more)));
  const sees = (protocol: number, body: Buffer): string => wholePacket(frame(edge.address, node().at.outside, protocol, body));

  it.each([['TCP', TCP, tcp(40000, 443, SYN), tcp(443, 40000, SYN | ACK)], ['UDP', UDP, udp(40000, 53), udp(53, 40000)]] as const)('gives %s the node’s address and keeps the port; answers come back to the pod', (_, protocol, sent, answered) => {
    edge.on();
    expect(leaves('a', protocol, sent)).toMatchObject(next);
    const out = leaves('a', protocol, sent);
    expect(packetOf(out.bytes)).toBe(sees(protocol, sent));
    const back = comes(protocol, answered);
    expect(back).toMatchObject(redirected);
    expect(packetOf(back.bytes)).toBe(wholePacket(frame(node().at.outside, node().at.a, protocol, answered, { ttl: 63 })));
    expect(node().plane.rows('edge')).toHaveLength(2);
  });

  it('translates pings, and tells those of two pods with one identifier apart', () => {
    edge.on();
    expect(packetOf(leaves('a', icmpProto, icmp(ask, 0, 7)).bytes)).toBe(sees(icmpProto, icmp(ask, 0, 7)));
    const other = leaves('b', icmpProto, icmp(ask, 0, 7)).bytes;
    const id = other.readUInt16BE((family === 4 ? 34 : 54) + 4);
    expect(id).not.toBe(7);
    expect(packetOf(other)).toBe(sees(icmpProto, icmp(ask, 0, id)));
    expect(packetOf(comes(icmpProto, icmp(answer, 0, id)).bytes)).toBe(wholePacket(frame(node().at.outside, node().at.b, icmpProto, icmp(answer, 0, 7), { ttl: 63 })));
    expect(packetOf(comes(icmpProto, icmp(answer, 0, 7)).bytes)).toBe(wholePacket(frame(node().at.outside, node().at.a, icmpProto, icmp(answer, 0, 7), { ttl: 63 })));
  });

  it('chooses another port where another pod has it, and keeps it for the flow', () => {
    edge.on();
    leaves('a', TCP, tcp(40000, 443, SYN));
    const first = ends(leaves('b', TCP, tcp(40000, 443, SYN)).bytes);
    expect(first.sourcePort).not.toBe(40000);
    expect(ends(leaves('b', TCP, tcp(40000, 443, ACK)).bytes).sourcePort).toBe(first.sourcePort);
    expect(packetOf(comes(TCP, tcp(443, first.sourcePort, SYN | ACK)).bytes)).toBe(wholePacket(frame(node().at.outside, node().at.b, TCP, tcp(443, 40000, SYN | ACK), { ttl: 63 })));
    // Towards another port the first choice is free.
    expect(ends(leaves('b', TCP, tcp(40000, 80, SYN)).bytes).sourcePort).toBe(40000);
  });

  it('leaves pods their address towards pods, and wherever it is told to', () => {
    edge.on();
    node().plane.put('nomasq', Buffer.concat([Buffer.from([family === 4 ? 24 : 64, 0, 0, 0]), node().at.outside]), Buffer.alloc(4));
    const sent = frame(node().at.a, node().at.outside, TCP, tcp(40000, 443, SYN));
    expect(packetOf(node().toUplink(sent, 'a').bytes)).toBe(packetOf(Buffer.concat([Buffer.alloc(14), packetBytes(sent)])));
    const afar = frame(node().at.a, node().at.remote, TCP, tcp(40000, 443, SYN));
    expect(ends(node().toUplink(afar, 'a').bytes).source.equals(node().at.a)).toBe(true);
    expect(node().plane.rows('edge')).toHaveLength(0);
  });

  it('gives what leaves over another device the address that the node has there, and the node’s own flows another port alone', () => {
    const other = Buffer.from(family === 4 ? 'cb007109' : '20010db8000000000000000000000077', 'hex');
    edge.on();
    node().leadsOutside(other);
    node().plane.put('local', other, Buffer.alloc(4));
    expect(packetOf(leaves('a', TCP, tcp(40000, 443, SYN)).bytes)).toBe(wholePacket(frame(other, node().at.outside, TCP, tcp(40000, 443, SYN))));
    const back = node().fromUplink(frameBytes(frame(node().at.outside, other, TCP, tcp(443, 40000, SYN | ACK))));
    expect(packetOf(back.bytes)).toBe(wholePacket(frame(node().at.outside, node().at.a, TCP, tcp(443, 40000, SYN | ACK), { ttl: 63 })));
    const own = ends(node().toUplink(frame(other, node().at.outside, TCP, tcp(40000, 443, SYN)), 'host').bytes);
    expect(own.source.equals(other)).toBe(true);
    expect(own.sourcePort).not.toBe(40000);
  });

  it('does nothing while it is off', () => {
    edge.on(FAST_LOCAL);
    expect(ends(leaves('a', TCP, tcp(40000, 443, SYN)).bytes).source.equals(node().at.a)).toBe(true);
  });

  it('leaves answers of pods alone that the world reached under their own address', () => {
    edge.on();
    node().toPod('a', frame(node().at.outside, node().at.a, TCP, tcp(40000, 80, SYN)), 'outside');
    const answered = (flags: number): boolean => ends(leaves('a', TCP, tcp(80, 40000, flags)).bytes).source.equals(node().at.a);
    expect(answered(SYN | ACK)).toBe(true);
    node().toPod('a', frame(node().at.outside, node().at.a, TCP, tcp(40000, 80, FIN | ACK)), 'outside');
    // The last of the connection, and what is sent again when it is over.
    for (const flags of [FIN | ACK, ACK, ACK, FIN | ACK]) expect(answered(flags)).toBe(true);
    expect([node().plane.rows('edge').length, node().plane.flows('ct').length]).toEqual([0, 0]);
  });

  it('lets fragments follow their first, both ways', () => {
    edge.on();
    leaves('a', UDP, udp(40000, 53, 32), { fragment: { offset: 0, more: true, id: 5 } });
    const later = leaves('a', UDP, Buffer.alloc(16, 1), { fragment: { offset: 40, more: false, id: 5 } });
    expect(later).toMatchObject(next);
    expect(ends(later.bytes).source.equals(edge.address)).toBe(true);
    expect(leaves('a', UDP, Buffer.alloc(16, 1), { fragment: { offset: 40, more: false, id: 6 } })).toMatchObject(denied('DROP_FRAGMENT'));
    comes(UDP, udp(53, 40000, 32), { fragment: { offset: 0, more: true, id: 9 } });
    expect(ends(comes(UDP, Buffer.alloc(16, 1), { fragment: { offset: 40, more: false, id: 9 } }).bytes).destination.equals(node().at.a)).toBe(true);
  });

  it('translates ICMP errors both ways, so that each end finds its own packet in them', () => {
    edge.on();
    leaves('a', UDP, udp(40000, 53));
    const port = ends(leaves('b', UDP, udp(40000, 53)).bytes).sourcePort;
    const type = family === 4 ? 3 : 1;
    const error = (sent: Frame): Buffer => icmp(type, 4, 0, packetBytes(sent).subarray(0, (family === 4 ? 20 : 40) + 8));
    const router = Buffer.from(node().at.outside);
    router[router.length - 1] = 0x63;
    const body = error(frame(edge.address, node().at.outside, UDP, udp(port, 53)));
    const got = node().fromUplink(frameBytes(frame(router, edge.address, icmpProto, body)));
    expect(got).toMatchObject(next);
    expect(quotedEnds(got.bytes, family)).toEqual({ outer: [router, node().at.b].map(hex), source: hex(node().at.b), destination: hex(node().at.outside), ports: [40000, 53] });
    comes(UDP, udp(53, port));
    const complaint = frame(node().at.b, node().at.outside, icmpProto, error(frame(node().at.outside, node().at.b, UDP, udp(53, 40000))));
    expect(quotedEnds(node().toUplink(complaint, 'b').bytes, family)).toEqual({ outer: [edge.address, node().at.outside].map(hex), source: hex(node().at.outside), destination: hex(edge.address), ports: [53, port] });
  });

  it('uses 95 of 100 ports towards one destination, then drops what finds none, and says for whom', () => {
    edge.on(MASQUERADE | FAST_LOCAL | 8 /* events */, { edgePortMin: 2000, edgePortMax: 2999 });
    const sources = Array.from({ length: 1000 }, (_, i) => 10_000 + i);
    // Their own port is never free: the other pod has it.
    for (const port of sources) node().plane.feed('canal_to_upl', [frameBytes(frame(node().at.b, node().at.outside, UDP, udp(port, 53)))], { ifindex: node().device('outside'), ingressIfindex: node().device('b') });
    node().plane.events();
    const got = sources.map((port) => node().toUplink(frame(node().at.a, node().at.outside, UDP, udp(port, 53)), 'a'));
    const used = new Set(got.filter(({ verdict }) => verdict === 'next').map((outcome) => ends(outcome.bytes).sourcePort));
    expect(used.size).toBeGreaterThanOrEqual(950);
    expect([...used].every((port) => port >= 2000 && port <= 2999)).toBe(true);
    const refused = got.filter(({ verdict }) => verdict === 'drop');
    expect(refused.every(({ reasons }) => reasons[0] === 'DROP_NAT_EXHAUSTED')).toBe(true);
    expect(refused.length + used.size).toBe(1000);
    const named = node().plane.events().map((event) => Buffer.from(event.source.word).toString('hex'));
    if (refused.length > 0) expect(new Set(named)).toEqual(new Set([hex(node().at.a)]));
    expect(node().plane.counters('full')[CanalFull.FULL_EDGE]).toBe(0);
  }, 60_000);

  it('gives a port away again when its flow is over', () => {
    edge.on();
    leaves('a', TCP, tcp(40000, 443, SYN));
    comes(TCP, tcp(443, 40000, SYN | ACK));
    leaves('a', TCP, tcp(40000, 443, ACK));
    edge.age(3600);
    expect(ends(leaves('b', TCP, tcp(40000, 443, SYN)).bytes).sourcePort).not.toBe(40000);
    leaves('a', TCP, tcp(40000, 443, FIN | ACK));
    comes(TCP, tcp(443, 40000, FIN | ACK));
    edge.age(3600);
    node().plane.delete('edge', node().plane.rows('edge').find(({ key }) => key.includes(node().at.b))!.key);
    expect(ends(leaves('b', TCP, tcp(40000, 443, SYN)).bytes).sourcePort).toBe(40000);
  });

  it('takes a port from no flow of the node, and moves the node’s own where a pod was first', () => {
    edge.on();
    leaves('a', UDP, udp(40000, 53));
    const own = (port: number): ReturnType<ReturnType<typeof node>['toUplink']> => node().toUplink(frame(edge.address, node().at.outside, UDP, udp(port, 53)), 'host');
    expect(ends(own(41000).bytes).sourcePort).toBe(41000);
    const moved = ends(own(40000).bytes).sourcePort;
    expect(moved).not.toBe(40000);
    expect(packetOf(comes(UDP, udp(53, moved)).bytes)).toBe(wholePacket(frame(node().at.outside, edge.address, UDP, udp(53, 40000))));
    expect(ends(comes(UDP, udp(53, 40000)).bytes).destination.equals(node().at.a)).toBe(true);
  });

  it('lets the overlay’s own packets and what only passes through be', () => {
    edge.on();
    const overlay = frame(edge.address, node().at.outside, UDP, udp(40000, 8472));
    expect(node().toUplink(overlay, 'host')).toMatchObject(next);
    const through = frame(node().at.remote, node().at.outside, TCP, tcp(40000, 443, SYN));
    expect(ends(node().toUplink(through, 'remote').bytes).source.equals(node().at.remote)).toBe(true);
    expect(node().plane.rows('edge')).toHaveLength(0);
  });
});

const hex = (bytes: Buffer): string => bytes.toString('hex');
