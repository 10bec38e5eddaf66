import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import { contentId } from '../../../agent/base/hash.js';
import { compilePolicy } from '../../../agent/compile/policy/compiler.js';
import { type Packet, evaluate, icmpPort } from '../../../agent/compile/policy/evaluate.js';
import { lookup } from '../../../agent/compile/policy/lookup.js';
import { decodeNetworkPolicy } from '../../../agent/datastore/decode/network-policy.js';
import { ICMP, type NamedPort, type Pod, TCP, UDP } from '../../../agent/model/objects.js';
import type { Policy, Tier } from '../../../agent/model/policy.js';
import { shuffledScene } from '../../oracle/edit.js';
import { type Scene, endpointOf, keyed, policyKey } from '../../oracle/generate.js';
import { Random } from '../../support/random.js';

// A small shop: `api` and `db` are on this node, the others are not.
const http: NamedPort = { name: 'http', protocol: TCP, port: 8080 };
const pod = (name: string, address: string, labels: Record<string, string>, more: Partial<Pod> = {}): Pod => ({
  namespace: 'shop', name, uid: name, labels, serviceAccount: 'default', nodeName: 'elsewhere', hostNetwork: false, addresses: [IpAddress.parse(address)!], finished: false, namedPorts: [], hostPorts: [], ...more,
});
const API = pod('api', '10.42.0.3', { app: 'api' }, { nodeName: 'here', namedPorts: [http] });
const DB = pod('db', '10.42.0.4', { app: 'db' }, { nodeName: 'here', namedPorts: [{ name: 'http', protocol: TCP, port: 9000 }] });
const WEB = pod('web', '10.42.1.2', { app: 'web' }, { namedPorts: [{ name: 'http', protocol: TCP, port: 80 }] });
const EVIL = pod('evil', '10.42.2.2', { app: 'web' }, { namespace: 'other' });
const PEER = pod('peer', '10.42.2.3', { app: 'api' }, { namespace: 'other', namedPorts: [{ name: 'http', protocol: UDP, port: 80 }] });

const np = (name: string, spec: unknown): Policy => decodeNetworkPolicy({ metadata: { namespace: 'shop', name }, spec }).policy!;
const calico = (name: string, more: Partial<Policy>): Policy => ({
  key: { kind: 'CalicoNetworkPolicy', namespace: 'shop', name }, tier: 'default', order: 10, subject: { namespaces: { name: 'shop' }, pods: { op: 'all' } },
  directions: ['ingress'], ingress: [], egress: [], ...more,
});
const all = { peers: [], services: [] };

interface World { readonly pods?: readonly Pod[]; readonly tiers?: readonly Tier[]; readonly namespaces?: readonly string[] }

function scene(policies: readonly Policy[], { pods = [API, DB, WEB, EVIL, PEER], tiers = [], namespaces = ['shop', 'other'] }: World = {}): Scene {
  return {
    snapshot: {
      namespaces: keyed(namespaces.map((name) => ({ name, labels: { team: name } })), (n) => n.name),
      pods: keyed(pods, (p) => `${p.namespace}/${p.name}`), nodes: new Map(), services: new Map(), endpointSlices: new Map(), policies: keyed(policies, policyKey), tiers: keyed(tiers, (t) => t.name), problems: [],
    },
    facts: {
      nodeName: 'here', strangers: [], hostAddresses: [IpAddress.parse('192.168.7.1')!],
      endpoints: [API, DB].map((p, i) => endpointOf('shop', p.name, p.addresses, i)),
    },
  };
}

/** `from to protocol port verdict [rule]`; pods by name, or addresses. The verdict is that of the end that denies, or of the receiving pod. */
type Expectation = readonly [from: string, to: string, protocol: number, port: number, verdict: 'allow' | 'deny', rule?: string];

const addressOf = (name: string): IpAddress => IpAddress.parse(name) ?? [API, DB, WEB, EVIL, PEER].find((p) => p.name === name)!.addresses[0]!;

function check({ snapshot, facts }: Scene, [from, to, protocol, port, verdict, rule]: Expectation): void {
  const packet: Packet = { source: addressOf(from), destination: addressOf(to), protocol, port };
  const label = `${from} to ${to} ${protocol}:${port}`;
  const result = evaluate(snapshot, facts, packet);
  expect(result.allow ? 'allow' : 'deny', label).toBe(verdict);
  const decisive = !result.egress.allow || !result.ingress.applies ? result.egress : result.ingress;
  if (rule !== undefined) expect(decisive.rule ?? '', label).toBe(rule);
  const state = compilePolicy(snapshot, facts);
  for (const judgement of [result.egress, result.ingress]) {
    if (judgement.pod === undefined || (judgement.direction === 'ingress' && from === '192.168.7.1')) continue;
    const tables = state.endpoints.get(judgement.pod)!;
    const [table, peer] = judgement.direction === 'ingress' ? [tables.ingressTable, packet.source] : [tables.egressTable, packet.destination];
    const found = lookup(state, table, peer, protocol, port).verdict!;
    expect([found.allow, found.rule], `${label} ${judgement.direction} in the tables`).toEqual([judgement.allow, judgement.rule === undefined ? 0n : contentId(judgement.rule)]);
  }
}

