import { describe, expect, it } from 'vitest';
import { defaultNetworkPolicy, validateNetworkPolicy } from '../../../agent/apiserver/kinds/network-policy-rules.js';
import type { Fields, KubeObject } from '../../../agent/apiserver/kube-object.js';
import { builtInKinds } from '../../../agent/apiserver/registry/kinds.js';
import { decode } from '../../../agent/apiserver/schema/decode.js';
import { duplicateFields } from '../../../agent/apiserver/schema/duplicate-fields.js';
import { modelSchema } from '../../../agent/apiserver/schema/model-schema.js';
import { humanDuration } from '../../../agent/apiserver/table/column.js';
import { labelPredicate, selectorOf } from '../../../agent/apiserver/verbs/selectors.js';

const policy = (spec: Fields): KubeObject => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'p' }, spec });
const errorsOf = (spec: Fields): string[] => {
  const object = policy(spec);
  defaultNetworkPolicy(object);
  return validateNetworkPolicy(object).map(({ field, message }) => `${field}: ${message}`);
};
const from = (ipBlock: Fields): Fields => ({ podSelector: {}, ingress: [{ from: [{ ipBlock }] }] });
const port = (fields: Fields): Fields => ({ podSelector: {}, ingress: [{ ports: [fields] }] });

describe('NetworkPolicy', () => {
  it('is about egress too if it has egress rules', () => {
    const withEgress = policy({ podSelector: {}, egress: [{ ports: [{ port: 53 }] }] });
    defaultNetworkPolicy(withEgress);
    expect(withEgress['spec']).toEqual({ podSelector: {}, egress: [{ ports: [{ port: 53, protocol: 'TCP' }] }], policyTypes: ['Ingress', 'Egress'] });
  });

  it.each<[string, Fields, string[]]>([
    ['a good block', from({ cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] }), []],
    ['a block without prefix length', from({ cidr: '10.0.0.1' }), ['spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
    ['an exception outside', from({ cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] }), ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`']],
    ['an exception as large', from({ cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] }), ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`']],
    ['an empty peer', { podSelector: {}, ingress: [{ from: [{}] }] }, ['spec.ingress[0].from[0]: Required value: must specify a peer']],
    ['a block beside a selector', { podSelector: {}, ingress: [{ from: [{ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] }] }, ['spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer']],
    ['a port out of range', port({ port: 70_000 }), ['spec.ingress[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive']],
    ['a range that ends before it starts', port({ port: 80, endPort: 79 }), ['spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`']],
    ['a range from a named port', port({ port: 'http', endPort: 90 }), ['spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric']],
    ['an unknown protocol', port({ port: 80, protocol: 'ICMP' }), ['spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"']],
    ['an unknown operator', { podSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } }, ['spec.podSelector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator']],
    ['In without values', { podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }, ["spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"]],
  ])('with %s says so', (_title, spec, expected) => {
    expect(errorsOf(spec)).toEqual(expected);
  });
});

describe('decoding', () => {
  const schema = modelSchema('V1Pod');

  it('drops unknown fields and nulls and reports the former with their path', () => {
    const { value, unknownFields } = decode({ spec: { containers: [{ name: 'a', foo: 1, image: null }], bar: {} } }, schema);
    expect(value).toEqual({ spec: { containers: [{ name: 'a' }] } });
    expect(unknownFields).toEqual(['spec.containers[0].foo', 'spec.bar']);
  });

  it('refuses a value of the wrong type as Go words it', () => {
    expect(() => decode({ spec: { containers: [{ name: 5 }] } }, schema)).toThrow('json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string');
  });

  it('makes numbers quantities and refuses what is none', () => {
    expect(decode({ spec: { containers: [{ resources: { limits: { cpu: 1 } } }] } }, schema).value).toEqual({ spec: { containers: [{ resources: { limits: { cpu: '1' } } }] } });
    expect(() => decode({ spec: { containers: [{ resources: { limits: { cpu: 'lots' } } }] } }, schema)).toThrow(/quantities must match/);
  });

  it('finds fields given twice, however deep, and none where names only recur in siblings', () => {
    expect(duplicateFields('{"a":1,"b":{"c":[{"d":1,"d":2},{"d":3}]},"a":2}')).toEqual(['b.c[0].d', 'a']);
    expect(duplicateFields('{"a":{"x":"{\\"a\\":1"},"b":{"x":[]}}')).toEqual([]);
  });
});

describe('selectors', () => {
  const labelled = (labels: Record<string, string>): KubeObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels }, spec: { nodeName: 'n1' } });

  it.each<[string, boolean]>([
    ['app=web', true],
    ['app==web,tier!=db', true],
    ['app in (api, web)', true],
    ['app notin (web)', false],
    ['tier', false],
    ['!tier', true],
    ['tier notin (a)', true],
    ['size>2', true],
    ['size<3', false],
  ])('%s → %s', (text, expected) => {
    expect(labelPredicate(text)?.(labelled({ app: 'web', size: '3' }))).toBe(expected);
  });

  it('select by the fields of the kind and refuse others', () => {
    const pod = builtInKinds().find((kind) => kind.kind === 'Pod')!;
    expect(selectorOf(pod, '', 'spec.nodeName=n1,metadata.name!=q')?.(labelled({}))).toBe(true);
    expect(() => selectorOf(pod, '', 'spec.colour=red')).toThrow('field label not supported: spec.colour');
    expect(() => labelPredicate('a=b=c')).toThrow(`found '=', expected: ',' or 'end of string'`);
  });
});

describe('ages', () => {
  it.each<[number, string]>([
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [150, '2m30s'],
    [60 * 10, '10m'],
    [3600 * 3, '3h'],
    [3600 * 3 + 60, '3h1m'],
    [3600 * 47, '47h'],
    [86_400 * 3 + 3600, '3d1h'],
    [86_400 * 400, '400d'],
  ])('%d s is %s', (seconds, text) => expect(humanDuration(seconds * 1000)).toBe(text));
});
