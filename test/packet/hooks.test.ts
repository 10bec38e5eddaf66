import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CanalConfigFlags as Config, CanalEndpointFlags as Endpoint } from '../../agent/kernel/abi.generated.js';
import { ACK, ethernet, frameBytes, icmp, icmpProtocol, IPIP, packetBytes, RST, SYN, TCP, tcp, UDP, udp, type Frame } from './frames.js';
import { Node, type Party, VXLAN_PORT } from './node.js';
import { makeDevices, type Devices } from './own-namespace.js';

let devices: Devices;
beforeAll(() => {
  devices = makeDevices('cph', 4);
});
afterAll(() => devices?.remove());

describe.each([4, 6] as const)('IPv%i packets at the hooks', (family) => {
  let node: Node;
  const between = (source: Party, destination: Party, protocol: number, body: Buffer, more: Partial<Frame> = {}): Frame => ({
    source: node.at[source], destination: node.at[destination], protocol, body, ...more,
  });
  const syn = (source: Party, destination: Party): Frame => between(source, destination, TCP, tcp(40000, 80, SYN));
  const synAck = (source: Party, destination: Party): Frame => between(source, destination, TCP, tcp(80, 40000, SYN | ACK));
  const denied = (reason: string): object => ({ verdict: 'drop', reasons: [reason] });
  const passed = { verdict: 'pass', reasons: [] };

  beforeAll(() => {
    node = new Node(family, devices.ifindexes);
  });
  afterAll(() => node?.plane.close());
  beforeEach(() => node.reset());

  it('passes what no policy isolates and remembers the flow', () => {
    expect(node.fromPod('a', syn('a', 'b'))).toMatchObject(passed);
    expect(node.plane.flows('ctnew')).toMatchObject([{ flags: 0, ifindexA: node.device('a'), ifindexB: node.device('b'), packetsA: 1 }]);
    expect(node.toPod('b', syn('a', 'b'), 'a')).toMatchObject(passed);
    expect(node.fromPod('b', synAck('b', 'a'))).toMatchObject(passed);
    expect(node.plane.flows('ctnew')).toEqual([]);
    expect(node.plane.flows('ct')).toMatchObject([{ flags: 2, packetsB: 1 }]);
  });

  it('judges both ends at once when both pods are here', () => {
    node.isolate('b', 'ingress', []);
    expect(node.fromPod('a', syn('a', 'b'))).toMatchObject(denied('DROP_POLICY_INGRESS'));
    node.isolate('b', 'ingress', [{ peer: node.at.a, protocol: TCP, port: 80, id: 7n }]);
    expect(node.fromPod('a', syn('a', 'b'))).toMatchObject(passed);
    expect(node.plane.flows('ctnew')).toMatchObject([{ ruleEgress: 0n, ruleIngress: 7n }]);
    node.isolate('a', 'egress', [{ peer: node.at.b, protocol: TCP, port: 81, id: 8n }]);
    expect(node.fromPod('a', syn('a', 'b'))).toMatchObject(denied('DROP_POLICY_EGRESS'));
  });

  it('lets replies pass where only the original direction is allowed', () => {
    node.isolate('a', 'ingress', []);
    node.isolate('b', 'egress', []);
    node.fromPod('a', syn('a', 'b'));
    expect(node.fromPod('b', synAck('b', 'a'))).toMatchObject(passed);
    expect(node.toPod('a', synAck('b', 'a'), 'b')).toMatchObject(passed);
    expect(node.fromPod('b', syn('b', 'a'))).toMatchObject(denied('DROP_POLICY_EGRESS'));
  });

  it('picks up a connection in its middle, but begins none with an answer or a refusal', () => {
    for (const flags of [SYN | ACK, RST, RST | ACK]) {
      expect(node.fromPod('a', between('a', 'b', TCP, tcp(1, 2, flags)))).toMatchObject(passed);
      expect(node.plane.flows('ctnew')).toEqual([]);
    }
    node.fromPod('a', between('a', 'b', TCP, tcp(1, 2, ACK)));
    expect(node.plane.flows('ctnew')).toHaveLength(1);
  });

  it('does not take a simultaneous open for an answer', () => {
    node.isolate('a', 'ingress', []);
    node.fromPod('a', between('a', 'b', TCP, tcp(5000, 6000, SYN)));
    expect(node.fromPod('b', between('b', 'a', TCP, tcp(6000, 5000, SYN)))).toMatchObject(denied('DROP_POLICY_INGRESS'));
  });

  it('does not take a ping for the answer to one with the same identifier', () => {
    const [ask, answer] = family === 4 ? [8, 0] : [128, 129];
    const icmpProto = icmpProtocol(family);
    node.isolate('a', 'ingress', []);
    expect(node.fromPod('a', between('a', 'b', icmpProto, icmp(ask, 0, 77)))).toMatchObject(passed);
    expect(node.fromPod('b', between('b', 'a', icmpProto, icmp(answer, 0, 77)))).toMatchObject(passed);
    expect(node.fromPod('b', between('b', 'a', icmpProto, icmp(ask, 0, 77)))).toMatchObject(denied('DROP_POLICY_INGRESS'));
    expect(node.fromPod('b', between('b', 'a', icmpProto, icmp(answer, 0, 78)))).toMatchObject(denied('DROP_POLICY_INGRESS'));
  });

  it('compares ICMP type and code as a port', () => {
    const ask = family === 4 ? 8 : 128;
    node.isolate('b', 'ingress', [{ protocol: icmpProtocol(family), port: ask << 8, id: 5n }]);
    expect(node.fromPod('a', between('a', 'b', icmpProtocol(family), icmp(ask, 0, 1)))).toMatchObject(passed);
    expect(node.fromPod('a', between('a', 'b', icmpProtocol(family), icmp(ask, 1, 2)))).toMatchObject(denied('DROP_POLICY_INGRESS'));
  });

  it('prefers the exact address to a CIDR and falls back to the default row', () => {
    node.isolate('a', 'egress', [{ peer: node.at.outside, protocol: TCP, id: 1n }, { peer: node.at.remote, protocol: UDP, id: 2n }, { protocol: 132, id: 3n }]);
    node.classifyCidr(node.at.b, family === 4 ? 24 : 64, node.at.outside);
    expect(node.fromPod('a', between('a', 'b', TCP, tcp(1, 2, SYN)))).toMatchObject(passed);
    expect(node.fromPod('a', between('a', 'b', UDP, udp(1, 2)))).toMatchObject(denied('DROP_POLICY_EGRESS'));
    expect(node.fromPod('a', between('a', 'remote', UDP, udp(1, 2)))).toMatchObject(passed);
    expect(node.fromPod('a', between('a', 'host', 132, udp(1, 2)))).toMatchObject(passed);
  });

  it('counts the deciding rule of each judged packet', () => {
    node.isolate('b', 'ingress', [{ protocol: TCP, port: 80, id: 7n }, { protocol: UDP, allow: false, id: 9n }]);
    node.fromPod('a', syn('a', 'b'));
    node.fromPod('a', between('a', 'b', TCP, tcp(40000, 80, ACK)));
    node.fromPod('a', between('a', 'b', UDP, udp(1, 2)));
    node.fromPod('a', between('a', 'b', UDP, udp(1, 2)));
    const counts = node.plane.rows('rulestat').map(({ key, value }) => [key.readBigUInt64LE(), value.readBigUInt64LE(0) + value.readBigUInt64LE(16)]);
    expect(new Map(counts as [bigint, bigint][])).toEqual(new Map([[7n, 1n], [9n, 2n]]));
  });

  it('drops a source that is not the pod’s, on new and on known flows', () => {
    expect(node.fromPod('a', syn('b', 'outside'))).toMatchObject(denied('DROP_SPOOFED'));
    node.fromPod('b', between('b', 'outside', UDP, udp(1, 2)));
    expect(node.fromPod('a', between('b', 'outside', UDP, udp(1, 2)))).toMatchObject(denied('DROP_SPOOFED'));
    node.configure(Config.CONFIG_ALLOW_SPOOF);
    expect(node.fromPod('a', syn('remote', 'outside'))).toMatchObject(passed);
  });

  it('drops a pod’s address that comes from another device', () => {
    expect(node.toPod('b', syn('a', 'b'), 'outside')).toMatchObject(denied('DROP_SPOOFED'));
    expect(node.fromOverlay(syn('a', 'b'))).toMatchObject(denied('DROP_OVERLAY_SOURCE'));
    expect(node.fromOverlay(syn('host', 'b'))).toMatchObject(denied('DROP_OVERLAY_SOURCE'));
    expect(node.fromOverlay(syn('remote', 'b'))).toMatchObject(passed);
  });

  it('drops without endpoint row, without configuration, and without a default row of the table', () => {
    node.setEndpoint('b', { ingressTable: 424242n });
    expect(node.fromPod('a', syn('a', 'b'))).toMatchObject(denied('DROP_TABLE_MISSING'));
    node.setEndpoint('b', { flags: Endpoint.ENDPOINT_DISABLED });
    expect(node.toPod('b', syn('remote', 'b'), 'remote')).toMatchObject(denied('DROP_NO_ENDPOINT'));
    node.removeEndpoint('a');
    expect(node.fromPod('a', syn('a', 'b'))).toMatchObject(denied('DROP_NO_ENDPOINT'));
    expect(node.toPod('a', syn('host', 'a'), 'host')).toMatchObject(denied('DROP_NO_ENDPOINT'));
    node.configure(0, { epoch: 0 });
    expect(node.fromPod('a', syn('a', 'b'))).toMatchObject(denied('DROP_CONFIG'));
    expect(node.toPod('b', syn('a', 'b'), 'a')).toMatchObject(denied('DROP_CONFIG'));
    expect(node.fromOverlay(syn('remote', 'b'))).toMatchObject(denied('DROP_CONFIG'));
  });

  it('drops tunnels of pods even in a known flow, unless allowed', () => {
    node.configure(Config.CONFIG_ALLOW_VXLAN | Config.CONFIG_ALLOW_IPIP);
    const vxlan = between('a', 'outside', UDP, udp(9, VXLAN_PORT));
    const ipip = between('a', 'outside', IPIP, packetBytes(syn('a', 'b')));
    expect(node.fromPod('a', vxlan)).toMatchObject(passed);
    expect(node.fromPod('a', ipip)).toMatchObject(passed);
    node.configure(0);
    expect(node.fromPod('a', vxlan)).toMatchObject(denied('DROP_TUNNEL'));
    expect(node.fromPod('a', ipip)).toMatchObject(denied('DROP_TUNNEL'));
  });

  it('lets the node’s own processes in, and their answers out, whatever the policy', () => {
    node.isolate('a', 'ingress', []);
    node.isolate('a', 'egress', []);
    expect(node.fromPod('a', synAck('a', 'host'))).toMatchObject(denied('DROP_POLICY_EGRESS'));
    expect(node.toPod('a', syn('host', 'a'), 'host')).toMatchObject(passed);
    expect(node.fromPod('a', synAck('a', 'host'))).toMatchObject(passed);
    expect(node.fromPod('a', syn('a', 'host'))).toMatchObject(denied('DROP_POLICY_EGRESS'));
    expect(node.toPod('a', syn('host', 'a'), 'outside')).toMatchObject(denied('DROP_POLICY_INGRESS'));
    node.raiseEpoch();
    expect(node.fromPod('a', between('a', 'host', TCP, tcp(80, 40000, ACK)))).toMatchObject(passed);
  });

  it('keeps pods from their node where the default is to drop, after egress policy', () => {
    expect(node.fromPod('a', syn('a', 'host'))).toMatchObject(passed);
    node.configure(Config.CONFIG_HOST_DENY);
    expect(node.fromPod('a', syn('a', 'host'))).toMatchObject(denied('DROP_HOST_DENIED'));
    expect(node.fromPod('a', syn('a', 'outside'))).toMatchObject(passed);
    node.isolate('a', 'egress', []);
    expect(node.fromPod('a', syn('a', 'host'))).toMatchObject(denied('DROP_POLICY_EGRESS'));
  });

  it('passes ARP, drops other ethertypes, and leaves the other family to its programs', () => {
    const other = ethernet(family === 4 ? 0x86dd : 0x0800, Buffer.alloc(60));
    const device = { ifindex: node.device('a') };
    expect(node.plane.run('canal_from_pod', ethernet(0x0806, Buffer.alloc(46)), device)).toMatchObject(passed);
    expect(node.plane.run('canal_from_pod', ethernet(0x88b5, Buffer.alloc(46)), device)).toMatchObject(denied('DROP_UNKNOWN_ETHERTYPE'));
    expect(node.plane.run('canal_from_pod', other, device)).toMatchObject(denied('DROP_UNKNOWN_ETHERTYPE'));
    expect(node.plane.run('canal_to_pod', other, device)).toMatchObject(denied('DROP_UNKNOWN_ETHERTYPE'));
    node.configure(Config.CONFIG_OTHER_FAMILY);
    expect(node.plane.run('canal_from_pod', other, device)).toMatchObject({ verdict: 'next', reasons: [] });
    expect(node.plane.run('canal_to_pod', other, device)).toMatchObject({ verdict: 'next', reasons: [] });
  });

  it('passes neighbour discovery only where it stays on the link', () => {
    const linkLocal = Buffer.from('fe800000000000000000000000000001', 'hex');
    const solicit = (destination: Buffer, ttl: number, type = 135): Buffer =>
      frameBytes({ source: Buffer.alloc(16), destination, protocol: 58, ttl, body: icmp(type, 0, 0, Buffer.alloc(16)) });
    const device = { ifindex: node.device('a') };
    node.isolate('a', 'egress', []);
    expect(node.plane.run('canal_from_pod', solicit(linkLocal, 255), device)).toMatchObject(passed);
    expect(node.plane.run('canal_from_pod', solicit(linkLocal, 254), device).verdict).toBe('drop');
    expect(node.plane.run('canal_from_pod', solicit(Buffer.from('20010db8000000000000000000000001', 'hex'), 255), device).verdict).toBe('drop');
    expect(node.plane.run('canal_from_pod', solicit(linkLocal, 255, 134), device).verdict).toBe('drop');
    expect(node.plane.run('canal_to_pod', solicit(linkLocal, 255, 134), device)).toMatchObject(passed);
  });

  it('gives one reason to every packet cut short, at every length', () => {
    const whole = frameBytes({ ...syn('a', 'b'), ...(family === 4 ? { options: Buffer.from([1, 1, 1, 0]) } : { options: Buffer.from([6, 0, 1, 4, 0, 0, 0, 0]), firstHeader: 60 }) });
    // The kernel runs no frame without an IP header.
    for (let length = family === 4 ? 34 : 54; length < whole.length; length++) {
      expect(node.plane.run('canal_from_pod', whole.subarray(0, length), { ifindex: node.device('a') }), `length ${length}`).toMatchObject(denied('DROP_UNPARSED'));
    }
    expect(node.plane.run('canal_from_pod', whole, { ifindex: node.device('a') })).toMatchObject(passed);
  });

  it('drops a length field that lies and a transport header that does not fit', () => {
    expect(node.fromPod('a', { ...syn('a', 'b'), claimedLength: 4000 })).toMatchObject(denied('DROP_UNPARSED'));
    expect(node.fromPod('a', { ...syn('a', 'b'), claimedLength: family === 4 ? 39 : 19 })).toMatchObject(denied('DROP_UNPARSED'));
    const short = tcp(1, 2, SYN);
    short[12] = 0x40;
    expect(node.fromPod('a', between('a', 'b', TCP, short))).toMatchObject(denied('DROP_UNPARSED'));
  });

  it('drops source routes and passes other options', () => {
    const source = family === 4 ? { options: Buffer.from([1, 131, 7, 4, 1, 2, 3, 4, 0, 0, 0, 0]) } : { options: Buffer.from([6, 0, 0, 1, 0, 0, 0, 0]), firstHeader: 43 };
    const harmless = family === 4 ? { options: Buffer.from([148, 4, 0, 0]) } : { options: Buffer.from([6, 0, 5, 2, 0, 0, 1, 0]), firstHeader: 0 };
    expect(node.fromPod('a', { ...syn('a', 'b'), ...source })).toMatchObject(denied('DROP_IP_OPTIONS'));
    expect(node.fromPod('a', { ...syn('a', 'b'), ...harmless })).toMatchObject(passed);
  });
});
