import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import { parseVtepMac } from '../../../agent/compile/overlay/lease.js';
import { compileOverlay, type OverlayState } from '../../../agent/compile/overlay/overlay.js';
import { subnetFileText } from '../../../agent/compile/overlay/subnet-file.js';
import { parseNetConf } from '../../../agent/daemon/settings/net-conf.js';
import type { KubeClient } from '../../../agent/datastore/client.js';
import { Interner } from '../../../agent/datastore/decode/intern.js';
import { nodeDecoder } from '../../../agent/datastore/decode/node.js';
import { publishLease, setNetworkAvailable } from '../../../agent/datastore/node-writer.js';
import type { Node } from '../../../agent/model/objects.js';
import { ManualClock } from '../../support/manual-clock.js';

// What flanneld v0.28.10 did, word for word, on node3 of a cluster whose node1
// and node2 ran canal: canal in its place must leave the same.
const PREFIX = 'flannel.alpha.coreos.com/';
const PATCH = String.raw`{"metadata":{"annotations":{"flannel.alpha.coreos.com/backend-data":"{\"VNI\":1,\"VtepMAC\":\"86:c2:2b:a3:f9:30\"}","flannel.alpha.coreos.com/backend-type":"vxlan","flannel.alpha.coreos.com/kube-subnet-manager":"true","flannel.alpha.coreos.com/public-ip":"172.30.0.13"}}}`;
const CONDITION = `{"status":{"conditions":[{"type":"NetworkUnavailable","status":"False","lastHeartbeatTime":"2026-11-21T13:10:17Z","lastTransitionTime":"2026-11-21T13:10:17Z","reason":"FlannelIsUp","message":"Flannel is running on this node"}]}}`;
const LINK = 'mtu 1450 link/ether 86:c2:2b:a3:f9:30 vxlan id 1 local 172.30.0.13 dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto';
const ADDRESS = 'inet 10.42.2.0/32 scope global flannel.1';
const FDB = ['aa:c7:d2:5d:38:a6 dst 172.30.0.11 self permanent', 'ba:0a:bc:d7:5e:0c dst 172.30.0.12 self permanent'];
const NEIGHBOURS = ['10.42.0.0 lladdr aa:c7:d2:5d:38:a6 PERMANENT', '10.42.1.0 lladdr ba:0a:bc:d7:5e:0c PERMANENT'];
const ROUTES = [
  'unicast 10.42.0.0/24 via 10.42.0.0 dev flannel.1 proto boot scope global onlink',
  'unicast 10.42.1.0/24 via 10.42.1.0 dev flannel.1 proto boot scope global onlink',
];
const SUBNET_ENV = 'FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.2.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
const NET_CONF = '{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan"}}';

const annotations = (vtepMac: string, publicIp: string): Record<string, string> => ({
  [`${PREFIX}backend-data`]: `{"VNI":1,"VtepMAC":"${vtepMac}"}`,
  [`${PREFIX}backend-type`]: 'vxlan',
  [`${PREFIX}kube-subnet-manager`]: 'true',
  [`${PREFIX}public-ip`]: publicIp,
});

const decode = nodeDecoder(PREFIX, new Interner());
const node = (name: string, podCIDR: string, published: Record<string, string>): Node => decode({ metadata: { name, annotations: published }, spec: { podCIDR, podCIDRs: [podCIDR] } }).value!;

const seenAnnotations = (JSON.parse(PATCH) as { metadata: { annotations: Record<string, string> } }).metadata.annotations;
const self = node('node3', '10.42.2.0/24', seenAnnotations);
const peers = [
  node('node1', '10.42.0.0/24', annotations('aa:c7:d2:5d:38:a6', '172.30.0.11')),
  node('node2', '10.42.1.0/24', annotations('ba:0a:bc:d7:5e:0c', '172.30.0.12')),
];
const DEVICES = new Map([[2, 'eth0'], [3, 'flannel.1']]);

function canal(): OverlayState {
  const address = IpAddress.parse('172.30.0.13')!;
  const state = compileOverlay({
    self,
    nodes: new Map([self, ...peers].map((each) => [each.name, each])),
    netConf: parseNetConf(NET_CONF, 'net-conf.json'),
    uplink: { ifindex: 2, name: 'eth0', mtu: 1500, address, externalAddress: address },
    vtepMac: parseVtepMac(self.flannelAnnotations['backend-data'])!,
    overlayIfindex: 3,
    onLink: () => false,
    blackholeRoute: false,
  });
  if ('field' in state) throw new Error(state.message);
  return state;
}

