import { describe, expect, it } from 'vitest';
import { CanalFrontFlags } from '../../agent/kernel/abi.generated.js';
import { Edge, ends, packetOf, quotedEnds, wholePacket, type Front } from './edge-scene.js';
import { ACK, FIN, type Frame, frameBytes, icmp, icmpProtocol, packetBytes, RST, SCTP, sealed, SYN, TCP, tcp, UDP, udp } from './frames.js';
import { FAST_LOCAL, FAST_OVERLAY, MASQUERADE, SERVICES, type Party } from './node.js';
import { denied, passed, redirected, useDevices, useNode } from './scene.js';
import type { Backend } from './service-rows.js';

const devices = useDevices('cpn');
const PORT = 30080;

describe.each([4, 6] as const)('IPv%i services from outside', (family) => {
  const node = useNode(family, devices.ifindexes);
  const edge = new Edge(node);
  const next = { verdict: 'next', reasons: [] } as const;
  const at = (party: Party, port = 8080): Backend => ({ address: node().at[party], port });
  const frame = (source: Buffer, destination: Buffer, protocol: number, body: Buffer, more: Partial<Frame> = {}): Frame => sealed({ source, destination, protocol, body, ...more });
  const offer = (protocol: number, backends: readonly Backend[], more: Partial<Front> = {}): void => edge.front({ port: PORT, protocol, scope: 'outside', backends, ...more });
  type Out = ReturnType<ReturnType<typeof node>['fromUplink']>;
  const asks = (protocol: number, body: Buffer, more: Partial<Frame> = {}): Out => node().fromUplink(frameBytes(frame(node().at.outside, edge.address, protocol, body, more)));
  const answers = (protocol: number, body: Buffer): Out => node().toUplink(frame(node().at.a, node().at.outside, protocol, body), 'a');
  const hex = (bytes: Buffer): string => bytes.toString('hex');

  it.each([['TCP', TCP, tcp(40000, PORT, SYN), tcp(40000, 8080, SYN), tcp(8080, 40000, SYN | ACK), tcp(PORT, 40000, SYN | ACK)], ['UDP', UDP, udp(40000, PORT), udp(40000, 8080), udp(8080, 40000), udp(PORT, 40000)]] as const)(
    'reach a pod here under the client’s own address, and the answer is the service’s (%s)',
    (_, protocol, sent, got, answered, seen) => {
      edge.on();
      offer(protocol, [at('a')]);
      const into = asks(protocol, sent);
      expect(into).toMatchObject(redirected);
      expect(packetOf(into.bytes)).toBe(wholePacket(frame(node().at.outside, node().at.a, protocol, got, { ttl: 63 })));
      expect(node().fromPod('a', frame(node().at.a, node().at.outside, protocol, answered))).toMatchObject(passed);
      expect(packetOf(answers(protocol, answered).bytes)).toBe(wholePacket(frame(edge.address, node().at.outside, protocol, seen)));
      expect(asks(protocol, protocol === TCP ? tcp(40000, PORT, ACK, 9) : sent)).toMatchObject(redirected);
    },
  );

  it('reach another node’s pod under this node’s overlay address, and come back through it', () => {
    edge.on(SERVICES | FAST_LOCAL | FAST_OVERLAY);
    node().routeRemote();
    offer(TCP, [at('remote')]);
    const out = asks(TCP, tcp(40000, PORT, SYN));
    expect(out).toMatchObject(redirected);
    expect(packetOf(out.bytes)).toBe(wholePacket(frame(edge.overlayAddress, node().at.remote, TCP, tcp(40000, 8080, SYN), { ttl: 63 })));
    // This namespace has no route to the client: what is translated stays here.
    const back = node().fromOverlay(frame(node().at.remote, edge.overlayAddress, TCP, tcp(8080, 40000, SYN | ACK)));
    expect(back).toMatchObject(denied('DROP_REDIRECT_FAILED'));
    expect(packetOf(back.bytes)).toBe(wholePacket(frame(edge.address, node().at.outside, TCP, tcp(PORT, 40000, SYN | ACK))));
  });

  it('choose another source port where two clients have the same', () => {
    edge.on(SERVICES | FAST_OVERLAY);
    node().routeRemote();
    offer(TCP, [at('remote')]);
    const other = Buffer.from(node().at.outside);
    other[other.length - 1] = 0x77;
    const first = ends(asks(TCP, tcp(40000, PORT, SYN)).bytes);
    const second = ends(node().fromUplink(frameBytes(frame(other, edge.address, TCP, tcp(40000, PORT, SYN)))).bytes);
    expect([first.sourcePort, first.source.equals(second.source)]).toEqual([40000, true]);
    expect(second.sourcePort).not.toBe(40000);
    const back = node().fromOverlay(frame(node().at.remote, edge.overlayAddress, TCP, tcp(8080, second.sourcePort, SYN | ACK)));
    expect(ends(back.bytes)).toMatchObject({ sourcePort: PORT, destinationPort: 40000 });
    expect(ends(back.bytes).destination.equals(other)).toBe(true);
  });

  it('carry SCTP to another node under other ports and back, each packet with its CRC', () => {
    edge.on(SERVICES | FAST_OVERLAY);
    node().routeRemote();
    offer(SCTP, [at('remote')]);
    const other = Buffer.from(node().at.outside);
    other[other.length - 1] = 0x77;
    for (const client of [node().at.outside, other]) {
      const asked = node().fromUplink(frameBytes(frame(client, edge.address, SCTP, udp(40000, PORT, 20))));
      expect(asked).toMatchObject(redirected);
      const out = asked.bytes;
      const { sourcePort } = ends(out);
      expect(packetOf(out)).toBe(wholePacket(frame(edge.overlayAddress, node().at.remote, SCTP, udp(sourcePort, 8080, 20), { ttl: 63 })));
      const back = node().fromOverlay(frame(node().at.remote, edge.overlayAddress, SCTP, udp(8080, sourcePort, 101)));
      expect(packetOf(back.bytes)).toBe(wholePacket(frame(edge.address, client, SCTP, udp(PORT, 40000, 101))));
    }
    expect(new Set(node().plane.rows('edge').map(({ key }) => key.toString('hex'))).size).toBe(4);
  });

  it('reach the node itself, whose answers are translated too', () => {
    edge.on();
    offer(TCP, [{ address: edge.address, port: 6443 }]);
    const into = asks(TCP, tcp(40000, PORT, SYN));
    expect(into).toMatchObject(next);
    expect(packetOf(into.bytes)).toBe(wholePacket(frame(node().at.outside, edge.address, TCP, tcp(40000, 6443, SYN))));
    const back = node().toUplink(frame(edge.address, node().at.outside, TCP, tcp(6443, 40000, SYN | ACK)), 'host');
    expect(packetOf(back.bytes)).toBe(wholePacket(frame(edge.address, node().at.outside, TCP, tcp(PORT, 40000, SYN | ACK))));
  });

  it('are those of their own address only, where that has a row', () => {
    edge.on();
    const external = Buffer.from(node().at.outside);
    external[external.length - 1] = 0x55;
    edge.front({ port: 80, protocol: TCP, scope: 'outside', address: external, backends: [at('a')] });
    expect(node().fromUplink(frameBytes(frame(node().at.outside, external, TCP, tcp(40000, 80, SYN))))).toMatchObject(redirected);
    expect(asks(TCP, tcp(40000, 80, SYN))).toMatchObject(next);
    offer(TCP, [at('a')]);
    // A row of the node's own addresses is not for others.
    expect(node().fromUplink(frameBytes(frame(node().at.outside, external, TCP, tcp(40000, PORT, SYN))))).toMatchObject(next);
    expect(node().fromUplink(frameBytes(frame(node().at.outside, node().at.a, TCP, tcp(40000, PORT, SYN))))).toMatchObject(next);
  });

  it('without a backend are refused at once, out of where they came in, or met with silence', () => {
    edge.on();
    offer(TCP, []);
    offer(UDP, []);
    const reset = asks(TCP, tcp(40000, PORT, SYN));
    expect(reset).toMatchObject({ verdict: 'redirect', reasons: ['DROP_NO_BACKEND'] });
    expect(ends(reset.bytes)).toMatchObject({ sourcePort: PORT, destinationPort: 40000 });
    expect(reset.bytes[(family === 4 ? 34 : 54) + 13]).toBe(RST | ACK);
    expect(asks(UDP, udp(40000, PORT))).toMatchObject({ verdict: 'redirect', reasons: ['DROP_NO_BACKEND'] });
    offer(TCP, [], { flags: CanalFrontFlags.FRONT_DROP_EMPTY });
    expect(asks(TCP, tcp(40000, PORT, SYN))).toMatchObject(denied('DROP_NO_BACKEND'));
  });

  it('with source ranges are for clients in them, from pods as from outside', () => {
    edge.on();
    const flags = CanalFrontFlags.FRONT_SOURCE_RANGES;
    offer(TCP, [at('a')], { flags });
    edge.front({ port: PORT, protocol: TCP, scope: 'inside', backends: [at('a')], flags });
    const fromB = frame(node().at.b, edge.address, TCP, tcp(40000, PORT, SYN));
    expect(asks(TCP, tcp(40000, PORT, SYN))).toMatchObject(denied('DROP_SOURCE_RANGE'));
    expect(node().fromPod('b', fromB)).toMatchObject(denied('DROP_SOURCE_RANGE'));
    edge.allow(node().at.outside, family === 4 ? 24 : 64);
    expect(asks(TCP, tcp(40000, PORT, SYN))).toMatchObject(redirected);
    expect(node().fromPod('b', fromB)).toMatchObject(denied('DROP_SOURCE_RANGE'));
    edge.allow(node().at.b, family === 4 ? 32 : 128);
    expect(node().fromPod('b', fromB)).toMatchObject(redirected);
  });

  it('are judged by policy as the backend’s, from the client', () => {
    edge.on();
    offer(TCP, [at('a')]);
    node().isolate('a', 'ingress', [{ peer: node().at.outside, protocol: TCP, port: PORT, id: 7n }]);
    expect(asks(TCP, tcp(40000, PORT, SYN))).toMatchObject(denied('DROP_POLICY_INGRESS'));
    node().isolate('a', 'ingress', [{ peer: node().at.outside, protocol: TCP, port: 8080, id: 7n }]);
    expect(asks(TCP, tcp(40000, PORT, SYN))).toMatchObject(redirected);
  });

  it('do not come from a pod’s address', () => {
    edge.on();
    offer(TCP, [at('a')]);
    expect(node().fromUplink(frameBytes(frame(node().at.b, edge.address, TCP, tcp(40000, PORT, SYN))))).toMatchObject(denied('DROP_SPOOFED'));
  });

  it('keep connections to a backend that is removed; datagrams and new requests move on', () => {
    edge.on();
    for (const protocol of [TCP, UDP]) offer(protocol, [at('a')]);
    asks(TCP, tcp(40000, PORT, SYN));
    asks(UDP, udp(40000, PORT));
    for (const protocol of [TCP, UDP]) offer(protocol, [at('b')]);
    edge.forget(at('a'));
    expect(ends(asks(TCP, tcp(40000, PORT, ACK)).bytes).destination.equals(node().at.a)).toBe(true);
    expect(ends(asks(UDP, udp(40000, PORT)).bytes).destination.equals(node().at.b)).toBe(true);
    expect(ends(asks(TCP, tcp(40001, PORT, SYN)).bytes).destination.equals(node().at.b)).toBe(true);
  });

  it('whose answers’ row has gone, as the least recently used do, get it again; and another port where that is somebody else’s by now', () => {
    edge.on(SERVICES | FAST_OVERLAY);
    node().routeRemote();
    offer(UDP, [at('remote')]);
    const { sourcePort } = ends(asks(UDP, udp(40000, PORT)).bytes);
    const answersRow = (): Buffer => node().plane.rows('edge').find(({ key }) => key.subarray(0, node().at.a.length).equals(node().at.remote))!.key;
    node().plane.delete('edge', answersRow());
    const other = Buffer.from(node().at.outside);
    other[other.length - 1] = 0x77;
    expect(ends(asks(UDP, udp(40000, PORT)).bytes).sourcePort).toBe(sourcePort);
    expect(ends(node().fromOverlay(frame(node().at.remote, edge.overlayAddress, UDP, udp(8080, sourcePort))).bytes).destinationPort).toBe(40000);
    node().plane.delete('edge', answersRow());
    expect(ends(node().fromUplink(frameBytes(frame(other, edge.address, UDP, udp(40000, PORT)))).bytes).sourcePort).toBe(sourcePort);
    expect(ends(asks(UDP, udp(40000, PORT)).bytes).sourcePort).not.toBe(sourcePort);
    expect(node().plane.rows('edge')).toHaveLength(4);
  });

  it('begin anew from a port whose connection is over', () => {
    edge.on();
    offer(TCP, [at('a')]);
    asks(TCP, tcp(40000, PORT, SYN));
    answers(TCP, tcp(8080, 40000, FIN | ACK));
    asks(TCP, tcp(40000, PORT, FIN | ACK));
    edge.age(70);
    const again = asks(TCP, tcp(40000, PORT, SYN));
    expect(ends(again.bytes)).toMatchObject({ sourcePort: 40000, destinationPort: 8080 });
    expect(node().plane.rows('edge')).toHaveLength(2);
  });

  it('by two services to one backend from one port of a client are told apart', () => {
    edge.on();
    offer(TCP, [at('a')]);
    edge.front({ port: PORT + 1, protocol: TCP, scope: 'outside', backends: [at('a')] });
    expect(ends(asks(TCP, tcp(40000, PORT, SYN)).bytes).sourcePort).toBe(40000);
    const moved = ends(asks(TCP, tcp(40000, PORT + 1, SYN)).bytes).sourcePort;
    expect(moved).not.toBe(40000);
    expect(ends(answers(TCP, tcp(8080, moved, SYN | ACK)).bytes)).toMatchObject({ sourcePort: PORT + 1, destinationPort: 40000 });
    expect(ends(answers(TCP, tcp(8080, 40000, SYN | ACK)).bytes)).toMatchObject({ sourcePort: PORT, destinationPort: 40000 });
  });

  it('spread by a hash of the ends go the same way on every node', () => {
    edge.on();
    const backends = Array.from({ length: 7 }, (_, i) => at(i % 2 ? 'a' : 'b', 8000 + i));
    offer(UDP, backends, { flags: CanalFrontFlags.FRONT_HASH });
    const choose = (): number[] => Array.from({ length: 60 }, (_, i) => ends(asks(UDP, udp(41000 + i, PORT)).bytes).destinationPort);
    const first = choose();
    for (const { key } of node().plane.rows('edge')) node().plane.delete('edge', key);
    expect(choose()).toEqual(first);
    expect(new Set(first).size).toBe(7);
  });

  it('too large for the way to another node are told so', () => {
    edge.on(SERVICES | FAST_OVERLAY);
    node().routeRemote();
    offer(UDP, [at('remote')]);
    const big = frame(node().at.outside, edge.address, UDP, udp(40000, PORT, 1440));
    const sent = frameBytes(big);
    if (family === 4) {
      sent.writeUInt16BE(0x4000, 20); // do not fragment
      sent.writeUInt16BE(sent.readUInt16BE(24) - 0x4000, 24);
    }
    const told = node().fromUplink(sent);
    expect(told).toMatchObject(redirected);
    const error = told.bytes.subarray(family === 4 ? 34 : 54);
    expect([error[0], error[1], error.readUInt16BE(6)]).toEqual(family === 4 ? [3, 4, 1450] : [2, 0, 1450]);
    expect(ends(told.bytes).destination.equals(node().at.outside)).toBe(true);
    if (family === 4) expect(node().fromUplink(frameBytes(big)).reasons).toEqual(['DROP_REDIRECT_FAILED']); // by the device, whose route is not here
  });

  it('have ICMP errors translated both ways', () => {
    edge.on();
    offer(UDP, [at('a')]);
    asks(UDP, udp(40000, PORT));
    const type = family === 4 ? 3 : 1;
    const error = (about: Frame): Buffer => icmp(type, 4, 0, packetBytes(about).subarray(0, (family === 4 ? 20 : 40) + 8));
    const icmpProto = icmpProtocol(family);
    const refusal = node().toUplink(frame(node().at.a, node().at.outside, icmpProto, error(frame(node().at.outside, node().at.a, UDP, udp(40000, 8080)))), 'a');
    expect(quotedEnds(refusal.bytes, family)).toEqual({ outer: [edge.address, node().at.outside].map(hex), source: hex(node().at.outside), destination: hex(edge.address), ports: [40000, PORT] });
    const complaint = node().fromUplink(frameBytes(frame(node().at.outside, edge.address, icmpProto, error(frame(edge.address, node().at.outside, UDP, udp(PORT, 40000))))));
    expect(complaint).toMatchObject(next);
    expect(quotedEnds(complaint.bytes, family)).toEqual({ outer: [node().at.outside, node().at.a].map(hex), source: hex(node().at.a), destination: hex(node().at.outside), ports: [8080, 40000] });
  });

  it('from pods of this node are services of any of the node’s addresses', () => {
    edge.on();
    edge.front({ port: PORT, protocol: TCP, scope: 'inside', backends: [at('b')] });
    for (const own of [edge.address, edge.overlayAddress]) {
      const into = node().fromPod('a', frame(node().at.a, own, TCP, tcp(40000, PORT, SYN)));
      expect(into).toMatchObject(redirected);
      expect(ends(into.bytes)).toMatchObject({ destinationPort: 8080 });
    }
    const loopback = Buffer.from(family === 4 ? '7f000001' : '00000000000000000000000000000001', 'hex');
    expect(ends(node().fromPod('a', frame(node().at.a, loopback, TCP, tcp(40001, PORT, SYN))).bytes).destinationPort).toBe(PORT);
  });

  it('are none while services are off', () => {
    edge.on(MASQUERADE | FAST_LOCAL);
    offer(TCP, [at('a')]);
    expect(asks(TCP, tcp(40000, PORT, SYN))).toMatchObject(next);
    expect(node().plane.rows('edge')).toHaveLength(0);
  });
});
