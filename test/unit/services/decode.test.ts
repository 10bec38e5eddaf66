import { describe, expect, it } from 'vitest';
import { endpointSliceDecoder } from '../../../agent/datastore/decode/endpoint-slice.js';
import { Interner } from '../../../agent/datastore/decode/intern.js';
import { serviceDecoder } from '../../../agent/datastore/decode/service.js';
import type { EndpointSlice, Service } from '../../../agent/model/service.js';
import { Random, testSeed } from '../../support/random.js';

type Raw = Record<string, unknown>;
const decodeService = serviceDecoder(new Interner());
const decodeSlice = endpointSliceDecoder(new Interner());

const rawService = (spec: Raw = {}, parts: { labels?: Raw; status?: Raw } = {}): Raw => ({
  metadata: { namespace: 'shop', name: 'web', labels: parts.labels }, spec: { type: 'ClusterIP', clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }], ...spec }, status: parts.status,
});
const serviceOf = (...args: Parameters<typeof rawService>): Service => decodeService(rawService(...args)).value!;
const texts = (list: readonly { readonly text: string }[]): string[] => list.map((one) => one.text);
const faults = ({ problems }: { problems: readonly { field: string }[] }): string[] => problems.map((p) => p.field);

describe('a Service', () => {
  it('keeps what a proxy needs and nothing else', () => {
    const { value, problems } = decodeService({
      metadata: { namespace: 'shop', name: 'web', annotations: { big: 'x' }, labels: { app: 'web' } },
      spec: {
        type: 'LoadBalancer', clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', 'fd00::1'], externalIPs: ['198.51.100.1'], selector: { app: 'web' }, sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } }, internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local', healthCheckNodePort: 31000, loadBalancerSourceRanges: ['192.0.2.0/24 '],
        ports: [{ name: 'http', port: 80, targetPort: 'http', nodePort: 30080 }, { name: 'dns', port: 53, protocol: 'UDP' }, { name: 'sctp', port: 80, protocol: 'SCTP' }],
      },
      status: { loadBalancer: { ingress: [{ ip: '198.51.100.2' }, { ip: '198.51.100.3', ipMode: 'Proxy' }, { ip: '198.51.100.4', ipMode: 'VIP' }, { hostname: 'lb.example' }] } },
    });
    expect(problems).toEqual([]);
    expect({ ...value, clusterIps: texts(value!.clusterIps), externalIps: texts(value!.externalIps), loadBalancerIps: texts(value!.loadBalancerIps), sourceRanges: texts(value!.sourceRanges) }).toEqual({
      namespace: 'shop', name: 'web', type: 'LoadBalancer', clusterIps: ['10.96.0.1', 'fd00::1'], externalIps: ['198.51.100.1'], loadBalancerIps: ['198.51.100.2', '198.51.100.4'],
      affinityS: 60, internalPolicy: 'local', externalPolicy: 'local', proxyName: '', healthCheckNodePort: 31000, algorithm: undefined, sourceRanges: ['192.0.2.0/24'],
      ports: [{ name: 'http', protocol: 6, port: 80, nodePort: 30080 }, { name: 'dns', protocol: 17, port: 53, nodePort: 0 }, { name: 'sctp', protocol: 132, port: 80, nodePort: 0 }],
    });
  });

  it('without a cluster address has none: headless, ExternalName, or not allocated yet', () => {
    expect(serviceOf({ clusterIP: 'None', clusterIPs: ['None'] }).clusterIps).toEqual([]);
    expect(serviceOf({ type: 'ExternalName' }).clusterIps).toEqual([]);
    expect(serviceOf({ clusterIP: '', clusterIPs: undefined }).clusterIps).toEqual([]);
    expect(texts(serviceOf({ clusterIPs: undefined }).clusterIps)).toEqual(['10.96.0.1']);
  });

  it('has three hours of affinity unless it says how long', () => {
    expect(serviceOf({ sessionAffinity: 'ClientIP' }).affinityS).toBe(10_800);
    expect(serviceOf({ sessionAffinity: 'None' }).affinityS).toBe(0);
  });

  it('names the proxy that serves it', () => {
    expect(serviceOf({}, { labels: { 'service.kubernetes.io/service-proxy-name': 'kube-router' } }).proxyName).toBe('kube-router');
    expect(serviceOf({}, { labels: { 'service.kubernetes.io/headless': '' } }).clusterIps).toEqual([]);
  });

  it('has a health-check port only as a load balancer with policy Local', () => {
    const health = { healthCheckNodePort: 31000 };
    expect(serviceOf({ ...health, type: 'LoadBalancer', externalTrafficPolicy: 'Local' }).healthCheckNodePort).toBe(31000);
    for (const spec of [{ type: 'LoadBalancer' }, { type: 'NodePort', externalTrafficPolicy: 'Local' }]) expect(serviceOf({ ...health, ...spec }).healthCheckNodePort).toBe(0);
  });

  it.each([
    [{ 'canal.io/lb-algorithm': 'maglev' }, 'maglev', 0],
    [{ 'canal.io/lb-algorithm': 'Random' }, 'random', 0],
    [{ 'lb.projectcalico.org/external-traffic-strategy': 'maglev' }, 'maglev', 0],
    [{ 'canal.io/lb-algorithm': 'best' }, undefined, 1],
    [{}, undefined, 0],
  ] as const)('with annotations %j is balanced by %s', (annotations, algorithm, problems) => {
    const decoded = decodeService({ ...rawService(), metadata: { namespace: 'shop', name: 'web', annotations } });
    expect([decoded.value!.algorithm, decoded.problems.length]).toEqual([algorithm, problems]);
  });

  it.each<[string, Raw, string[], (s: Service) => unknown, unknown]>([
    ['port 0', { ports: [{ port: 0 }, { port: 81 }] }, ['spec.ports[0].port'], (s) => s.ports.map((p) => p.port), [81]],
    ['an unknown protocol', { ports: [{ port: 80, protocol: 'QUIC' }] }, ['spec.ports[0].protocol'], (s) => s.ports, []],
    ['the same port twice', { ports: [{ name: 'a', port: 80 }, { name: 'b', port: 80 }] }, ['spec.ports[1]'], (s) => s.ports.length, 1],
    ['an address that is none', { externalIPs: ['nonsense', '198.51.100.1'] }, ['spec.externalIPs'], (s) => texts(s.externalIps), ['198.51.100.1']],
    ['loopback as externalIP', { externalIPs: ['127.0.0.1', '::1', '0.0.0.0'] }, ['spec.externalIPs', 'spec.externalIPs', 'spec.externalIPs'], (s) => s.externalIps, []],
    ['an unknown type', { type: 'Magic' }, ['spec.type'], (s) => s.type, 'ClusterIP'],
    ['affinity for longer than a day', { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 1e6 } } }, ['spec.sessionAffinityConfig.clientIP.timeoutSeconds'], (s) => s.affinityS, 10_800],
    ['source ranges of which none can be read: they stay a restriction', { loadBalancerSourceRanges: ['x'] }, ['spec.loadBalancerSourceRanges'], (s) => s.sourceRanges.length, 1],
  ])('reports %s, and the rest works on', (_, spec, fields, read, expected) => {
    expect(faults(decodeService(rawService(spec)))).toEqual(fields);
    expect(read(serviceOf(spec))).toEqual(expected);
  });
});

