import { describe, expect, it } from 'vitest';
import { CanalEndpointFlags as Endpoint, CanalFlowFlags as Flow } from '../../agent/kernel/abi.generated.js';
import { ACK, FIN, frameBytes, RST, SYN, TCP, tcp, UDP, udp } from './frames.js';
import { denied, passed, Talk, useDevices, useNode } from './scene.js';

const devices = useDevices('cpf');

describe.each([4, 6] as const)('IPv%i flows', (family) => {
  const node = useNode(family, devices.ifindexes);
  const talk = new Talk(node);

  function establish(): void {
    node().fromPod('a', talk.syn('a', 'b'));
    node().fromPod('b', talk.synAck('b', 'a'));
    node().fromPod('a', talk.data('a', 'b'));
  }

  const flow = () => [...node().plane.flows('ct'), ...node().plane.flows('ctnew')][0]!;

  it('counts what each side sent', () => {
    establish();
    node().fromPod('b', talk.answer('b', 'a'));
    expect(flow()).toMatchObject({ packetsA: 2, packetsB: 2, tcpA: SYN | ACK, tcpB: SYN | ACK });
    const header = family === 4 ? 20 : 40;
    expect([flow().bytesA, flow().bytesB]).toEqual([BigInt(2 * (header + 20) + 100), BigInt(2 * (header + 20) + 100)]);
  });

  it('counts and judges a packet once that meets both pods’ devices', () => {
    node().isolate('b', 'ingress', [{ protocol: TCP, id: 7n }]);
    node().fromPod('a', talk.syn('a', 'b'));
    expect(node().toPod('b', talk.syn('a', 'b'), 'a')).toMatchObject(passed);
    expect(flow()).toMatchObject({ packetsA: 1, flags: 0 });
  });

  it('judges the original direction again after a change, from whichever side the next packet comes', () => {
    for (const next of ['original', 'reply'] as const) {
      node().reset();
      establish();
      node().isolate('b', 'ingress', []);
      expect(node().fromPod('a', talk.data('a', 'b'))).toMatchObject(passed);
      node().raiseEpoch();
      node().plane.events();
      const first = next === 'original' ? node().fromPod('a', talk.data('a', 'b')) : node().fromPod('b', talk.answer('b', 'a'));
      expect(first).toMatchObject(denied('DROP_REVOKED'));
      expect(node().fromPod('a', talk.data('a', 'b'))).toMatchObject(denied('DROP_REVOKED'));
      expect(node().fromPod('b', talk.answer('b', 'a'))).toMatchObject(denied('DROP_REVOKED'));
      expect(flow().flags & Flow.FLOW_DEAD).toBe(Flow.FLOW_DEAD);
    }
  });

  it('keeps a flow whose original direction stays allowed, whatever the reply direction says', () => {
    establish();
    node().isolate('b', 'ingress', [{ peer: node().at.a, protocol: TCP, port: 80, id: 3n }]);
    node().isolate('b', 'egress', []);
    node().isolate('a', 'ingress', []);
    node().raiseEpoch();
    expect(node().fromPod('b', talk.answer('b', 'a'))).toMatchObject(passed);
    expect(node().fromPod('a', talk.data('a', 'b'))).toMatchObject(passed);
    expect(flow()).toMatchObject({ ruleIngress: 3n });
  });

  it('revives a dead flow when a later epoch allows it, and replaces it by an allowed request', () => {
    establish();
    node().isolate('b', 'ingress', []);
    node().raiseEpoch();
    node().fromPod('a', talk.data('a', 'b'));
    expect(node().fromPod('a', talk.syn('a', 'b'))).toMatchObject(denied('DROP_POLICY_INGRESS'));
    node().setEndpoint('b', {});
    expect(node().fromPod('a', talk.data('a', 'b'))).toMatchObject(denied('DROP_REVOKED'));
    expect(node().fromPod('a', talk.syn('a', 'b'))).toMatchObject(passed);
    expect(node().fromPod('b', talk.synAck('b', 'a'))).toMatchObject(passed);
    node().isolate('b', 'ingress', []);
    node().raiseEpoch();
    expect(node().fromPod('b', talk.answer('b', 'a'))).toMatchObject(denied('DROP_REVOKED'));
    node().setEndpoint('b', {});
    node().raiseEpoch();
    expect(node().fromPod('b', talk.answer('b', 'a'))).toMatchObject(passed);
  });

  it('lets a dead UDP flow expire although packets keep coming', () => {
    const ask = talk.frame('a', 'b', UDP, udp(5000, 53));
    node().fromPod('a', ask);
    node().isolate('b', 'ingress', []);
    node().raiseEpoch();
    node().fromPod('a', ask);
    const { seenS } = flow();
    node().plane.changeFlow({ seenS: seenS - 29 });
    expect(node().fromPod('a', ask)).toMatchObject(denied('DROP_REVOKED'));
    node().plane.changeFlow({ seenS: seenS - 32 });
    expect(node().fromPod('a', ask)).toMatchObject(denied('DROP_POLICY_INGRESS'));
  });

  it('revokes what lost its pod', () => {
    establish();
    node().setEndpoint('b', { flags: Endpoint.ENDPOINT_DISABLED });
    node().raiseEpoch();
    expect(node().fromPod('a', talk.data('a', 'b'))).toMatchObject(denied('DROP_REVOKED'));
  });

  it('does not let the node’s answer revive a revoked flow of a pod', () => {
    const ask = talk.frame('a', 'host', UDP, udp(5000, 53));
    node().fromPod('a', ask);
    node().isolate('a', 'egress', []);
    node().raiseEpoch();
    expect(node().fromPod('a', ask)).toMatchObject(denied('DROP_REVOKED'));
    expect(node().toPod('a', talk.frame('host', 'a', UDP, udp(53, 5000)), 'host')).toMatchObject(denied('DROP_REVOKED'));
    expect(node().fromPod('a', ask)).toMatchObject(denied('DROP_REVOKED'));
  });

  it('judges afresh when an address has moved to another pod', () => {
    node().fromPod('a', talk.frame('a', 'outside', UDP, udp(1, 2)));
    node().plane.changeFlow({ ifindexA: 99, ifindexB: 99 });
    node().isolate('a', 'egress', []);
    expect(node().fromPod('a', talk.frame('a', 'outside', UDP, udp(1, 2)))).toMatchObject(denied('DROP_POLICY_EGRESS'));
  });

  // Direction, flags of each side, whether answered; seconds after which nothing is left of it.
  const timeouts: [string, { tcpA: number; tcpB: number; flags: number }, number][] = [
    ['a request', { tcpA: SYN, tcpB: 0, flags: 0 }, 120],
    ['an answered request', { tcpA: SYN, tcpB: SYN | ACK, flags: Flow.FLOW_REPLIED }, 60],
    ['an established connection', { tcpA: SYN | ACK, tcpB: SYN | ACK, flags: Flow.FLOW_REPLIED }, 432_000],
    ['a half-closed connection', { tcpA: SYN | ACK | FIN, tcpB: SYN | ACK, flags: Flow.FLOW_REPLIED }, 120],
    ['a reset connection', { tcpA: SYN | ACK, tcpB: SYN | ACK | RST, flags: Flow.FLOW_REPLIED }, 10],
    ['a connection met in its middle', { tcpA: ACK, tcpB: 0, flags: 0 }, 300],
  ];
  it.each(timeouts)('forgets %s in its time', (_, state, seconds) => {
    node().fromPod('a', talk.syn('a', 'b'));
    const { seenS } = flow();
    node().isolate('b', 'ingress', []);
    // A second of slack: the clock may tick between the packets.
    node().plane.changeFlow({ ...state, seenS: seenS - seconds + 1 });
    expect(node().fromPod('a', talk.data('a', 'b', 10, 0))).toMatchObject(passed);
    node().plane.changeFlow({ ...state, seenS: seenS - seconds - 1 });
    expect(node().fromPod('a', talk.data('a', 'b', 10, 0))).toMatchObject(denied('DROP_POLICY_INGRESS'));
  });

  const rows = (): [number, number] => [node().plane.flows('ct').length, node().plane.flows('ctnew').length];

  it('begins anew where an answered one has expired: its answers pass', () => {
    const [ask, answer] = [talk.frame('a', 'b', UDP, udp(5000, 53)), talk.frame('b', 'a', UDP, udp(53, 5000))];
    node().isolate('a', 'ingress', []);
    node().fromPod('a', ask);
    expect(node().fromPod('b', answer)).toMatchObject(passed);
    node().plane.changeFlow({ seenS: flow().seenS - 122 });
    expect(node().fromPod('b', answer)).toMatchObject(denied('DROP_POLICY_INGRESS'));
    expect(node().fromPod('a', ask)).toMatchObject(passed);
    expect(node().fromPod('b', answer)).toMatchObject(passed);
  });

  it('moves a flow to the established ones at the first answer, and back when it is reset', () => {
    node().fromPod('a', talk.syn('a', 'b'));
    expect(rows()).toEqual([0, 1]);
    node().fromPod('b', talk.synAck('b', 'a'));
    expect(rows()).toEqual([1, 0]);
    node().fromPod('a', talk.data('a', 'b', 0, RST));
    expect(rows()).toEqual([0, 1]);
    expect(node().fromPod('b', talk.answer('b', 'a'))).toMatchObject(passed);
    expect(rows()).toEqual([0, 1]);
  });

  it('keeps a refused request among the unanswered', () => {
    node().fromPod('a', talk.syn('a', 'b'));
    node().fromPod('b', talk.answer('b', 'a', RST | ACK));
    expect([node().plane.flows('ct').length, node().plane.flows('ctnew').length]).toEqual([0, 1]);
  });
});