const web = { podSelector: { matchLabels: { app: 'web' } } };
const cases: [string, Scene, Expectation[]][] = [
  ['no policy: everything passes', scene([]), [['evil', 'api', TCP, 80, 'allow', ''], ['api', 'evil', UDP, 53, 'allow', '']]],
  ['a policy without rules isolates the pods it selects, in its directions, and no others', scene([np('p', { podSelector: { matchLabels: { app: 'api' } } })]), [
    ['web', 'api', TCP, 80, 'deny', ''], ['api', 'web', TCP, 80, 'allow'], ['web', 'db', TCP, 80, 'allow'], ['web', 'api', ICMP, icmpPort(8, 0), 'deny'],
  ]],
  ['the node itself always reaches its pods', scene([np('p', { podSelector: {} })]), [['192.168.7.1', 'api', TCP, 80, 'allow']]],
  ['podSelector means the policy\'s own namespace', scene([np('p', { podSelector: {}, ingress: [{ from: [web] }] })]), [
    ['web', 'api', TCP, 80, 'allow', 'NetworkPolicy/shop/p/ingress/0'], ['evil', 'api', TCP, 80, 'deny'], ['10.42.9.9', 'api', TCP, 80, 'deny'],
  ]],
  ['namespaceSelector and podSelector together ask both', scene([np('p', { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'other' } }, ...web }] }] })]), [
    ['evil', 'api', TCP, 80, 'allow'], ['peer', 'api', TCP, 80, 'deny'], ['web', 'api', TCP, 80, 'deny'],
  ]],
  ['several policies add up, in any order', scene([np('b', { podSelector: {}, ingress: [{ from: [web] }] }), np('a', { podSelector: {}, ingress: [{ ports: [{ port: 443 }] }] })]), [
    ['evil', 'api', TCP, 443, 'allow', 'NetworkPolicy/shop/a/ingress/0'], ['web', 'api', TCP, 443, 'allow', 'NetworkPolicy/shop/a/ingress/0'], ['web', 'api', UDP, 1, 'allow', 'NetworkPolicy/shop/b/ingress/0'], ['evil', 'api', TCP, 80, 'deny'],
  ]],
  ['both ends have a say between pods of one node', scene([np('p', { podSelector: { matchLabels: { app: 'api' } }, policyTypes: ['Egress'], egress: [{ ports: [{ port: 5432 }] }] })]), [
    ['api', 'db', TCP, 5432, 'allow'], ['api', 'db', TCP, 80, 'deny', ''], ['db', 'api', TCP, 80, 'allow'],
  ]],
  ['port ranges hold to both ends and no further', scene([np('p', { podSelector: {}, ingress: [{ ports: [{ port: 1000, endPort: 2000 }] }] })]), [
    ['web', 'api', TCP, 999, 'deny'], ['web', 'api', TCP, 1000, 'allow'], ['web', 'api', TCP, 2000, 'allow'], ['web', 'api', TCP, 2001, 'deny'], ['web', 'api', UDP, 1500, 'deny'],
  ]],
  ['the highest port is a port', scene([np('p', { podSelector: {}, ingress: [{ ports: [{ port: 65535 }] }] })]), [['web', 'api', TCP, 65535, 'allow'], ['web', 'api', TCP, 65534, 'deny']]],
  ['a named port of ingress is the receiving pod\'s own number', scene([np('p', { podSelector: {}, ingress: [{ ports: [{ port: 'http' }] }] })]), [
    ['web', 'api', TCP, 8080, 'allow'], ['web', 'api', TCP, 9000, 'deny'], ['web', 'db', TCP, 9000, 'allow'], ['web', 'db', TCP, 8080, 'deny'],
  ]],
  ['a named port of egress is the peer\'s, of the rule\'s protocol', scene([np('p', { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'http' }] }] })]), [
    ['api', 'web', TCP, 80, 'allow'], ['api', 'web', TCP, 8080, 'deny'], ['api', 'db', TCP, 9000, 'allow'], ['api', 'peer', TCP, 80, 'deny'], ['api', '10.1.1.1', TCP, 80, 'deny'],
  ]],
  ['ipBlock counts for any address, pods included, but its exceptions', scene([np('p', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.42.0.0/16'] } }, { ipBlock: { cidr: '10.42.2.2/32' } }] }] })]), [
    ['10.1.1.1', 'api', TCP, 80, 'allow'], ['10.42.200.1', 'api', TCP, 80, 'deny'], ['web', 'api', TCP, 80, 'deny'], ['evil', 'api', TCP, 80, 'allow'], ['11.0.0.1', 'api', TCP, 80, 'deny'],
  ]],
  ['an exception may be a single address, and a longer prefix in it allowed again by another peer', scene([np('p', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.9.9.9/32'] } }, { ipBlock: { cidr: '10.1.1.0/24' } }] }] })]), [
    ['10.9.9.8', 'api', TCP, 80, 'allow'], ['10.9.9.9', 'api', TCP, 80, 'deny'], ['10.1.2.1', 'api', TCP, 80, 'deny'], ['10.1.1.1', 'api', TCP, 80, 'allow'],
  ]],
  ['a pod\'s own row carries the CIDRs that cover it', scene([np('p', { podSelector: {}, ingress: [{ from: [web], ports: [{ port: 80 }] }, { from: [{ ipBlock: { cidr: '10.42.0.0/16' } }], ports: [{ port: 443 }] }] })]), [
    ['web', 'api', TCP, 80, 'allow'], ['web', 'api', TCP, 443, 'allow'], ['evil', 'api', TCP, 443, 'allow'], ['evil', 'api', TCP, 80, 'deny'],
  ]],
  ['a finished pod\'s address is nobody\'s, and the next owner\'s', scene([np('p', { podSelector: {}, ingress: [{ from: [web] }] })], { pods: [API, DB, { ...WEB, finished: true }, { ...EVIL, addresses: WEB.addresses }] }), [['web', 'api', TCP, 80, 'deny']]],
  ['selectors do not speak of pods on the host\'s network, nets do', scene([np('p', { podSelector: {}, ingress: [{ from: [web], ports: [{ port: 80 }] }, { from: [{ ipBlock: { cidr: '10.42.0.0/16' } }], ports: [{ port: 443 }] }] })], { pods: [API, DB, { ...WEB, hostNetwork: true }] }), [
    ['web', 'api', TCP, 80, 'deny'], ['web', 'api', TCP, 443, 'allow'],
  ]],
  ['of two live pods with one address, the one that may less decides', scene([np('p', { podSelector: {}, ingress: [{ from: [web] }] })], { pods: [API, DB, WEB, { ...EVIL, addresses: WEB.addresses }] }), [['web', 'api', TCP, 80, 'deny', '']]],
  ['a pod whose object is not known is denied everything', scene([], { pods: [DB, WEB] }), [['web', 'api', TCP, 80, 'deny', ''], ['api', 'web', TCP, 80, 'deny'], ['web', 'db', TCP, 80, 'allow']]],
  ['a pod whose namespace is not known is denied everything', scene([], { namespaces: ['other'] }), [['web', 'api', TCP, 80, 'deny'], ['api', 'web', TCP, 80, 'deny']]],
  ['tiers go by order, pass leaves for the next, and the end of a tier denies', scene([
    calico('early', { tier: 'early', ingress: [{ ...all, action: 'pass', services: [{ protocol: TCP, ports: [{ from: 80, to: 80 }] }] }, { ...all, action: 'log' }, { ...all, action: 'deny', services: [{ protocol: UDP, ports: [] }] }] }),
    calico('late', { ingress: [{ ...all, action: 'allow' }] }),
  ], { tiers: [{ name: 'early', order: 1, defaultAction: 'deny' }] }), [
    ['web', 'api', TCP, 80, 'allow', 'CalicoNetworkPolicy/shop/late/ingress/0'], ['web', 'api', UDP, 80, 'deny', 'CalicoNetworkPolicy/shop/early/ingress/2'], ['web', 'api', TCP, 81, 'deny', ''],
  ]],
  ['a tier that passes at its end denies nobody', scene([calico('only', { tier: 'soft' })], { tiers: [{ name: 'soft', order: 1, defaultAction: 'pass' }] }), [['web', 'api', TCP, 80, 'allow', '']]],
  ['in a tier, order decides before the name does', scene([
    calico('a', { order: 20, ingress: [{ ...all, action: 'deny' }] }), calico('b', { order: 10, ingress: [{ ...all, action: 'allow' }] }), calico('c', { order: undefined, ingress: [{ ...all, action: 'deny' }] }),
  ]), [['web', 'api', TCP, 80, 'allow', 'CalicoNetworkPolicy/shop/b/ingress/0']]],
  ['notNets alone means everybody else', scene([calico('p', { ingress: [{ action: 'allow', peers: [{ notNets: [np('x', { ingress: [{ from: [{ ipBlock: { cidr: '10.42.0.0/16' } }] }] }).ingress[0]!.peers[0]!.nets![0]!] }], services: [] }] })]), [
    ['8.8.8.8', 'api', TCP, 80, 'allow'], ['web', 'api', TCP, 80, 'deny'], ['10.42.77.1', 'api', TCP, 80, 'deny'],
  ]],
];

const orders: [string, (s: Scene) => Scene][] = [
  ['as written', (s) => s],
  ['reversed', (s) => ({ ...s, snapshot: { ...s.snapshot, pods: new Map([...s.snapshot.pods].reverse()), policies: new Map([...s.snapshot.policies].reverse()), tiers: new Map([...s.snapshot.tiers].reverse()) } })],
  ['shuffled', (s) => shuffledScene(new Random(7), s)],
];

describe.each(orders)('%s', (_, reorder) => {
  it.each(cases)('%s', (_, written, expectations) => {
    for (const expectation of expectations) check(reorder(written), expectation);
  });
});

describe('a compiled state', () => {
  it('gives pods under the same policies one table, and no table where nothing isolates', () => {
    const { endpoints, tables } = compilePolicy(...inputs(scene([np('p', { podSelector: {}, ingress: [{ from: [web] }] })])));
    const [api, db] = [endpoints.get('shop/api')!, endpoints.get('shop/db')!];
    expect(api.ingressTable).toBe(db.ingressTable);
    expect(api.egressTable).toBe(0n);
    expect(tables.size).toBe(1);
  });

  it('has no row for addresses that no rule in force on this node speaks of', () => {
    const state = compilePolicy(...inputs(scene([np('p', { podSelector: { matchLabels: { app: 'nowhere' } }, ingress: [{ from: [web, { ipBlock: { cidr: '10.0.0.0/8' } }] }] })])));
    expect([state.peers.size, state.cidrs.size, state.tables.size, state.rows.size]).toEqual([0, 0, 0, 0]);
  });

  it('is what the README says', () => {
    const spec = { podSelector: { matchLabels: { app: 'api' } }, ingress: [{ from: [web], ports: [{ port: 8080, endPort: 8083 }] }, { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.42.0.0/16'] } }] }] };
    const state = compilePolicy(...inputs(scene([np('p', spec)])));
    expect([...state.peers.keys()]).toEqual(['10.42.1.2']);
    expect(new Map([...state.cidrs.values()].map((row) => [row.cidr.text, row.classId === 0n]))).toEqual(new Map([['10.42.0.0/16', true], ['10.0.0.0/8', false]]));
    const entries = state.tables.get(state.endpoints.get('shop/api')!.ingressTable)!;
    expect(entries.size).toBe(3);
    const some = state.rows.get(entries.get(state.peers.get('10.42.1.2')!.classId)!)!;
    expect(some.map((r) => [r.protocol, r.port, r.portBits, r.verdict.allow])).toEqual([[undefined, 0, 0, false], [TCP, 8080, 14, true]]);
    expect([...state.rules.values()].sort()).toEqual(['NetworkPolicy/shop/p/ingress/0', 'NetworkPolicy/shop/p/ingress/1']);
  });
});

describe('an explanation', () => {
  it('tells which policies select the pod and why each rule did or did not match', () => {
    const { snapshot, facts } = scene([np('p', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.42.0.0/16'] } }] }, { from: [web], ports: [{ port: 443 }] }] })]);
    const { ingress } = evaluate(snapshot, facts, { source: addressOf('evil'), destination: addressOf('api'), protocol: TCP, port: 80 });
    expect(ingress.steps).toEqual([
      { kind: 'policy', tier: 'default', policy: 'NetworkPolicy/shop/p' },
      { kind: 'rule', rule: 'NetworkPolicy/shop/p/ingress/0', action: 'allow', matched: false, why: '10.42.2.2 is excepted by 10.42.0.0/16' },
      { kind: 'rule', rule: 'NetworkPolicy/shop/p/ingress/1', action: 'allow', matched: false, why: 'protocol 6 port 80 is none of 6:443' },
      { kind: 'end', tier: 'default', action: 'deny' },
    ]);
  });
});

const inputs = ({ snapshot, facts }: Scene): [Scene['snapshot'], Scene['facts']] => [snapshot, facts];