const rawSlice = (parts: Raw = {}, labels: Raw = {}): Raw => ({
  metadata: { namespace: 'shop', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web', ...labels } }, addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }], endpoints: [{ addresses: ['10.42.0.2'] }], ...parts,
});
const endpointOf = (parts: Raw): EndpointSlice['endpoints'][number] | undefined => decodeSlice(rawSlice({ endpoints: [{ addresses: ['10.42.0.2'], ...parts }] })).value?.endpoints[0];

describe('an EndpointSlice', () => {
  it('keeps of an endpoint its first address, conditions, node, hints and target', () => {
    const endpoint = endpointOf({
      addresses: ['10.42.0.2', '10.42.0.3'], conditions: { ready: false, serving: true, terminating: true }, nodeName: 'two',
      hints: { forZones: [{ name: 'z1' }], forNodes: [{ name: 'two' }] }, targetRef: { kind: 'Pod', namespace: 'shop', name: 'web-0' },
    })!;
    expect({ ...endpoint, address: endpoint.address.text }).toEqual({
      address: '10.42.0.2', ready: false, serving: true, terminating: true, nodeName: 'two', zoneHints: ['z1'], nodeHints: ['two'], target: 'shop/web-0',
    });
  });

  it('takes conditions that are not said as ready and serving', () => {
    for (const conditions of [undefined, {}, { ready: null, serving: 'x' }]) expect(endpointOf({ conditions })).toMatchObject({ ready: true, serving: true, terminating: false });
  });

  it.each<[string, Raw, Raw]>([
    ['of FQDNs', { addressType: 'FQDN' }, {}],
    ['of a headless service', {}, { 'service.kubernetes.io/headless': '' }],
    ['for another proxy', {}, { 'service.kubernetes.io/service-proxy-name': 'x' }],
    ['of no service', {}, { 'kubernetes.io/service-name': '' }],
  ])('%s is absent', (_, parts, labels) => {
    expect(decodeSlice(rawSlice(parts, labels))).toEqual({ value: undefined, problems: [] });
  });

  it.each<[string, Raw, string[], number, number]>([
    ['port 0', { ports: [{ port: 0 }, { port: 9 }] }, ['ports[0].port'], 1, 1],
    ['a loopback endpoint', { endpoints: [{ addresses: ['127.0.0.1'] }, { addresses: ['169.254.169.254'] }, { addresses: ['10.42.0.2'] }] }, ['endpoints[0].addresses[0]', 'endpoints[1].addresses[0]'], 1, 1],
    ['an address of the other family', { endpoints: [{ addresses: ['fd00::1'] }] }, ['endpoints[0].addresses[0]'], 1, 0],
    ['an endpoint without address', { endpoints: [{}] }, ['endpoints[0].addresses[0]'], 1, 0],
  ])('reports %s, and the rest works on', (_, parts, fields, ports, endpoints) => {
    const decoded = decodeSlice(rawSlice(parts));
    expect(faults(decoded)).toEqual(fields);
    expect([decoded.value!.ports.length, decoded.value!.endpoints.length]).toEqual([ports, endpoints]);
  });

  it('ignores ports without a number, which mean all', () => {
    expect(decodeSlice(rawSlice({ ports: [{ name: 'any' }] }))).toMatchObject({ problems: [], value: { ports: [] } });
  });
});

const seed = testSeed();
it(`no decoder throws, whatever stands in any field (seed ${seed})`, () => {
  const random = new Random(seed);
  const junk = (): unknown => random.pick([undefined, null, 0, -1, 1.5, 70_000, '', 'x', '10.0.0.1', '::', true, [], {}, [null], [[]], [{}], { ip: 5 }, ['None'], [{ port: 'http' }]]);
  const spoil = (value: unknown): unknown => {
    if (random.next() < 0.15) return junk();
    if (Array.isArray(value)) return value.map(spoil);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, spoil(v)]));
  };
  for (let i = 0; i < 5000; i++) {
    const one = decodeService(spoil(rawService({ externalIPs: ['198.51.100.1'], sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } }, { status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }))).value!;
    expect(one.ports.every((p) => p.port > 0 && p.port < 65_536)).toBe(true);
    const two = decodeSlice(spoil(rawSlice({ endpoints: [{ addresses: ['10.42.0.2'], conditions: { ready: true }, hints: { forZones: [{ name: 'a' }] } }] }))).value;
    expect(two === undefined || two.endpoints.every((e) => e.address.family === two.family)).toBe(true);
  }
});