describe.each([4, 6] as const)('IPv%i connections that both sides have ended', (family) => {
  const node = useNode(family, devices.ifindexes);
  const talk = new Talk(node);
  const rows = (): number => node().plane.flows('ct').length + node().plane.flows('ctnew').length;
  const finAgain = (): unknown => node().fromPod('b', talk.answer('b', 'a', FIN | ACK));

  /** Of what b sends, only answers are allowed. */
  function connectAndEnd(): void {
    node().isolate('b', 'ingress', [{ protocol: TCP, port: 80, id: 1n }]);
    node().isolate('b', 'egress', []);
    node().fromPod('a', talk.syn('a', 'b'));
    node().fromPod('b', talk.synAck('b', 'a'));
    node().fromPod('a', talk.data('a', 'b', 0, FIN | ACK));
    expect(finAgain()).toMatchObject(passed);
    expect(rows()).toBe(1);
    expect(node().fromPod('a', talk.data('a', 'b', 0))).toMatchObject(passed);
    expect(rows()).toBe(0);
  }

  it('leave no row, and what is sent again passes both ways, as often as it comes', () => {
    connectAndEnd();
    for (let again = 0; again < 3; again++) {
      expect(finAgain()).toMatchObject(passed);
      expect(node().fromPod('a', talk.data('a', 'b', 0))).toMatchObject(passed);
    }
    expect(node().fromPod('b', talk.answer('b', 'a', RST))).toMatchObject(passed);
    expect(rows()).toBe(0);
  });

  it('let nothing else through', () => {
    connectAndEnd();
    const denial = denied('DROP_POLICY_EGRESS');
    expect(node().fromPod('b', talk.frame('b', 'a', TCP, tcp(80, 40001, FIN | ACK)))).toMatchObject(denial);
    expect(node().fromPod('b', talk.frame('b', 'a', TCP, tcp(81, 40000, FIN | ACK)))).toMatchObject(denial);
    expect(node().fromPod('b', talk.frame('b', 'outside', TCP, tcp(80, 40000, FIN | ACK)))).toMatchObject(denial);
    expect(node().fromPod('b', talk.frame('b', 'a', UDP, udp(80, 40000)))).toMatchObject(denial);
    expect(node().fromPod('b', talk.frame('b', 'a', TCP, tcp(80, 40000, SYN)))).toMatchObject(denial);
    expect(node().fromPod('b', talk.synAck('b', 'a'))).toMatchObject(denial);
  });

  it('are judged like anything else after a change of policy, and after their time', () => {
    connectAndEnd();
    node().raiseEpoch();
    expect(finAgain()).toMatchObject(denied('DROP_POLICY_EGRESS'));
    connectAndEnd();
    node().plane.ageClosed(119);
    expect(finAgain()).toMatchObject(passed);
    node().plane.ageClosed(2);
    expect(finAgain()).toMatchObject(denied('DROP_POLICY_EGRESS'));
  });

  it('say nothing of another pod that has an end’s address', () => {
    connectAndEnd();
    node().plane.put('local', node().at.a, Buffer.from([99, 0, 0, 0]));
    expect(finAgain()).toMatchObject(denied('DROP_POLICY_EGRESS'));
  });

  it('may begin anew at once', () => {
    connectAndEnd();
    connectAndEnd();
  });

  it('pass the host stack where they did before', () => {
    node().fromPod('a', talk.syn('a', 'outside'));
    node().toPod('a', talk.synAck('outside', 'a'), 'outside');
    node().isolate('a', 'ingress', []);
    node().fromPod('a', talk.data('a', 'outside', 0, FIN | ACK));
    node().toPod('a', talk.answer('outside', 'a', FIN | ACK), 'outside');
    node().fromPod('a', talk.data('a', 'outside', 0));
    expect(rows()).toBe(0);
    expect(node().toPod('a', talk.answer('outside', 'a', FIN | ACK), 'outside')).toMatchObject(passed);
    expect(node().toPod('a', talk.frame('outside', 'a', TCP, tcp(80, 40001, FIN | ACK)), 'outside')).toMatchObject(denied('DROP_POLICY_INGRESS'));
  });
});

