import { describe, expect, it } from 'vitest';
import { decodeLabelSelector } from '../../../agent/datastore/decode/label-selector.js';
import { decodeNetworkPolicy } from '../../../agent/datastore/decode/network-policy.js';
import { SCTP, TCP, UDP } from '../../../agent/model/objects.js';
import type { Policy } from '../../../agent/model/policy.js';
import { ALL } from '../../../agent/model/selector.js';
import type { Problem } from '../../../agent/base/errors.js';
import { Random } from '../../support/random.js';

const raw = (spec: unknown): unknown => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace: 'shop', name: 'p' }, spec });
const decode = (spec: unknown): { policy: Policy; problems: Problem[] } => {
  const { policy, problems } = decodeNetworkPolicy(raw(spec));
  return { policy: policy!, problems };
};
const fields = (spec: unknown): string[] => decode(spec).problems.map((p) => p.field);
const app = (value: string): unknown => ({ matchLabels: { app: value } });
const appIs = (value: string) => ({ op: 'in', key: 'app', values: [value] });
const here = { name: 'shop' };
/** One case an element, also where that is a list. */
const each = (cases: readonly unknown[]): [unknown][] => cases.map((c) => [c]);
/** What a rule that allows nothing looks like. */
const NOTHING = { action: 'allow', peers: [{ nets: [] }], services: [] };

describe('a NetworkPolicy decodes', () => {
  it('to its namespace, selector, tier and order', () => {
    const { policy, problems } = decode({ podSelector: app('web') });
    expect(problems).toEqual([]);
    expect(policy).toEqual({
      key: { kind: 'NetworkPolicy', namespace: 'shop', name: 'p' }, tier: 'default', order: 1000,
      subject: { namespaces: here, pods: appIs('web') }, directions: ['ingress'], ingress: [], egress: [],
    });
  });

  const types: [string, unknown, string[]][] = [
    ['Ingress where policyTypes is absent', {}, ['ingress']],
    ['Ingress where policyTypes is empty', { policyTypes: [] }, ['ingress']],
    ['both where policyTypes is absent and there are egress rules', { egress: [{}] }, ['ingress', 'egress']],
    ['Ingress where policyTypes is absent and egress is empty, as the API server does', { egress: [] }, ['ingress']],
    ['what policyTypes says, whatever rules there are', { policyTypes: ['Egress'], ingress: [{}] }, ['egress']],
    ['both as given', { policyTypes: ['Egress', 'Ingress'] }, ['ingress', 'egress']],
    ['Ingress where policyTypes is null', { policyTypes: null, egress: null }, ['ingress']],
  ];
  it.each(types)('%s', (_, spec, directions) => expect(decode({ podSelector: {}, ...(spec as object) }).policy.directions).toEqual(directions));

  const peers: [string, unknown, unknown][] = [
    ['podSelector: pods of the policy\'s namespace', { podSelector: app('db') }, { selection: { namespaces: here, pods: appIs('db') } }],
    ['empty podSelector: every pod of the namespace', { podSelector: {} }, { selection: { namespaces: here, pods: ALL } }],
    ['namespaceSelector: every pod of those namespaces', { namespaceSelector: app('db') }, { selection: { namespaces: appIs('db'), pods: ALL } }],
    ['empty namespaceSelector: every pod', { namespaceSelector: {} }, { selection: { namespaces: ALL, pods: ALL } }],
    ['both: pods in those namespaces', { namespaceSelector: app('a'), podSelector: app('b') }, { selection: { namespaces: appIs('a'), pods: appIs('b') } }],
    ['null beside a selector: absent', { namespaceSelector: null, podSelector: {} }, { selection: { namespaces: here, pods: ALL } }],
  ];
  it.each(peers)('peer with %s', (_, peer, expected) => {
    expect(decode({ ingress: [{ from: [peer] }] }).policy.ingress[0]!.peers).toEqual([expected]);
    expect(decode({ egress: [{ to: [peer] }] }).policy.egress[0]!.peers).toEqual([expected]);
  });

  it('ipBlock with its exceptions, host bits cut off', () => {
    const [peer] = decode({ ingress: [{ from: [{ ipBlock: { cidr: '10.1.2.3/8', except: ['10.1.0.0/16', '10.2.0.0/16'] } }] }] }).policy.ingress[0]!.peers;
    expect(peer!.nets!.map(String)).toEqual(['10.0.0.0/8']);
    expect(peer!.notNets!.map(String)).toEqual(['10.1.0.0/16', '10.2.0.0/16']);
  });

  const ports: [string, unknown, unknown][] = [
    ['number, TCP where no protocol is given', { port: 80 }, { protocol: TCP, ports: [{ from: 80, to: 80 }] }],
    ['range', { protocol: 'UDP', port: 80, endPort: 90 }, { protocol: UDP, ports: [{ from: 80, to: 90 }] }],
    ['name', { protocol: 'TCP', port: 'http' }, { protocol: TCP, ports: [{ name: 'http' }] }],
    ['protocol alone: every port of it', { protocol: 'SCTP' }, { protocol: SCTP, ports: [] }],
    ['nothing: every TCP port', {}, { protocol: TCP, ports: [] }],
    ['null fields: absent', { protocol: null, port: null, endPort: null }, { protocol: TCP, ports: [] }],
  ];
  it.each(ports)('port with %s', (_, port, expected) => expect(decode({ ingress: [{ ports: [port] }] }).policy.ingress[0]!.services).toEqual([expected]));

  it.each([[{}], [{ from: [], ports: [] }], [{ from: null, ports: null }]])('an empty rule (%j) as everything', (rule) => {
    expect(decode({ ingress: [rule] }).policy.ingress).toEqual([{ action: 'allow', peers: [], services: [] }]);
  });

  it('every operator of matchExpressions', () => {
    const expression = (operator: string, values?: string[]) => decodeLabelSelector({ matchExpressions: [{ key: 'k', operator, values }] });
    expect(expression('In', ['a'])).toEqual({ ok: true, selector: { op: 'in', key: 'k', values: ['a'] } });
    expect(expression('NotIn', ['a'])).toEqual({ ok: true, selector: { op: 'not', of: { op: 'in', key: 'k', values: ['a'] } } });
    expect(expression('Exists')).toEqual({ ok: true, selector: { op: 'has', key: 'k' } });
    expect(expression('DoesNotExist')).toEqual({ ok: true, selector: { op: 'not', of: { op: 'has', key: 'k' } } });
  });
});