describe('in place of the flanneld that was seen, canal', () => {
  const state = canal();

  it('wants the same device and address', () => {
    const { mtu, mac, vni, local, lowerIfindex, port, learning, gbp } = state.link;
    const text = `mtu ${mtu} link/ether ${mac} vxlan id ${vni} local ${local.text} dev ${DEVICES.get(lowerIfindex)} srcport 0 0 dstport ${port === 0 ? 8472 : port} ${learning ? '' : 'no'}learning ttl auto${gbp ? ' gbp' : ''}`;
    expect(text).toBe(LINK);
    expect(state.addresses.map((a) => `inet ${a.address.text}/${a.prefixLength} scope global ${DEVICES.get(a.ifindex)}`)).toEqual([ADDRESS]);
  });

  it('wants the same FDB, neighbours and routes', () => {
    expect([...state.fdb.values()].map((f) => `${f.mac} dst ${f.destination.text} self permanent`)).toEqual(FDB);
    expect([...state.neighbours.values()].map((n) => `${n.address.text} lladdr ${n.mac} PERMANENT`)).toEqual(NEIGHBOURS);
    const scope = { universe: 'global', link: 'link' };
    expect(
      [...state.peerRoutes.values(), ...state.routes].map((r) => `${r.type} ${r.destination.text} via ${r.gateway!.text} dev ${DEVICES.get(r.ifindex)} proto ${r.protocol === 3 ? 'boot' : r.protocol} scope ${scope[r.scope]}${r.onlink ? ' onlink' : ''}`),
    ).toEqual(ROUTES);
  });

  it('writes the same subnet.env', () => expect(subnetFileText(state.network, state.subnet, state.mtu, true)).toBe(SUBNET_ENV));

  it('writes no lease where flanneld has left its own', async () => {
    const { client, bodies } = recorder({ metadata: { annotations: seenAnnotations } });
    expect(await publishLease({ client, clock: new ManualClock(), node: 'node3' }, PREFIX, state.annotations)).toBe(false);
    expect(bodies).toEqual([]);
  });

  it('writes the lease in the same bytes where there is none', async () => {
    const { client, bodies } = recorder({ metadata: {} });
    await publishLease({ client, clock: new ManualClock(), node: 'node3' }, PREFIX, state.annotations);
    expect(bodies).toEqual([['strategic', 'status', PATCH]]);
  });

  it('sets the same condition', async () => {
    const { client, bodies } = recorder({ metadata: {} });
    await setNetworkAvailable({ client, clock: new ManualClock(), node: 'node3' });
    const timeless = (body: string): unknown => JSON.parse(body.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME'));
    expect(bodies.map(([, , body]) => timeless(body))).toEqual([timeless(CONDITION)]);
  });
});

describe('back in place of canal, flanneld', () => {
  // pkg/subnet/kube/kube.go GetStoredMacAddresses: by position, not by name.
  const storedMac = (data: string): string | undefined => {
    const parts = data.replace(/^["}]+|["}]+$/g, '').split(':"');
    return parts.length === 2 ? parts[1] : undefined;
  };

  it("finds the MAC that it keeps the device by in canal's lease", () => {
    const data = canal().annotations['backend-data']!;
    expect(storedMac(data)).toBe('86:c2:2b:a3:f9:30');
    expect(storedMac('{"VNI":1, "VtepMAC": "86:c2:2b:a3:f9:30"}')).toBeUndefined(); // what one blank would do
  });
});

type Body = readonly [kind: string, subresource: string | undefined, body: string];

/** A node as the API server has it; what is patched comes out as bytes. */
function recorder(object: object): { readonly client: KubeClient; readonly bodies: Body[] } {
  const bodies: Body[] = [];
  const client = {
    get: () => Promise.resolve(object),
    patch: (_resource: unknown, _ref: unknown, kind: string, body: unknown, options: { subresource?: string }) => {
      bodies.push([kind, options.subresource, JSON.stringify(body)]);
      return Promise.resolve(object);
    },
  };
  return { client: client as unknown as KubeClient, bodies };
}
