import { IpAddress } from '../../agent/base/address.js';
import { decodeNetworkPolicy } from '../../agent/datastore/decode/network-policy.js';
import type { Pod } from '../../agent/model/objects.js';
import { type Scene, endpointOf, keyed, policyKey } from './generate.js';

/** How one policy may name many CIDRs: all as peers of one rule, or each in a rule of its own with its own port. */
export type CidrShape = 'one rule' | 'a rule each';

/**
 * One local pod whose egress is one policy that names `count` CIDRs: thirds
 * are /20s, /24s in those and addresses in these, so that they nest; some have exceptions.
 */
export function manyCidrsScene(count: number, shape: CidrShape): Scene {
  const blocks = Array.from({ length: count }, (_, i) => ({ ipBlock: cidrBlock(i) }));
  const egress = shape === 'one rule' ? [{ to: blocks, ports: [{ port: 443 }] }] : blocks.map((block, i) => ({ to: [block], ports: [{ port: 1 + (i % 65_535) }] }));
  const raw = { metadata: { namespace: 'shop', name: 'many' }, spec: { podSelector: {}, policyTypes: ['Egress'], egress } };
  const policy = decodeNetworkPolicy(raw).policy!;
  const pod: Pod = {
    namespace: 'shop', name: 'web', uid: 'web', labels: {}, serviceAccount: 'default', hostNetwork: false, finished: false,
    nodeName: 'here', addresses: [IpAddress.parse('10.42.0.2')!], hostPorts: [], namedPorts: [],
  };
  const snapshot = {
    namespaces: keyed([{ name: 'shop', labels: {} }], (n) => n.name), pods: keyed([pod], (p) => `${p.namespace}/${p.name}`),
    nodes: new Map(), services: new Map(), endpointSlices: new Map(), policies: keyed([policy], policyKey), tiers: new Map(), problems: [],
  };
  return { snapshot, facts: { nodeName: 'here', endpoints: [endpointOf('shop', 'web', pod.addresses, 0)], strangers: [], hostAddresses: [] } };
}

/** From 20.0.0.0 up, a /20 for every three. */
function cidrBlock(i: number): { cidr: string; except?: string[] } {
  const net = Math.floor(i / 3);
  const at = (offset: number): string => IpAddress.fromBytes(Uint8Array.of(20 + (net >> 12), (net >> 4) & 255, (net & 15) << 4, 0)).plus(offset).text;
  if (i % 3 === 0) return { cidr: `${at(0)}/20` };
  if (i % 3 === 2) return { cidr: `${at(256 + 7)}/32` };
  return { cidr: `${at(256)}/24`, ...(net % 4 === 0 ? { except: [`${at(256 + 128)}/25`] } : {}) };
}
