import { describe, expect, it } from 'vitest';
import { CanalConfigFlags as Config, CanalEventKind as Kind, CanalNexthopKind } from '../../agent/kernel/abi.generated.js';
import { ACK, checksum, frameBytes, HOST_MAC, SYN, TCP, tcp, UDP, udp, type Frame } from './frames.js';
import { FAST_LOCAL, FAST_OVERLAY, podMac } from './node.js';
import { denied, passed, redirected, Talk, useDevices, useNode } from './scene.js';

const devices = useDevices('cpw');

describe.each([4, 6] as const)('IPv%i forwarding', (family) => {
  const node = useNode(family, devices.ifindexes);
  const talk = new Talk(node);
  const header = family === 4 ? 20 : 40;

  it('delivers to a pod of this node with its MAC and one hop less', () => {
    node().configure(FAST_LOCAL);
    const frame = talk.syn('a', 'b');
    const outcome = node().fromPod('a', frame);
    expect(outcome).toMatchObject(redirected);
    const expected = frameBytes({ ...frame, ttl: 63 });
    podMac('b').copy(expected, 0);
    HOST_MAC.copy(expected, 6);
    expect(outcome.bytes).toEqual(expected);
    if (family === 4) expect(checksum(outcome.bytes.subarray(14, 34))).toBe(0);
  });

  it.each([1, 2, 64, 128, 255])('keeps the checksum right at TTL %i', (ttl) => {
    node().configure(FAST_LOCAL);
    const { verdict, bytes } = node().fromPod('a', talk.syn('a', 'b', { ttl }));
    expect(verdict).toBe(ttl === 1 ? 'pass' : 'redirect');
    if (family === 4) expect(checksum(bytes.subarray(14, 34))).toBe(0);
  });

  // What the stack must answer or cut itself leaves as it came.
  const forTheStack: [string, Partial<Frame>, Buffer, number][] = [
    ['an expired hop limit', { ttl: 1 }, tcp(40000, 80, SYN), 0],
    ['a packet longer than the path', {}, tcp(40000, 80, ACK, 1450), 0],
    ['segments longer than the path', {}, tcp(40000, 80, ACK, 3000), 1450 - header - 19],
    ['options', family === 4 ? { options: Buffer.from([1, 1, 1, 0]) } : { options: Buffer.from([6, 0, 1, 4, 0, 0, 0, 0]), firstHeader: 60 }, tcp(40000, 80, SYN), 0],
  ];
  it.each(forTheStack)('leaves %s to the host stack', (_, more, body, gsoSize) => {
    node().configure(FAST_LOCAL | FAST_OVERLAY);
    node().routeRemote();
    for (const destination of ['b', 'remote'] as const) {
      const frame = talk.frame('a', destination, TCP, body, more);
      const outcome = node().fromPod('a', frame, { gsoSize });
      expect(outcome).toMatchObject(passed);
      expect(outcome.bytes).toEqual(frameBytes(frame));
    }
  });

  it('takes big packets whose segments fit', () => {
    node().configure(FAST_LOCAL);
    expect(node().fromPod('a', talk.frame('a', 'b', TCP, tcp(40000, 80, ACK, 3000)), { gsoSize: 1450 - header - 20 })).toMatchObject(redirected);
  });

  it('sends to other nodes by the overlay’s route, with one hop less and nothing else changed', () => {
    node().configure(FAST_OVERLAY);
    expect(node().fromPod('a', talk.syn('a', 'remote'))).toMatchObject(passed);
    node().routeRemote();
    const outcome = node().fromPod('a', talk.syn('a', 'remote'));
    expect(outcome).toMatchObject(redirected);
    expect(outcome.bytes).toEqual(frameBytes(talk.syn('a', 'remote', { ttl: 63 })));
    expect(node().fromPod('a', talk.syn('a', 'outside'))).toMatchObject(passed);
    node().routeRemote(CanalNexthopKind.NEXTHOP_DIRECT);
    expect(node().fromPod('a', talk.syn('a', 'remote'))).toMatchObject(passed);
  });

  it('delivers arrivals of the overlay: requests and known flows at once, the rest through the stack', () => {
    node().configure(FAST_OVERLAY);
    node().isolate('b', 'ingress', [{ peer: node().at.remote, protocol: TCP, port: 80, id: 1n }]);
    expect(node().fromOverlay(talk.data('remote', 'b'))).toMatchObject(passed);
    expect(node().fromOverlay(talk.syn('remote', 'b'))).toMatchObject(redirected);
    expect(node().fromOverlay(talk.data('remote', 'b'))).toMatchObject(redirected);
    expect(node().fromOverlay(talk.frame('remote', 'b', TCP, tcp(1, 81, SYN)))).toMatchObject(denied('DROP_POLICY_INGRESS'));
    expect(node().fromOverlay(talk.syn('remote', 'host'))).toMatchObject(passed);
    expect(node().fromOverlay(talk.syn('remote', 'outside'))).toMatchObject(passed);
  });

  it('keeps a flow in the host stack that it may have translated', () => {
    node().configure(FAST_LOCAL | FAST_OVERLAY);
    node().routeRemote();
    node().toPod('b', talk.syn('remote', 'b'), 'remote');
    expect(node().fromPod('b', talk.synAck('b', 'remote'))).toMatchObject(passed);
    expect(node().fromOverlay(talk.data('remote', 'b'))).toMatchObject(passed);
  });

  it('leaves a pod that went away to the stack, where to_pod drops once', () => {
    node().configure(FAST_LOCAL);
    node().fromPod('a', talk.syn('a', 'b'));
    node().removeEndpoint('b');
    expect(node().fromPod('a', talk.data('a', 'b'))).toMatchObject(passed);
    expect(node().toPod('b', talk.data('a', 'b'), 'a')).toMatchObject(denied('DROP_NO_ENDPOINT'));
  });
});