describe('what cannot be understood', () => {
  const BAD_SELECTORS = each([
    'all', [], 3, { matchLabels: 'x' }, { matchLabels: { a: 1 } }, { matchLabels: { 'a b': 'c' } }, { matchLabels: { '': 'c' } }, { matchLabels: { a: null } },
    { matchExpressions: {} }, { matchExpressions: [null] }, { matchExpressions: [{ key: 'a' }] }, { matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] },
    { matchExpressions: [{ key: 'a', operator: 'In' }] }, { matchExpressions: [{ key: 'a', operator: 'In', values: [1] }] }, { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['x'] }] },
    { matchExpressions: [{ operator: 'Exists' }] }, { matchExpressions: [{ key: 'a', operator: 'Exists', negate: true }] }, { matchFields: { a: 'b' } },
  ]);

  it.each(BAD_SELECTORS)('podSelector %j isolates the whole namespace, without the rules', (podSelector) => {
    const { policy, problems } = decode({ podSelector, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] });
    expect(policy).toMatchObject({ subject: { namespaces: here, pods: ALL }, directions: ['ingress', 'egress'], ingress: [], egress: [] });
    expect(problems[0]).toMatchObject({ object: 'NetworkPolicy shop/p' });
    expect(problems[0]!.field).toMatch(/^spec\.podSelector/);
  });

  it.each(BAD_SELECTORS)('peer with selector %j matches nothing', (selector) => {
    for (const field of ['podSelector', 'namespaceSelector']) {
      const { policy, problems } = decode({ ingress: [{ from: [{ [field]: selector }] }] });
      expect(policy.ingress).toEqual([NOTHING]);
      expect(problems[0]!.field).toMatch(new RegExp(`^spec\\.ingress\\[0\\]\\.from\\[0\\]\\.${field}`));
    }
  });

  const BAD_PEERS = each([
    null, {}, [], 'x', 1, { ipBlock: {} }, { ipBlock: 'x' }, { ipBlock: { cidr: '10.0.0.0' } }, { ipBlock: { cidr: '10.0.0.0/33' } }, { ipBlock: { cidr: 8 } }, { ipBlock: { cidr: '10.0.0.0/8 ' } },
    { ipBlock: { cidr: '10.0.0.0/8', except: 'x' } }, { ipBlock: { cidr: '10.0.0.0/8', except: ['x'] } }, { ipBlock: { cidr: '10.0.0.0/8', except: [null, '10.1.0.0/16'] } },
    { ipBlock: { cidr: '10.0.0.0/8', not: [] } }, { ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }, { serviceSelector: {} }, { podSelector: {}, serviceSelector: {} }, { podSelector: null },
  ]);
  it.each(BAD_PEERS)('peer %j matches nothing, and its neighbours stay', (peer) => {
    expect(decode({ ingress: [{ from: [peer] }] }).policy.ingress).toEqual([NOTHING]);
    const { policy, problems } = decode({ ingress: [{ from: [peer, { podSelector: {} }] }] });
    expect(policy.ingress[0]!.peers).toEqual([{ selection: { namespaces: here, pods: ALL } }]);
    expect(problems).toHaveLength(1);
  });

  const BAD_PORTS = each([
    null, [], 80, 'http', { port: 0 }, { port: 65536 }, { port: 80.5 }, { port: '80' }, { port: '' }, { port: 'HTTP' }, { port: 'x'.repeat(16) }, { port: {} }, { protocol: 'ICMP' }, { protocol: 'tcp' }, { protocol: 6 },
    { endPort: 90 }, { port: 'http', endPort: 90 }, { port: 80, endPort: 79 }, { port: 80, endPort: 70000 }, { port: 80, endPort: '90' }, { port: 80, startPort: 7 },
  ]);
  it.each(BAD_PORTS)('port %j matches nothing, and its neighbours stay', (port) => {
    expect(decode({ ingress: [{ ports: [port] }] }).policy.ingress).toEqual([NOTHING]);
    expect(decode({ ingress: [{ ports: [port, { port: 443 }] }] }).policy.ingress[0]!.services).toEqual([{ protocol: TCP, ports: [{ from: 443, to: 443 }] }]);
    expect(fields({ ingress: [{ ports: [port] }] })[0]).toMatch(/^spec\.ingress\[0\]\.ports\[0\]/);
  });

  it.each(each([null, 'x', 3, [], { from: 'x' }, { from: {} }, { ports: 80 }, { ports: {} }, { from: [{ podSelector: {} }], sources: [] }]))('rule %j allows nothing', (rule) => {
    expect(decode({ ingress: [rule] }).policy.ingress).toEqual([NOTHING]);
    expect(fields({ ingress: [rule] }).length).toBeGreaterThan(0);
  });

  it('keeps the index of the rules after it, so that names stay true', () => {
    const { policy } = decode({ ingress: ['broken', { ports: [{ port: 80 }] }] });
    expect(policy.ingress).toHaveLength(2);
    expect(policy.ingress[1]!.services).toEqual([{ protocol: TCP, ports: [{ from: 80, to: 80 }] }]);
  });

  it.each(each(['x', 3, []]))('spec %j isolates the whole namespace both ways', (spec) => {
    expect(decode(spec).policy).toMatchObject({ subject: { namespaces: here, pods: ALL }, directions: ['ingress', 'egress'], ingress: [], egress: [] });
  });

  it.each(each(['Ingress', ['ingress'], [null], ['Ingress', 'Both'], {}, 3]))('policyTypes %j isolates both ways', (policyTypes) => {
    expect(decode({ policyTypes }).policy.directions).toEqual(['ingress', 'egress']);
    expect(fields({ policyTypes })[0]).toMatch(/^spec\.policyTypes/);
  });

  it.each(['x', {}, 3])('rules %j of a direction allow nothing but isolate it', (egress) => {
    const { policy } = decode({ egress });
    expect(policy.directions).toEqual(['ingress', 'egress']);
    expect(policy.egress).toEqual([]);
  });

  it.each(each([undefined, null, 'x', 3, [], {}, { metadata: null }, { metadata: { name: 'p' } }, { metadata: { namespace: 'shop', name: 3 } }]))('an object without a name (%j) is a problem and no policy', (object) => {
    const { policy, problems } = decodeNetworkPolicy(object);
    expect(policy).toBeUndefined();
    expect(problems).toHaveLength(1);
  });

  it('never throws and never turns a rule into one for everybody, wherever a wrong type stands', () => {
    const seed = Number(process.env['CANAL_TEST_SEED'] ?? 7);
    const random = new Random(seed);
    for (let i = 0; i < 5000; i++) {
      const broken = mutate(random, sample()) as { spec: unknown };
      const { policy } = decodeNetworkPolicy(broken);
      if (policy === undefined) continue;
      for (const rule of [...policy.ingress, ...policy.egress]) expect(rule.peers.length, `seed ${seed}: ${JSON.stringify(broken)}`).toBeGreaterThan(0);
    }
  });

  it('never throws, wherever null stands', () => {
    const paths = (value: unknown, path: readonly string[] = []): (readonly string[])[] =>
      typeof value === 'object' && value !== null ? [path, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...path, key]))] : [path];
    const put = (value: unknown, [key, ...rest]: readonly string[]): unknown => {
      if (key === undefined) return null;
      const inner = put((value as Record<string, unknown>)[key], rest);
      return Array.isArray(value) ? value.with(Number(key), inner) : { ...(value as object), [key]: inner };
    };
    for (const path of paths(sample())) expect(() => decodeNetworkPolicy(put(sample(), path))).not.toThrow();
  });
});

const sample = (): unknown => raw({
  podSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'env', operator: 'In', values: ['prod'] }] },
  policyTypes: ['Ingress', 'Egress'],
  ingress: [{ from: [{ podSelector: app('a'), namespaceSelector: app('b') }, { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [{ port: 80, endPort: 90 }] }],
  egress: [{ to: [{ podSelector: app('c') }], ports: [{ protocol: 'UDP', port: 'dns' }] }],
});

/** Puts something of a wrong type in one random place below the spec, where absent would not have been right as well. */
function mutate(random: Random, value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || (depth > 1 && random.chance(0.1))) {
    return random.pick<unknown>([0, -1, 1e9, '', 'x', true, { x: {} }, [0], [null], ['x'], [{ x: 1 }]]);
  }
  if (Array.isArray(value)) {
    const copy: unknown[] = [...(value as unknown[])];
    const i = random.int(0, copy.length - 1);
    copy[i] = mutate(random, copy[i], depth + 1);
    return copy;
  }
  const [name, inner] = random.pick(Object.entries(value));
  return { ...value, [name]: mutate(random, inner, depth + 1) };
}
