import { describe, expect, it } from 'vitest';
import { frameBytes, icmp, icmpProtocol, packetBytes, SYN, TCP, tcp, UDP, udp, type Frame } from './frames.js';
import type { Party } from './node.js';
import { denied, passed, Talk, useDevices, useNode } from './scene.js';

const devices = useDevices('cpr');

describe.each([4, 6] as const)('IPv%i fragments', (family) => {
  const node = useNode(family, devices.ifindexes);
  const talk = new Talk(node);
  const first = (id: number, protocol = UDP, body = udp(5000, 53, 24)): Frame => talk.frame('a', 'b', protocol, body, { fragment: { offset: 0, more: true, id } });
  const later = (id: number, protocol = UDP, offset = 32): Frame => talk.frame('a', 'b', protocol, Buffer.alloc(16, 0xff), { fragment: { offset, more: false, id } });

  it('follow their first one', () => {
    node().isolate('b', 'ingress', [{ protocol: UDP, port: 53, id: 1n }]);
    expect(node().fromPod('a', first(7))).toMatchObject(passed);
    expect(node().fromPod('a', later(7))).toMatchObject(passed);
    expect(node().toPod('b', later(7), 'a')).toMatchObject(passed);
    expect(node().plane.flows('ctnew')).toMatchObject([{ packetsA: 2 }]);
  });

  it('are dropped before their first one and after another datagram’s', () => {
    expect(node().fromPod('a', later(8))).toMatchObject(denied('DROP_FRAGMENT'));
    node().fromPod('a', first(8));
    expect(node().fromPod('a', later(9))).toMatchObject(denied('DROP_FRAGMENT'));
    expect(node().fromPod('a', later(8))).toMatchObject(passed);
  });

  it('are denied with their first one', () => {
    node().isolate('b', 'ingress', []);
    expect(node().fromPod('a', first(10))).toMatchObject(denied('DROP_POLICY_INGRESS'));
    expect(node().fromPod('a', later(10))).toMatchObject(denied('DROP_POLICY_INGRESS'));
  });

  it('may not rewrite the TCP flags that were judged', () => {
    node().fromPod('a', first(11, TCP, tcp(1, 2, SYN, 12)));
    expect(node().fromPod('a', later(11, TCP, 8))).toMatchObject(denied('DROP_FRAGMENT'));
  });

  it('cannot smuggle a tunnel', () => {
    expect(node().fromPod('a', first(12, UDP, udp(1, 8472, 24)))).toMatchObject(denied('DROP_TUNNEL'));
    expect(node().fromPod('a', later(12))).toMatchObject(denied('DROP_TUNNEL'));
  });
});

describe.each([4, 6] as const)('IPv%i ICMP errors', (family) => {
  const node = useNode(family, devices.ifindexes);
  const talk = new Talk(node);
  const [type, code]: [number, number] = family === 4 ? [3, 1] : [1, 4];
  const error = (from: Party, to: Party, quoted: Frame, cut = 8): Frame => {
    const packet = packetBytes(quoted);
    return talk.frame(from, to, icmpProtocol(family), icmp(type, code, 0, packet.subarray(0, packet.length - quoted.body.length + cut)));
  };
  const ask = (): Frame => talk.frame('a', 'b', UDP, udp(5000, 53));

  it('pass with the flow they are about, both ways, whatever policy says of ICMP', () => {
    node().fromPod('a', ask());
    node().isolate('a', 'ingress', []);
    node().isolate('b', 'egress', []);
    expect(node().fromPod('b', error('b', 'a', ask()))).toMatchObject(passed);
    expect(node().toPod('a', error('b', 'a', ask()), 'b')).toMatchObject(passed);
    const answer = talk.frame('b', 'a', UDP, udp(53, 5000));
    expect(node().fromPod('a', error('a', 'b', answer))).toMatchObject(passed);
    expect(node().toPod('b', error('outside', 'b', answer), 'outside')).toMatchObject(passed);
  });

  it('about an unknown flow, somebody else’s flow or a cut header are dropped', () => {
    expect(node().fromPod('b', error('b', 'a', ask()))).toMatchObject(denied('DROP_ICMP_UNRELATED'));
    node().fromPod('a', ask());
    expect(node().fromPod('b', error('b', 'a', talk.frame('a', 'b', UDP, udp(5001, 53))))).toMatchObject(denied('DROP_ICMP_UNRELATED'));
    expect(node().fromPod('b', error('b', 'outside', ask()))).toMatchObject(denied('DROP_ICMP_UNRELATED'));
    expect(node().fromPod('b', error('b', 'a', ask(), 2))).toMatchObject(denied('DROP_ICMP_UNRELATED'));
    node().fromPod('a', talk.frame('a', 'outside', UDP, udp(5000, 53)));
    expect(node().fromPod('b', error('b', 'a', talk.frame('a', 'outside', UDP, udp(5000, 53))))).toMatchObject(denied('DROP_ICMP_UNRELATED'));
  });

  it('about a revoked flow are dropped with it, and a spoofed one is dropped as such', () => {
    node().fromPod('a', ask());
    expect(node().fromPod('b', error('outside', 'a', ask()))).toMatchObject(denied('DROP_SPOOFED'));
    node().isolate('b', 'ingress', []);
    node().raiseEpoch();
    expect(node().fromPod('b', error('b', 'a', ask()))).toMatchObject(denied('DROP_REVOKED'));
  });

  it('of the node itself always reach the pod', () => {
    node().isolate('a', 'ingress', []);
    expect(node().toPod('a', error('host', 'a', talk.frame('a', 'outside', UDP, udp(1, 2))), 'host')).toMatchObject(passed);
  });

  it('belong to pings by the identifier', () => {
    const ping = talk.frame('a', 'b', icmpProtocol(family), icmp(family === 4 ? 8 : 128, 0, 99));
    node().fromPod('a', ping);
    node().isolate('b', 'egress', []);
    expect(node().fromPod('b', error('b', 'a', ping))).toMatchObject(passed);
  });

  it('that reroute are dropped from pods and strangers', () => {
    const redirect = talk.frame('a', 'b', icmpProtocol(family), icmp(family === 4 ? 5 : 137, 0, 0, packetBytes(ask())));
    expect(node().fromPod('a', redirect)).toMatchObject(denied('DROP_ICMP_UNRELATED'));
    expect(node().toPod('b', redirect, 'outside')).toMatchObject(denied('DROP_ICMP_UNRELATED'));
  });

  it('cut short at any length are dropped with one reason', () => {
    node().fromPod('a', ask());
    const whole = frameBytes(error('b', 'a', ask()));
    const header = family === 4 ? 34 : 54;
    for (let length = header; length < whole.length - 2; length++) {
      const outcome = node().plane.run('canal_from_pod', whole.subarray(0, length), { ifindex: node().device('b') });
      expect(outcome, `length ${length}`).toMatchObject({ verdict: 'drop' });
      expect(outcome.reasons).toHaveLength(1);
    }
  });
});
