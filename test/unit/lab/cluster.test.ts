import { describe, expect, it } from 'vitest';
import { Cidr } from '../../../agent/base/address.js';
import type { Action } from '../../../agent/lab/controllers/action.js';
import { podCidrs, serviceAccounts } from '../../../agent/lab/controllers/cluster.js';
import { endpointSlices, MAX_ENDPOINTS } from '../../../agent/lab/controllers/endpoint-slices.js';
import { scheduler } from '../../../agent/lab/controllers/scheduler.js';
import type { Endpoint, EndpointSlice, Pod, Service } from '../../../agent/lab/world/objects.js';
import { meta, node, ownedBy, pod, summary, world } from './world.js';

describe('the scheduler', () => {
  const waiting = (name: string, spec: Partial<Pod['spec']> = {}): Pod => {
    const { nodeName: _, ...rest } = pod(name).spec;
    return { ...pod(name), spec: { ...rest, ...spec } };
  };
  const bindings = (pods: Pod[], nodes = [node('node1'), node('node2')]): string[] =>
    scheduler(world({ nodes, pods })).map((action) => {
      const { metadata, target } = (action as Extract<Action, { verb: 'create' }>).object as { metadata: { name: string }; target: { name: string } };
      return `${metadata.name} on ${target.name}`;
    });

  it('spreads pods over the nodes', () => {
    expect(bindings(['a', 'b', 'c', 'd'].map((name) => waiting(name)))).toEqual(['a on node1', 'b on node2', 'c on node1', 'd on node2']);
  });

  it('counts those that are there already', () => {
    expect(bindings([pod('x'), pod('y'), waiting('a')])).toEqual(['a on node2']);
  });

  it('waits for a node that is ready', () => {
    expect(bindings([waiting('a')], [node('node1', { ready: false })])).toEqual([]);
  });

  it.each([
    ['node selector', { nodeSelector: { 'kubernetes.io/hostname': 'node2' } }],
    ['node affinity', { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'NotIn', values: ['node1'] }] }] } } } }],
    ['a field of the node', { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node2'] }] }] } } } }],
  ])('obeys %s', (_, spec) => {
    expect(bindings([waiting('a', spec)])).toEqual(['a on node2']);
  });

  it('keeps pods off cordoned and tainted nodes unless they tolerate it', () => {
    const nodes = [node('node1', { spec: { unschedulable: true } }), node('node2', { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } })];
    expect(bindings([waiting('a')], nodes)).toEqual([]);
    expect(bindings([waiting('a', { tolerations: [{ key: 'k', operator: 'Equal', value: 'v' }] })], nodes)).toEqual(['a on node2']);
  });
});

describe('pod CIDRs', () => {
  const given = (nodes: ReturnType<typeof node>[]): string[] => summary(podCidrs(world({ nodes }), Cidr.parse('10.42.0.0/22')!, 24));

  it('are given in the order of node names, and each only once', () => {
    expect(given([node('node10'), node('node2'), node('node1', { spec: { podCIDR: '10.42.1.0/24' } })])).toEqual([
      'patch Node node2 {"spec":{"podCIDR":"10.42.0.0/24","podCIDRs":["10.42.0.0/24"]}}',
      'patch Node node10 {"spec":{"podCIDR":"10.42.2.0/24","podCIDRs":["10.42.2.0/24"]}}',
    ]);
  });

  it('run out: the last nodes get none', () => {
    expect(given(['a', 'b', 'c', 'd', 'e'].map((name) => node(name)))).toHaveLength(4);
  });
});

it('each namespace gets a service account, but not one that is going away', () => {
  const namespaces = [{ metadata: { name: 'a', uid: '1' } }, { metadata: { name: 'b', uid: '2', deletionTimestamp: 'now' } }, { metadata: { name: 'c', uid: '3' } }];
  const serviceAccountList = [{ metadata: { name: 'default', namespace: 'c', uid: '4' } }];
  expect(serviceAccounts(world({ namespaces, serviceAccounts: serviceAccountList })).map((action) => (action as { namespace?: string }).namespace)).toEqual(['a']);
});

