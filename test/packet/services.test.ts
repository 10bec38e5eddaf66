import { describe, expect, it } from 'vitest';
import { CanalFrontFlags } from '../../agent/kernel/abi.generated.js';
import { ACK, frameBytes, HOST_MAC, RST, SCTP, sealed, SYN, TCP, tcp, UDP, udp, type Frame } from './frames.js';
import { FAST_LOCAL, FAST_OVERLAY, podMac, SERVICES, VXLAN_PORT, type Party } from './node.js';
import { denied, passed, redirected, useDevices, useNode } from './scene.js';
import { type Backend, ServiceRows } from './service-rows.js';

const devices = useDevices('cps');

describe.each([4, 6] as const)('IPv%i services', (family) => {
  const node = useNode(family, devices.ifindexes);
  const services = new ServiceRows(node);
  const at = (party: Party, port = 8080): Backend => ({ address: node().at[party], port });
  const offer = (protocol: number, ...backends: Backend[]): void => services.put({ port: 80, protocol, backends });

  const frame = (source: Buffer, destination: Buffer, protocol: number, body: Buffer, more: Partial<Frame> = {}): Frame =>
    sealed({ source, destination, protocol, body, ...more });
  /** Pod a asks the service, and how its backend sees that. */
  const asks = (protocol: number, body: Buffer, more: Partial<Frame> = {}): Frame => frame(node().at.a, services.address, protocol, body, more);
  const syn = (port = 40000): Frame => asks(TCP, tcp(port, 80, SYN));
  const datagram = (port = 40000): Frame => asks(UDP, udp(port, 80));
  /** As it leaves into a pod of this node. */
  const delivered = (pod: 'a' | 'b', sent: Frame): Buffer => {
    const bytes = frameBytes({ ...sent, ttl: 63 });
    podMac(pod).copy(bytes, 0);
    HOST_MAC.copy(bytes, 6);
    return bytes;
  };
  const chosen = (sent: Frame): Buffer => {
    const { bytes } = node().fromPod('a', sent);
    return family === 4 ? bytes.subarray(30, 34) : bytes.subarray(38, 54);
  };

  it('are left alone while they are switched off', () => {
    offer(TCP, at('b'));
    expect(node().fromPod('a', syn())).toEqual({ ...passed, bytes: frameBytes(syn()) });
  });

  it('send a request to a backend of this node, and its answer comes from the service', () => {
    node().configure(SERVICES | FAST_LOCAL);
    const { a, b } = node().at;
    for (const [protocol, ask, answer] of [
      [TCP, tcp(40000, 80, SYN), tcp(8080, 40000, SYN | ACK)],
      [UDP, udp(40000, 80, 30), udp(8080, 40000, 50)],
    ] as const) {
      offer(protocol, at('b'));
      const translated = Buffer.from(ask);
      translated.writeUInt16BE(8080, 2);
      expect(node().fromPod('a', asks(protocol, ask))).toEqual({ ...redirected, bytes: delivered('b', frame(a, b, protocol, translated)) });
      const restored = Buffer.from(answer);
      restored.writeUInt16BE(80, 0);
      const expected = delivered('a', frame(services.address, a, protocol, restored));
      expect(node().fromPod('b', frame(b, a, protocol, answer))).toEqual({ ...redirected, bytes: expected });
    }
    expect(node().plane.flows('ct')).toHaveLength(2);
  });

  it('leave a UDP checksum of zero as none', () => {
    node().configure(SERVICES | FAST_LOCAL);
    offer(UDP, at('b'));
    const unsealed = { source: node().at.a, destination: services.address, protocol: UDP, body: udp(40000, 80) };
    if (family === 6) return; // IPv6 has no such
    expect(node().fromPod('a', unsealed).bytes).toEqual(delivered('b', { ...unsealed, destination: node().at.b, body: udp(40000, 8080) }));
  });

  it('work the same where the host stack forwards', () => {
    node().configure(SERVICES);
    offer(TCP, at('b'));
    const { a, b } = node().at;
    const request = frame(a, b, TCP, tcp(40000, 8080, SYN));
    const answer = frame(b, a, TCP, tcp(8080, 40000, SYN | ACK));
    expect(node().fromPod('a', syn())).toEqual({ ...passed, bytes: frameBytes(request) });
    expect(node().toPod('b', request, 'a')).toEqual({ ...passed, bytes: frameBytes(request) });
    expect(node().fromPod('b', answer)).toEqual({ ...passed, bytes: frameBytes(answer) });
    const restored = frame(services.address, a, TCP, tcp(80, 40000, SYN | ACK));
    expect(node().toPod('a', answer, 'b')).toEqual({ ...passed, bytes: frameBytes(restored) });
  });

  it('reach backends of other nodes over the overlay, and outside of the cluster', () => {
    node().configure(SERVICES | FAST_OVERLAY);
    node().routeRemote();
    offer(TCP, at('remote'));
    const { a, remote, outside } = node().at;
    const restored = (peer: Buffer): Frame => frame(peer, a, TCP, tcp(80, 40000, SYN | ACK));
    expect(node().fromPod('a', syn())).toEqual({ ...redirected, bytes: frameBytes(frame(a, remote, TCP, tcp(40000, 8080, SYN), { ttl: 63 })) });
    const answer = frame(remote, a, TCP, tcp(8080, 40000, SYN | ACK));
    expect(node().fromOverlay(answer)).toEqual({ ...redirected, bytes: delivered('a', restored(services.address)) });
    services.forgetFlows();
    offer(TCP, at('outside'));
    expect(node().fromPod('a', syn())).toEqual({ ...passed, bytes: frameBytes(frame(a, outside, TCP, tcp(40000, 8080, SYN))) });
    const away = frame(outside, a, TCP, tcp(8080, 40000, SYN | ACK));
    expect(node().toPod('a', away, 'outside')).toEqual({ ...passed, bytes: frameBytes(restored(services.address)) });
  });

  it('are judged by the backend’s address and port at both ends', () => {
    node().configure(SERVICES);
    offer(TCP, at('b'));
    node().isolate('a', 'egress', [{ peer: services.address, id: 1n }, { protocol: TCP, port: 80, id: 2n }]);
    expect(node().fromPod('a', syn())).toMatchObject(denied('DROP_POLICY_EGRESS'));
    node().isolate('a', 'egress', [{ peer: node().at.b, protocol: TCP, port: 8080, id: 3n }]);
    expect(node().fromPod('a', syn())).toMatchObject(passed);
    node().isolate('b', 'ingress', [{ peer: node().at.a, protocol: TCP, port: 80, id: 4n }]);
    expect(node().fromPod('a', syn())).toMatchObject(denied('DROP_POLICY_INGRESS'));
    node().isolate('b', 'ingress', [{ peer: node().at.a, protocol: TCP, port: 8080, id: 5n }]);
    expect(node().fromPod('a', syn())).toMatchObject(passed);
    expect(node().plane.flows('ctnew')).toMatchObject([{ ruleEgress: 3n, ruleIngress: 5n }]);
  });

  it('do not answer to who is not the sender, and hide no tunnel', () => {
    node().configure(SERVICES);
    offer(TCP, at('b'));
    expect(node().fromPod('b', syn())).toMatchObject(denied('DROP_SPOOFED'));
    expect(node().plane.rows('nat')).toHaveLength(0);
    node().fromPod('a', syn());
    expect(node().fromPod('b', syn())).toMatchObject(denied('DROP_SPOOFED'));
    offer(UDP, at('remote', VXLAN_PORT));
    expect(node().fromPod('a', datagram())).toMatchObject(denied('DROP_TUNNEL'));
  });

  it('spread flows over the backends, and keep each where it is', () => {
    node().configure(SERVICES);
    offer(UDP, at('b'), at('remote'), at('outside'));
    const counts = new Map<string, number>();
    for (let port = 1; port <= 600; port++) {
      const first = chosen(datagram(port));
      expect(chosen(datagram(port))).toEqual(first);
      counts.set(first.toString('hex'), (counts.get(first.toString('hex')) ?? 0) + 1);
    }
    expect(counts.size).toBe(3);
    for (const count of counts.values()) expect(count).toBeGreaterThan(130); // 200 expected, deviation 12
  });

  it('keep a client at one backend where affinity is asked for, until it has been away or the backend is gone', () => {
    node().configure(SERVICES);
    const backends = [at('b'), at('remote'), at('outside'), at('host')];
    const put = (list: readonly Backend[]): void => services.put({ port: 80, protocol: TCP, backends: list, affinityS: 100 });
    const places = (base: number): Set<string> => new Set(Array.from({ length: 30 }, (_, i) => chosen(syn(base + i)).toString('hex')));
    put(backends);
    const [first] = places(1000);
    expect(places(1000).size).toBe(1);
    services.age('affin', 99);
    expect(places(2000)).toEqual(new Set([first]));
    const rest = backends.filter(({ address }) => address.toString('hex') !== first);
    put(rest);
    expect(places(3000)).toEqual(new Set([first])); // live until the last write of the removal
    services.forget(backends.find((backend) => !rest.includes(backend))!);
    const [second] = places(4000);
    expect(second).not.toBe(first);
    const seen = new Set<string>();
    for (let round = 0; round < 40; round++) {
      services.age('affin', 101);
      seen.add(chosen(syn(5000 + round)).toString('hex'));
    }
    expect(seen.size).toBe(3);
  });

  it('drain TCP and move UDP when a backend is removed', () => {
    node().configure(SERVICES);
    const { b, remote } = node().at;
    for (const protocol of [TCP, UDP]) {
      services.put({ port: 80, protocol, backends: [at('b')] });
      expect(chosen(protocol === TCP ? syn() : datagram())).toEqual(b);
    }
    for (const protocol of [TCP, UDP]) services.put({ port: 80, protocol, backends: [at('remote')] });
    services.forget(at('b'));
    expect(chosen(datagram())).toEqual(remote);
    expect(chosen(asks(TCP, tcp(40000, 80, ACK, 20)))).toEqual(b);
    expect(chosen(syn())).toEqual(remote); // a new connection from the same port
    expect(chosen(asks(TCP, tcp(40000, 80, ACK, 20)))).toEqual(remote);
  });

  it('take the request’s repetition where the first went, and a later one from the same port anywhere', () => {
    node().configure(SERVICES);
    offer(TCP, at('b'), at('remote'), at('outside'));
    const first = chosen(syn());
    for (let i = 0; i < 20; i++) expect(chosen(syn())).toEqual(first);
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      services.age('nat', 61);
      seen.add(chosen(syn()).toString('hex'));
    }
    expect(seen.size).toBe(3);
  });

  it('take slot 0 where a slot is not there, between two writes of a removal', () => {
    node().configure(SERVICES);
    services.put({ port: 80, protocol: UDP, backends: [at('b')], missing: 5 });
    for (let port = 1; port < 30; port++) expect(chosen(datagram(port))).toEqual(node().at.b);
  });

  it('move a UDP flow that nobody answered before the service was there', () => {
    node().configure(SERVICES);
    expect(chosen(datagram())).toEqual(services.address);
    offer(UDP, at('b'));
    expect(chosen(datagram())).toEqual(node().at.b);
  });

  it('translate answers whose row has gone, as the least recently used do, once the client has asked again', () => {
    node().configure(SERVICES | FAST_LOCAL);
    offer(UDP, at('b'));
    const { a, b } = node().at;
    const answer = frame(b, a, UDP, udp(8080, 40000));
    const translated = delivered('a', frame(services.address, a, UDP, udp(80, 40000)));
    node().fromPod('a', datagram());
    expect(node().fromPod('b', answer).bytes).toEqual(translated);
    const way = 2 * a.length + 5; // of canal_nat_key
    node().plane.delete('nat', node().plane.rows('nat').find(({ key }) => key[way] === 1)!.key);
    expect(node().fromPod('b', answer).bytes).not.toEqual(translated);
    node().fromPod('a', datagram());
    expect(node().fromPod('b', answer).bytes).toEqual(translated);
  });

  it('translate the answers of a flow that was there before, from the same port to the backend itself', () => {
    node().configure(SERVICES | FAST_LOCAL);
    offer(UDP, at('b'));
    const { a, b } = node().at;
    const answer = frame(b, a, UDP, udp(8080, 40000));
    node().fromPod('a', frame(a, b, UDP, udp(40000, 8080)));
    expect(node().fromPod('b', answer).bytes).toEqual(delivered('a', answer));
    node().fromPod('a', datagram());
    expect(node().fromPod('b', answer).bytes).toEqual(delivered('a', frame(services.address, a, UDP, udp(80, 40000))));
  });

  it('carry SCTP under another port too, whose CRC covers it, but no fragments of it, whose length nobody knows', () => {
    node().configure(SERVICES);
    const init = (port: number, size: number): Buffer => udp(40000, port, size); // chunk type 0 at 12
    for (const [port, size] of [[80, 20], [81, 20], [443, 1201]] as const) {
      services.forgetFlows();
      offer(SCTP, at('b', port));
      expect(node().fromPod('a', asks(SCTP, init(80, size)))).toEqual({ ...passed, bytes: frameBytes(sealed(frame(node().at.a, node().at.b, SCTP, init(port, size)))) });
    }
    services.forgetFlows();
    const { body } = asks(SCTP, init(80, 20));
    const unfinished = Buffer.from(body);
    unfinished.writeUInt32LE(0, 8); // the device adds it
    expect(node().fromPod('a', { ...asks(SCTP, body), body: unfinished }).bytes.readUInt32LE((node().family === 4 ? 34 : 54) + 8)).toBe(0);
    services.forgetFlows();
    expect(node().fromPod('a', { ...asks(SCTP, init(80, 20)), fragment: { offset: 0, more: true, id: 3 } })).toMatchObject(denied('DROP_NAT_FAILED'));
  });

  it('drop without a word where a policy of the service says so', () => {
    node().configure(SERVICES);
    services.put({ port: 80, protocol: TCP, backends: [], flags: CanalFrontFlags.FRONT_DROP_EMPTY });
    expect(node().fromPod('a', syn())).toMatchObject(denied('DROP_NO_BACKEND'));
    expect(node().fromPod('a', asks(TCP, tcp(40000, 80, RST)))).toMatchObject(denied('DROP_NO_BACKEND'));
  });
});