describe.each([4, 6] as const)('IPv%i events', (family) => {
  const node = useNode(family, devices.ifindexes, { canal_events: 4096 });
  const talk = new Talk(node);

  it('tell the first packet of a flow for each pod that judged it, every denial, and the end of a revoked flow', () => {
    node().configure(Config.CONFIG_EVENTS);
    node().isolate('b', 'ingress', [{ protocol: TCP, port: 80, id: 7n }, { protocol: UDP, allow: false, id: 9n }]);
    node().fromPod('a', talk.syn('a', 'b'));
    node().fromPod('a', talk.data('a', 'b'));
    node().fromPod('a', talk.frame('a', 'b', UDP, udp(1, 2)));
    node().fromPod('a', talk.frame('b', 'outside', UDP, udp(1, 2)));
    node().isolate('b', 'ingress', []);
    node().raiseEpoch();
    node().fromPod('a', talk.data('a', 'b'));
    node().fromPod('a', talk.data('a', 'b'));
    expect(node().plane.events()).toMatchObject([
      { kind: Kind.EVENT_FLOW_ALLOWED, direction: 0, rule: 0n, family, sourcePort: 40000, destinationPort: 80, ifindex: node().device('a') },
      { kind: Kind.EVENT_FLOW_ALLOWED, direction: 1, rule: 7n, protocol: TCP },
      { kind: Kind.EVENT_FLOW_DENIED, direction: 1, rule: 9n, reason: 1 },
      { kind: Kind.EVENT_DROP, reason: 4 },
      { kind: Kind.EVENT_REVOKED, reason: 3, direction: 1 },
      { kind: Kind.EVENT_DROP, reason: 3 },
    ]);
  });

  it('are as many a second as configured, and counted when the ring is full', () => {
    const flood = (): void => {
      for (let port = 0; port < 100; port++) node().fromPod('a', talk.frame('a', 'outside', UDP, udp(port, 1)));
    };
    node().configure(Config.CONFIG_EVENTS, { logRate: 10 });
    flood();
    const some = node().plane.events().length;
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(50); // ten a second on each processor
    node().reset(Config.CONFIG_EVENTS);
    const full = node().plane.counters('full')[2]!;
    flood();
    expect(node().plane.events().length).toBeLessThan(100);
    expect(node().plane.counters('full')[2]! - full).toBeGreaterThan(0);
  });
});