describe('EndpointSlices', () => {
  const service = (more: Partial<NonNullable<Service['spec']>> = {}): Service => ({ metadata: meta('web'), spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ipFamilies: ['IPv4'], ...more } });
  const backend = (name: string, ip: string, more: Parameters<typeof pod>[1] = {}): Pod => pod(name, { ip, ...more, meta: { labels: { app: 'web' }, ...more.meta } });
  /** Runs the controller until it wants nothing more; gives the slices. */
  function settle(one: Service, pods: Pod[], slices: EndpointSlice[] = [], nodes = [node('node1')]): EndpointSlice[] {
    for (let round = 0; round < 5; round++) {
      const actions = endpointSlices(world({ services: [one], pods, nodes, endpointSlices: slices }));
      if (actions.length === 0) return slices;
      slices = actions.reduce(perform, slices);
    }
    throw new Error('does not settle');
  }
  function perform(slices: EndpointSlice[], action: Action): EndpointSlice[] {
    if (action.verb === 'create') {
      const object = action.object as EndpointSlice;
      return [...slices, { ...object, metadata: { ...object.metadata, uid: `uid-${object.metadata.name}` } }];
    }
    const at = slices.findIndex((slice) => slice.metadata.name === action.ref.name);
    return action.verb === 'delete' ? slices.filter((_, i) => i !== at) : slices.map((slice, i) => (i === at ? merged(slice, action.body as Partial<EndpointSlice>) : slice));
  }
  function merged(slice: EndpointSlice, { metadata, ...rest }: Partial<EndpointSlice>): EndpointSlice {
    const labels = { ...slice.metadata.labels, ...metadata?.labels };
    return { ...slice, ...rest, metadata: { ...slice.metadata, labels: Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== null)) } };
  }
  const addresses = (slice: EndpointSlice): string[] => (slice.endpoints ?? []).flatMap((one) => one.addresses);

  it('name the pods of a service and its target port', () => {
    const [slice, ...others] = settle(service(), [backend('a', '10.0.0.1'), pod('b', { ip: '10.0.0.2' })]);
    expect(others).toEqual([]);
    expect(slice).toMatchObject({ addressType: 'IPv4', ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] });
    expect(slice!.metadata.labels).toMatchObject({ 'kubernetes.io/service-name': 'web' });
    expect(slice!.endpoints).toEqual([
      { addresses: ['10.0.0.1'], conditions: { ready: true, serving: true, terminating: false }, nodeName: 'node1', targetRef: { kind: 'Pod', namespace: 'ns', name: 'a', uid: 'uid-a' } },
    ]);
  });

  it.each([
    ['unready', { ready: false }, {}, { ready: false, serving: false, terminating: false }],
    ['terminating and still serving', { meta: { labels: { app: 'web' }, deletionTimestamp: 'now' } }, {}, { ready: false, serving: true, terminating: true }],
    ['unready and published all the same', { ready: false }, { publishNotReadyAddresses: true }, { ready: true, serving: false, terminating: false }],
  ])('say of a pod that it is %s', (_, of, spec, conditions) => {
    const [slice] = settle(service(spec), [backend('a', '10.0.0.1', of)]);
    expect((slice!.endpoints as Endpoint[])[0]!.conditions).toEqual(conditions);
  });

  it.each([
    [undefined, undefined],
    ['PreferClose', { forZones: [{ name: 'z1' }] }],
    ['PreferSameZone', { forZones: [{ name: 'z1' }] }],
    ['PreferSameNode', { forZones: [{ name: 'z1' }], forNodes: [{ name: 'node1' }] }],
  ])('say the zone of a pod, and with trafficDistribution %s for whom it is', (trafficDistribution, hints) => {
    const zoned = { ...node('node1'), metadata: meta('node1', { labels: { 'topology.kubernetes.io/zone': 'z1' } }) };
    const spec = trafficDistribution === undefined ? {} : { trafficDistribution };
    const [slice] = settle(service(spec), [backend('a', '10.0.0.1'), backend('b', '10.0.0.2', { ready: false })], [], [zoned]);
    expect(slice!.endpoints!.map((one) => [one.zone, one.hints])).toEqual([['z1', hints], ['z1', undefined]]);
  });

  it('follow the labels of the service, one for another proxy among them', () => {
    const labelled = (labels: Readonly<Record<string, string>>): Service => ({ ...service(), metadata: meta('web', { labels }) });
    const slices = settle(labelled({ 'service.kubernetes.io/service-proxy-name': 'other', team: 'a' }), [backend('a', '10.0.0.1')]);
    expect(slices[0]!.metadata.labels).toMatchObject({ 'service.kubernetes.io/service-proxy-name': 'other', team: 'a' });
    const [after] = settle(labelled({ team: 'b' }), [backend('a', '10.0.0.1')], slices);
    expect(after!.metadata.labels).toEqual({ team: 'b', 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' });
  });

  it('leave out finished pods and those without an address', () => {
    const [slice] = settle(service(), [backend('a', '10.0.0.1', { phase: 'Succeeded' }), pod('b', { meta: { labels: { app: 'web' } } })]);
    expect(slice!.endpoints).toEqual([]);
  });

  it('are split by what a named port means in each pod', () => {
    const with_ = (containerPort: number) => ({ spec: { containers: [{ name: 'c', ports: [{ name: 'web', containerPort }] }] } });
    const slices = settle(service({ ports: [{ name: 'http', port: 80, targetPort: 'web' }] }), [backend('a', '10.0.0.1', with_(80)), backend('b', '10.0.0.2', with_(8080)), backend('c', '10.0.0.3', with_(80))]);
    expect(slices.map((slice) => [slice.ports![0]!.port, addresses(slice)])).toEqual([
      [80, ['10.0.0.1', '10.0.0.3']],
      [8080, ['10.0.0.2']],
    ]);
  });

  it(`hold at most ${MAX_ENDPOINTS} endpoints, and do not move those that stay`, () => {
    const pods = Array.from({ length: 250 }, (_, i) => backend(`p${i}`, `10.0.${i >> 8}.${i & 255}`));
    const slices = settle(service(), pods);
    expect(slices.map((slice) => addresses(slice).length)).toEqual([100, 100, 50]);
    const fewer = settle(service(), pods.slice(1), slices);
    expect(fewer.map((slice) => addresses(slice).length)).toEqual([99, 100, 50]);
    const again = settle(service(), [...pods.slice(1), backend('new', '10.9.9.9')], fewer);
    expect(addresses(again[0]!)).toContain('10.9.9.9');
    expect(new Set(again.flatMap(addresses)).size).toBe(250);
  });

  it('go with the service, and are not touched when somebody else keeps them', () => {
    const foreign: EndpointSlice = { metadata: meta('other', ownedBy(service())), addressType: 'IPv4', endpoints: [] };
    expect(settle(service(), [], [foreign])).toContain(foreign);
    expect(endpointSlices(world({ services: [{ ...service(), spec: {} }], pods: [backend('a', '10.0.0.1')] }))).toEqual([]);
  });
});