describe.each([4, 6] as const)('IPv%i floods', (family) => {
  const node = useNode(family, devices.ifindexes, { [`canal_ctnew${family}`]: 1024, [`canal_ct${family}`]: 1024, canal_rulestat: 2 });
  const talk = new Talk(node);

  it('evict no answered flow, however many requests they are', () => {
    node().isolate('a', 'ingress', []);
    for (let port = 0; port < 100; port++) {
      node().fromPod('a', talk.frame('a', 'outside', TCP, tcp(10_000 + port, 443, SYN)));
      node().toPod('a', talk.frame('outside', 'a', TCP, tcp(443, 10_000 + port, SYN | ACK)), 'outside');
    }
    const flood = Array.from({ length: 4000 }, (_, port) => frameBytes(talk.frame('b', 'outside', TCP, tcp(20_000 + port, 80, SYN))));
    node().plane.feed('canal_from_pod', flood, { ifindex: node().device('b') });
    expect(node().plane.flows('ctnew').length).toBeLessThanOrEqual(1024);
    for (let port = 0; port < 100; port++) {
      expect(node().toPod('a', talk.frame('outside', 'a', TCP, tcp(443, 10_000 + port, ACK)), 'outside'), `port ${port}`).toMatchObject(passed);
    }
  });

  it('change no verdict when a map of counters is full', () => {
    node().isolate('a', 'egress', [80, 81, 82, 83].map((port) => ({ protocol: TCP, port, id: BigInt(port) })));
    const full = node().plane.counters('full')[3]!;
    for (const port of [80, 81, 82, 83]) expect(node().fromPod('a', talk.frame('a', 'outside', TCP, tcp(1, port, SYN)))).toMatchObject(passed);
    expect(node().fromPod('a', talk.frame('a', 'outside', TCP, tcp(1, 84, SYN)))).toMatchObject(denied('DROP_POLICY_EGRESS'));
    expect(node().plane.rows('rulestat')).toHaveLength(2);
    expect(node().plane.counters('full')[3]! - full).toBe(2);
  });
});
