import { describe, expect, it } from 'vitest';
import { ACK, checksum, FIN, frameBytes, HOST_MAC, icmp, icmpProtocol, packetBytes, POD_MAC, RST, sealed, SYN, TCP, tcp, UDP, udp, type Frame } from './frames.js';
import { FAST_LOCAL, podMac, SERVICES, type Party } from './node.js';
import { denied, passed, redirected, Talk, useDevices, useNode } from './scene.js';
import { type Backend, ServiceRows } from './service-rows.js';

const devices = useDevices('cpv');

describe.each([4, 6] as const)('IPv%i services', (family) => {
  const node = useNode(family, devices.ifindexes);
  const talk = new Talk(node);
  const services = new ServiceRows(node);
  const at = (party: Party, port = 8080): Backend => ({ address: node().at[party], port });
  const offer = (protocol: number, ...backends: Backend[]): void => services.put({ port: 80, protocol, backends });
  const frame = (source: Buffer, destination: Buffer, protocol: number, body: Buffer, more: Partial<Frame> = {}): Frame =>
    sealed({ source, destination, protocol, body, ...more });
  const asks = (protocol: number, body: Buffer): Frame => frame(node().at.a, services.address, protocol, body);
  /** Back into the pod that sent it, MACs turned round. */
  const returned = (answer: Frame): Buffer => {
    const bytes = frameBytes(answer);
    POD_MAC.copy(bytes, 0);
    HOST_MAC.copy(bytes, 6);
    if (family === 6) return bytes;
    bytes.writeUInt16BE(0, 18); // no identification, since not to be fragmented
    bytes.writeUInt16BE(0x4000, 20);
    bytes.writeUInt16BE(0, 24);
    bytes.writeUInt16BE(checksum(bytes.subarray(14, 34)), 24);
    return bytes;
  };
  const delivered = (pod: 'a' | 'b', sent: Frame): Buffer => {
    const bytes = frameBytes({ ...sent, ttl: 63 });
    podMac(pod).copy(bytes, 0);
    HOST_MAC.copy(bytes, 6);
    return bytes;
  };

  describe('without a backend', () => {
    const numbered = (body: Buffer, sequence: number, acknowledged: number): Buffer => {
      body.writeUInt32BE(sequence, 4);
      body.writeUInt32BE(acknowledged, 8);
      return body;
    };
    const resets: [string, Buffer, Buffer][] = [
      ['a request', numbered(tcp(40000, 80, SYN), 0xfffffffe, 0), numbered(tcp(80, 40000, RST | ACK), 0, 0xffffffff)],
      ['a request with data', numbered(tcp(40000, 80, SYN, 100), 0xfffffffe, 0), numbered(tcp(80, 40000, RST | ACK), 0, 99)],
      ['data', numbered(tcp(40000, 80, ACK, 1000), 5, 700), numbered(tcp(80, 40000, RST), 700, 0)],
      ['an end', numbered(tcp(40000, 80, FIN), 5, 0), numbered(tcp(80, 40000, RST | ACK), 0, 6)],
    ];

    it.each(resets)('reset %s at once', (_, sent, answer) => {
      node().configure(SERVICES);
      offer(TCP);
      const expected = returned(frame(services.address, node().at.a, TCP, answer));
      expect(node().fromPod('a', asks(TCP, sent))).toEqual({ verdict: 'redirect', reasons: ['DROP_NO_BACKEND'], bytes: expected });
    });

    it('never answer a reset', () => {
      node().configure(SERVICES);
      offer(TCP);
      expect(node().fromPod('a', asks(TCP, tcp(40000, 80, RST)))).toMatchObject(denied('DROP_NO_BACKEND'));
    });

    it('refuse datagrams of any length by ICMP, quoting them', () => {
      node().configure(SERVICES);
      offer(UDP);
      const [type, code] = family === 4 ? [3, 3] : [1, 4];
      for (const payload of [0, 1, 4, 100, 1300]) {
        const sent = asks(UDP, udp(40000, 80, payload));
        const packet = packetBytes(sent);
        const body = Buffer.concat([icmp(type, code).subarray(0, 8), packet.subarray(0, packet.length - payload)]);
        body.writeUInt32BE(0, 4);
        const expected = returned(frame(services.address, node().at.a, icmpProtocol(family), body));
        expect(node().fromPod('a', sent)).toEqual({ verdict: 'redirect', reasons: ['DROP_NO_BACKEND'], bytes: expected });
      }
    });

    it('reset a connection whose flow is not known, though there are backends', () => {
      node().configure(SERVICES);
      offer(TCP, at('b'));
      expect(node().fromPod('a', asks(TCP, tcp(40000, 80, ACK, 10)))).toMatchObject({ verdict: 'redirect', reasons: ['DROP_NAT_UNKNOWN'] });
      expect(node().plane.rows('nat')).toHaveLength(0);
    });

    it('refuse a UDP flow that loses its last backend, and serve it when one comes back', () => {
      node().configure(SERVICES);
      offer(UDP, at('b'));
      expect(node().fromPod('a', asks(UDP, udp(1, 80)))).toMatchObject(passed);
      offer(UDP);
      services.forget(at('b'));
      expect(node().fromPod('a', asks(UDP, udp(1, 80)))).toMatchObject({ verdict: 'redirect', reasons: ['DROP_NO_BACKEND'] });
      offer(UDP, at('b'));
      expect(node().fromPod('a', asks(UDP, udp(1, 80)))).toMatchObject(passed);
    });
  });

  it.each([TCP, UDP])('of a pod that is its own backend: each side talks to the service (protocol %i)', (protocol) => {
    node().configure(SERVICES);
    offer(protocol, at('a'));
    const { a } = node().at;
    for (const direction of ['ingress', 'egress'] as const) node().isolate('a', direction, [{ peer: a, protocol, port: 8080, id: 7n }]);
    const body = (from: number, to: number, flags: number): Buffer => (protocol === TCP ? tcp(from, to, flags, 10) : udp(from, to, 10));
    for (const flags of [SYN, ACK]) {
      const seen = delivered('a', frame(services.address, a, protocol, body(40000, 8080, flags)));
      expect(node().fromPod('a', asks(protocol, body(40000, 80, flags)))).toEqual({ ...redirected, bytes: seen });
      const answer = delivered('a', frame(services.address, a, protocol, body(80, 40000, flags | ACK)));
      expect(node().fromPod('a', frame(a, services.address, protocol, body(8080, 40000, flags | ACK)))).toEqual({ ...redirected, bytes: answer });
    }
    expect(node().fromPod('b', asks(protocol, body(40000, 80, ACK)))).toMatchObject(denied('DROP_SPOOFED'));
    expect(node().plane.flows('ct')).toHaveLength(0);
  });

  it.each([['egress', 'DROP_POLICY_EGRESS'], ['ingress', 'DROP_POLICY_INGRESS']] as const)('of a pod that is its own backend: its %s policy has a say, also once they talk', (direction, reason) => {
    node().configure(SERVICES);
    offer(TCP, at('a'));
    const ask = (flags: number): ReturnType<ReturnType<typeof node>['fromPod']> => node().fromPod('a', asks(TCP, tcp(40000, 80, flags, 10)));
    expect(ask(SYN)).toMatchObject(redirected);
    node().isolate('a', direction, []);
    expect(ask(ACK)).toMatchObject(denied(reason));
    node().isolate('a', direction, [{ peer: node().at.b, id: 7n }]);
    expect(ask(SYN)).toMatchObject(denied(reason));
  });

  describe('and ICMP errors', () => {
    const [type, code] = family === 4 ? [3, 1] : [1, 3];
    const error = (source: Buffer, destination: Buffer, quoted: Frame, cut: number): Frame => {
      const packet = packetBytes(quoted);
      return frame(source, destination, icmpProtocol(family), icmp(type, code, 0, packet.subarray(0, packet.length - quoted.body.length + cut)));
    };
    /** As the pod knows it; the transport checksum inside stays as it was. */
    const about = (source: Buffer, destination: Buffer, ports: readonly [number, number], sent: Frame): Frame => {
      const body = Buffer.from(sent.body);
      body.writeUInt16BE(ports[0], 0);
      body.writeUInt16BE(ports[1], 2);
      return { ...sent, source, destination, body };
    };

    it.each([8, 20])('show the pod the packet that it sent (%i bytes of it quoted)', (cut) => {
      node().configure(SERVICES);
      offer(TCP, at('b'));
      const { a, b, outside, host } = node().at;
      node().fromPod('a', asks(TCP, tcp(40000, 80, SYN)));
      const quoted = frame(a, b, TCP, tcp(40000, 8080, SYN));
      const known = about(a, services.address, [40000, 80], quoted);
      for (const [party, source, shown] of [['b', b, services.address], ['outside', outside, outside], ['host', host, host]] as const) {
        const outcome = node().toPod('a', error(source, a, quoted, cut), party);
        expect(outcome, party).toEqual({ ...passed, bytes: frameBytes(error(shown, a, known, cut)) });
      }
      expect(node().fromPod('b', error(b, a, quoted, cut))).toEqual({ ...passed, bytes: frameBytes(error(b, a, quoted, cut)) });
    });

    it('of the pod reach the backend and quote what that sent', () => {
      node().configure(SERVICES | FAST_LOCAL);
      offer(UDP, at('b'));
      const { a, b } = node().at;
      node().fromPod('a', asks(UDP, udp(40000, 80)));
      const quoted = frame(services.address, a, UDP, udp(80, 40000));
      const known = about(b, a, [8080, 40000], quoted);
      expect(node().fromPod('a', error(a, services.address, quoted, 8))).toEqual({ ...passed, bytes: frameBytes(error(a, b, known, 8)) });
      const other = frame(services.address, a, UDP, udp(80, 40001));
      expect(node().fromPod('a', error(a, services.address, other, 8))).toMatchObject(denied('DROP_ICMP_UNRELATED'));
    });
  });

  it('translate fragments with their first one, both ways', () => {
    node().configure(SERVICES);
    offer(UDP, at('b'));
    const { a, b } = node().at;
    const whole = (source: Buffer, destination: Buffer, ports: readonly [number, number]): Buffer => sealed({ source, destination, protocol: UDP, body: udp(...ports, 48) }).body;
    const pieces = (source: Buffer, destination: Buffer, body: Buffer): Frame[] => [
      { source, destination, protocol: UDP, body: body.subarray(0, 32), fragment: { offset: 0, more: true, id: 9 } },
      { source, destination, protocol: UDP, body: body.subarray(32), fragment: { offset: 32, more: false, id: 9 } },
    ];
    const seen = pieces(a, b, whole(a, b, [40000, 8080]));
    pieces(a, services.address, whole(a, services.address, [40000, 80])).forEach((piece, i) => {
      expect(node().fromPod('a', piece)).toEqual({ ...passed, bytes: frameBytes(seen[i]!) });
    });
    const restored = pieces(services.address, a, whole(services.address, a, [80, 40000]));
    pieces(b, a, whole(b, a, [8080, 40000])).forEach((piece, i) => {
      expect(node().toPod('a', piece, 'b')).toEqual({ ...passed, bytes: frameBytes(restored[i]!) });
    });
  });

  it('leave a packet alone that is no service’s, and pings of its address', () => {
    node().configure(SERVICES);
    offer(TCP, at('b'));
    for (const sent of [talk.syn('a', 'b'), asks(TCP, tcp(1, 81, SYN)), asks(UDP, udp(1, 80)), asks(icmpProtocol(family), icmp(family === 4 ? 8 : 128, 0, 80))]) {
      expect(node().fromPod('a', sent)).toEqual({ ...passed, bytes: frameBytes(sent) });
    }
    expect(node().plane.rows('nat')).toHaveLength(0);
  });

  it('translate big packets that are cut later', () => {
    node().configure(SERVICES | FAST_LOCAL);
    offer(TCP, at('b'));
    const { a, b } = node().at;
    node().fromPod('a', asks(TCP, tcp(40000, 80, SYN)));
    const outcome = node().fromPod('a', asks(TCP, tcp(40000, 80, ACK, 3000)), { gsoSize: 1300 });
    expect(outcome).toEqual({ ...redirected, bytes: delivered('b', frame(a, b, TCP, tcp(40000, 8080, ACK, 3000))) });
  });
});
