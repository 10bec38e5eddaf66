import { describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import { compileOverlay, type OverlayInput } from '../../../agent/compile/overlay/overlay.js';
import { parseVtepMac } from '../../../agent/compile/overlay/lease.js';
import { subnetFileText } from '../../../agent/compile/overlay/subnet-file.js';
import { parseNetConf } from '../../../agent/daemon/settings/net-conf.js';
import type { Node } from '../../../agent/model/objects.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const cidr = (text: string): Cidr => Cidr.parse(text)!;
const netConf = (backend = '{"Type":"vxlan"}') => parseNetConf(`{"Network":"10.42.0.0/16","Backend":${backend}}`, 'net-conf.json');

function node(name: string, podCidr: string | undefined, publicIp: string, mac: string, over: Partial<Node> = {}): Node {
  return {
    name,
    labels: {},
    podCidrs: podCidr === undefined ? [] : [cidr(podCidr)],
    internalAddresses: [],
    lease: { backendType: 'vxlan', backendData: `{"VNI":1,"VtepMAC":"${mac}"}`, backendV6Data: undefined, publicIp: ip(publicIp), publicIpV6: undefined },
    flannelAnnotations: {},
    networkUnavailable: undefined,
    ...over,
  };
}

const self = node('n1', '10.42.0.0/24', '172.30.0.11', 'ae:ed:5f:f9:41:ad');
const peer = node('n2', '10.42.1.0/24', '172.30.0.12', '22:ad:d0:5c:80:d5');

const input = (nodes: Node[], over: Partial<OverlayInput> = {}): OverlayInput => ({
  self,
  nodes: new Map([self, ...nodes].map((each) => [each.name, each])),
  netConf: netConf(),
  uplink: { ifindex: 2, name: 'eth0', mtu: 1500, address: ip('172.30.0.11'), externalAddress: ip('172.30.0.11') },
  vtepMac: 'ae:ed:5f:f9:41:ad',
  overlayIfindex: 9,
  onLink: () => false,
  blackholeRoute: false,
  ...over,
});

/** Rows of peers as lists, routes with those of the node itself. */
const state = (i: OverlayInput) => {
  const result = compileOverlay(i);
  if (!('link' in result)) throw new Error(`${result.object} ${result.field}: ${result.message}`);
  const { fdb, neighbours, peerRoutes, routes, nexthops, problems, ...rest } = result;
  return { ...rest, fdb: [...fdb.values()], neighbours: [...neighbours.values()], routes: [...peerRoutes.values(), ...routes], nexthops, problems: [...problems.values()] };
};

describe('the overlay', () => {
  it('is what a running Canal has (device, address, neighbour, FDB, onlink route)', () => {
    const s = state(input([peer]));
    expect(s.link).toEqual({ name: 'flannel.1', vni: 1, port: 0, local: ip('172.30.0.11'), lowerIfindex: 2, learning: false, gbp: false, mtu: 1450, mac: 'ae:ed:5f:f9:41:ad' });
    expect(s.addresses).toEqual([{ ifindex: 9, address: ip('10.42.0.0'), prefixLength: 32 }]);
    expect(s.neighbours).toEqual([{ ifindex: 9, address: ip('10.42.1.0'), mac: '22:ad:d0:5c:80:d5' }]);
    expect(s.fdb).toEqual([{ ifindex: 9, mac: '22:ad:d0:5c:80:d5', destination: ip('172.30.0.12') }]);
    expect(s.routes).toEqual([
      { destination: cidr('10.42.1.0/24'), ifindex: 9, gateway: ip('10.42.1.0'), onlink: true, scope: 'universe', type: 'unicast', metric: 0, protocol: 3 },
    ]);
  });

  it('publishes the annotations of a running Canal, byte for byte', () => {
    expect(state(input([])).annotations).toEqual({
      'backend-data': '{"VNI":1,"VtepMAC":"ae:ed:5f:f9:41:ad"}',
      'backend-type': 'vxlan',
      'kube-subnet-manager': 'true',
      'public-ip': '172.30.0.11',
    });
  });

  it('publishes public-ip-overwrite and still sends from its own address', () => {
    const s = state(input([], { self: { ...self, flannelAnnotations: { 'public-ip-overwrite': '203.0.113.7' } } }));
    expect(s.annotations['public-ip']).toBe('203.0.113.7');
    expect(s.link.local.text).toBe('172.30.0.11');
  });

  it('waits for the device before it asks for anything on it', () => {
    const s = state(input([peer], { overlayIfindex: undefined }));
    expect([s.addresses, s.neighbours, s.fdb, s.routes, [...s.nexthops]]).toEqual([[], [], [], [], []]);
  });

  it('routes an on-link peer directly when DirectRouting says so, and no other', () => {
    const far = node('n3', '10.42.2.0/24', '192.0.2.3', '22:ad:d0:5c:80:d6');
    const direct = { netConf: netConf('{"Type":"vxlan","DirectRouting":true}'), onLink: ({ text }: IpAddress) => text === '172.30.0.12' };
    const s = state(input([peer, far], direct));
    expect(s.neighbours.map((n) => n.address.text)).toEqual(['10.42.2.0']);
    expect(s.fdb.map((f) => f.destination.text)).toEqual(['192.0.2.3']);
    expect(s.routes.find((r) => r.destination.text === '10.42.1.0/24')).toEqual(
      { destination: cidr('10.42.1.0/24'), ifindex: 0, gateway: ip('172.30.0.12'), onlink: false, scope: 'universe', type: 'unicast', metric: 0, protocol: 3 },
    );
    expect(state(input([peer], { onLink: direct.onLink })).neighbours).toHaveLength(1);
  });

  it.each([
    ['another backend', { lease: { ...peer.lease!, backendType: 'host-gw' } }, 'host-gw'],
    ['no public address', { lease: { ...peer.lease!, publicIp: undefined } }, 'public-ip'],
    ['no MAC', { lease: { ...peer.lease!, backendData: 'null' } }, 'VtepMAC'],
    ['our own subnet', { podCidrs: [cidr('10.42.0.0/24')] }, 'overlaps'],
  ])('leaves out a peer with %s and says why', (_, over, message) => {
    const s = state(input([{ ...peer, ...over }]));
    expect(s.routes).toEqual([]);
    expect(s.problems).toHaveLength(1);
    expect(JSON.stringify(s.problems)).toContain(message);
  });

  it('leaves out a node that is no flannel node, or has no CIDR yet, without complaint', () => {
    const s = state(input([{ ...peer, lease: undefined }, { ...peer, name: 'n3', podCidrs: [] }]));
    expect(s.routes).toEqual([]);
    expect(s.problems).toEqual([]);
  });

  it('lets the first by name have a subnet that two peers claim, in whatever order they come', () => {
    const other = node('n0', '10.42.1.0/24', '172.30.0.13', '22:ad:d0:5c:80:d7');
    expect(state(input([peer, other]))).toEqual(state(input([other, peer])));
    expect(state(input([peer, other])).fdb.map((f) => f.destination.text)).toEqual(['172.30.0.13']);
  });

  it.each([[undefined, 'not assigned'], ['192.168.0.0/24', 'outside Network']])('builds nothing for pod CIDR %s and says why', (podCidr, message) => {
    const own = node('n1', podCidr, '172.30.0.11', 'ae:ed:5f:f9:41:ad');
    expect(JSON.stringify(compileOverlay(input([peer], { self: own })))).toContain(message);
  });

  it('takes VNI, port, MTU, learning and GBP from net-conf', () => {
    const s = state(input([], { netConf: netConf('{"Type":"vxlan","VNI":42,"Port":4789,"MTU":1400,"Learning":true,"GBP":true}') }));
    expect(s.link).toMatchObject({ name: 'flannel.42', vni: 42, port: 4789, mtu: 1350, learning: true, gbp: true });
    expect(s.annotations['backend-data']).toBe('{"VNI":42,"VtepMAC":"ae:ed:5f:f9:41:ad"}');
  });

  it('adds a blackhole for its own CIDR when asked', () => {
    expect(state(input([], { blackholeRoute: true })).routes).toMatchObject([{ destination: cidr('10.42.0.0/24'), type: 'blackhole' }]);
  });
});

describe('backend-data', () => {
  it.each([
    ['{"VNI":1,"VtepMAC":"12:c6:65:89:b4:e3"}', '12:c6:65:89:b4:e3'],
    ['{"vtepmac":"12:C6:65:89:B4:E3"}', '12:c6:65:89:b4:e3'],
    ['{"VtepMAC":"12:c6:65:89:b4"}', undefined],
    ['"x"', undefined],
    ['null', undefined],
    ['{', undefined],
    [undefined, undefined],
  ])('%s holds %s', (data, mac) => expect(parseVtepMac(data)).toBe(mac));
});

describe('subnet.env', () => {
  it("has flannel's lines in flannel's order", () => {
    expect(subnetFileText(cidr('10.42.0.0/16'), cidr('10.42.0.0/24'), 1450, true)).toBe(
      'FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.0.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
    );
  });
});
