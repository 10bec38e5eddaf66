import { describe, expect, it } from 'vitest';
import { CanalError } from '../../../agent/base/errors.js';
import { normalizeAnnotationPrefix } from '../../../agent/datastore/decode/annotation-prefix.js';
import { Interner } from '../../../agent/datastore/decode/intern.js';
import { namespaceDecoder } from '../../../agent/datastore/decode/namespace.js';
import { nodeDecoder } from '../../../agent/datastore/decode/node.js';
import { podDecoder } from '../../../agent/datastore/decode/pod.js';
import type { Node, Pod } from '../../../agent/model/objects.js';
import { Random, testSeed } from '../../support/random.js';

const PREFIX = 'flannel.alpha.coreos.com/';
const decodePod = podDecoder(new Interner());
const decodeNode = nodeDecoder(PREFIX, new Interner());
const decodeNamespace = namespaceDecoder(new Interner());

type Raw = Record<string, unknown>;
const rawPod = (parts: { metadata?: Raw; spec?: Raw; status?: Raw } = {}): Raw => ({
  metadata: { namespace: 'shop', name: 'api-0', uid: 'u1', ...parts.metadata },
  spec: { nodeName: 'n1', ...parts.spec },
  status: { phase: 'Running', podIP: '10.42.0.5', ...parts.status },
});
const podOf = (parts: Parameters<typeof rawPod>[0]): Pod => decodePod(rawPod(parts)).value!;
const addresses = (parts: Parameters<typeof rawPod>[0]): string[] => podOf(parts).addresses.map((a) => a.text);
const cni = (annotations: Record<string, unknown>): Raw =>
  Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`cni.projectcalico.org/${key}`, value]));

describe('a pod', () => {
  it('keeps what policy asks for and nothing else of the object', () => {
    const { value, problems } = decodePod({
      metadata: { namespace: 'shop', name: 'api-0', uid: 'u1', labels: { app: 'api' }, managedFields: [{ manager: 'x' }], annotations: { big: 'x'.repeat(1000) } },
      spec: { nodeName: 'n1', serviceAccountName: 'api', containers: [{ image: 'i', ports: [{ name: 'http', containerPort: 80 }, { containerPort: 81 }] }] },
      status: { phase: 'Running', podIPs: [{ ip: '10.42.0.5' }, { ip: 'FD00::5' }] },
    });
    expect(problems).toEqual([]);
    expect({ ...value, addresses: value!.addresses.map(String) }).toEqual({
      namespace: 'shop', name: 'api-0', uid: 'u1', labels: { app: 'api' }, serviceAccount: 'api', nodeName: 'n1', hostNetwork: false,
      addresses: ['10.42.0.5', 'fd00::5'], finished: false, namedPorts: [{ name: 'http', protocol: 6, port: 80 }], hostPorts: [],
    });
  });

  it.each<[string, Parameters<typeof rawPod>[0], string[]]>([
    ['status.podIPs', { status: { podIPs: [{ ip: '1.1.1.1' }], podIP: '2.2.2.2' }, metadata: { annotations: cni({ podIP: '3.3.3.3/32' }) } }, ['1.1.1.1']],
    ['status.podIP when podIPs is empty', { status: { podIPs: [], podIP: '2.2.2.2' } }, ['2.2.2.2']],
    ['annotation podIPs before podIP', { status: { podIP: '' }, metadata: { annotations: cni({ podIPs: '4.4.4.4/32,fd00::4/128', podIP: '3.3.3.3/32' }) } }, ['4.4.4.4', 'fd00::4']],
    ['annotation podIP', { status: { podIP: '' }, metadata: { annotations: cni({ podIP: '3.3.3.3/32' }) } }, ['3.3.3.3']],
    ['nothing', { status: { podIP: '' } }, []],
  ])('has its addresses from %s', (_, parts, expected) => {
    expect(addresses(parts)).toEqual(expected);
  });

  it('names each address once, and reports what is none', () => {
    const { value, problems } = decodePod(rawPod({ status: { podIPs: [{ ip: '1.1.1.1' }, { ip: '1.1.1.1' }, { ip: '1.1.1.300' }, { ip: '1.1.1.0/24' }, 7] } }));
    expect(value!.addresses.map(String)).toEqual(['1.1.1.1']);
    expect(problems.map((p) => [p.object, p.field])).toEqual([
      ['Pod shop/api-0', 'status.podIPs'],
      ['Pod shop/api-0', 'status.podIPs'],
    ]);
  });

  it.each(['Succeeded', 'Failed', 'Completed'])('in phase %s is finished and gives its addresses back', (phase) => {
    expect(podOf({ status: { phase } })).toMatchObject({ finished: true, addresses: [] });
  });

  it('asks something of its attachment by annotations, as they are written; most pods nothing', () => {
    expect(podOf({ metadata: { annotations: cni({ hwAddr: '02:00:00:00:00:01', floatingIPs: '["1.1.1.1"]', podIP: '1.1.1.1/32' }) } }).asks).toEqual({ hwAddr: '02:00:00:00:00:01', floatingIPs: '["1.1.1.1"]' });
    expect(podOf({ metadata: { annotations: cni({ hwAddr: '' }) } })).not.toHaveProperty('asks');
  });

  it('being deleted is finished once the CNI plugin has blanked its address, and not before', () => {
    const deletionTimestamp = '2026-01-01T00:00:00Z';
    expect(podOf({ metadata: { deletionTimestamp } })).toMatchObject({ finished: false });
    expect(podOf({ metadata: { deletionTimestamp, annotations: cni({ podIP: '10.42.0.5/32' }) } })).toMatchObject({ finished: false });
    expect(podOf({ metadata: { deletionTimestamp, annotations: cni({ podIP: '' }) } })).toMatchObject({ finished: true, addresses: [] });
    expect(podOf({ metadata: { annotations: cni({ podIP: '' }) } })).toMatchObject({ finished: false });
  });

  it('runs as account default where none is named', () => {
    expect(podOf({}).serviceAccount).toBe('default');
  });

  it('offers named ports of containers and sidecars, with TCP where no protocol is given', () => {
    const { value, problems } = decodePod(rawPod({
      spec: {
        hostNetwork: true,
        containers: [{ ports: [{ name: 'a', containerPort: 1 }, { name: 'b', containerPort: 2, protocol: 'UDP' }, { name: 'x', containerPort: 70_000 }] }, {}],
        initContainers: [{ ports: [{ name: 'init', containerPort: 3 }] }, { restartPolicy: 'Always', ports: [{ name: 'c', containerPort: 4, protocol: 'SCTP' }, { name: 'y', containerPort: 5, protocol: 'QUIC' }] }],
      },
    }));
    expect(value).toMatchObject({ hostNetwork: true });
    expect(value!.namedPorts).toEqual([
      { name: 'a', protocol: 6, port: 1 },
      { name: 'b', protocol: 17, port: 2 },
      { name: 'c', protocol: 132, port: 4 },
    ]);
    expect(problems.map((p) => p.field)).toEqual(['spec.containers[0].ports[2]', 'spec.initContainers[1].ports[1]']);
  });

  it('shares its labels with pods that have the same', () => {
    const a = podOf({ metadata: { labels: { app: 'x', tier: 'y' } } });
    const b = podOf({ metadata: { name: 'api-1', labels: { tier: 'y', app: 'x' } } });
    expect(a.labels).toBe(b.labels);
  });

  it('keeps a label called __proto__ a label', () => {
    const labels = podOf({ metadata: { labels: JSON.parse('{"__proto__":"x"}') } }).labels;
    expect(Object.keys(labels)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
  });
});

describe('a node', () => {
  // As compat.md 14 saw it on a running Canal.
  const canal = {
    metadata: {
      name: 'rig-n1',
      labels: { 'kubernetes.io/hostname': 'rig-n1' },
      annotations: {
        'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"ae:ed:5f:f9:41:ad"}',
        'flannel.alpha.coreos.com/backend-type': 'vxlan',
        'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
        'flannel.alpha.coreos.com/public-ip': '172.30.0.11',
        'node.alpha.kubernetes.io/ttl': '0',
      },
    },
    spec: { podCIDR: '10.42.0.0/24', podCIDRs: ['10.42.0.0/24', 'fd00:10:42::/64'] },
    status: {
      addresses: [{ type: 'Hostname', address: 'rig-n1' }, { type: 'InternalIP', address: '172.30.0.11' }],
      conditions: [{ type: 'Ready', status: 'True' }, { type: 'NetworkUnavailable', status: 'False', reason: 'FlannelIsUp', message: 'm' }],
    },
  };
  const nodeOf = (change: (raw: typeof canal) => void): { value: Node; fields: string[] } => {
    const raw = structuredClone(canal);
    change(raw);
    const { value, problems } = decodeNode(raw);
    return { value: value!, fields: problems.map((p) => p.field) };
  };

  it('has its lease, pod CIDRs, addresses and condition', () => {
    const { value, problems } = decodeNode(canal);
    expect(problems).toEqual([]);
    expect(value!.podCidrs.map(String)).toEqual(['10.42.0.0/24', 'fd00:10:42::/64']);
    expect(value!.internalAddresses.map(String)).toEqual(['172.30.0.11']);
    expect({ ...value!.lease, publicIp: value!.lease!.publicIp!.text }).toEqual({
      backendType: 'vxlan', backendData: '{"VNI":1,"VtepMAC":"ae:ed:5f:f9:41:ad"}', backendV6Data: undefined, publicIp: '172.30.0.11', publicIpV6: undefined,
    });
    expect(value!.networkUnavailable).toEqual({ status: 'False', reason: 'FlannelIsUp' });
    expect(Object.keys(value!.flannelAnnotations)).toEqual(['backend-data', 'backend-type', 'kube-subnet-manager', 'public-ip']);
  });

  it('has no lease unless kube-subnet-manager is exactly "true", and keeps its annotations', () => {
    const { value } = nodeOf((raw) => (raw.metadata.annotations['flannel.alpha.coreos.com/kube-subnet-manager'] = 'True'));
    expect(value.lease).toBeUndefined();
    expect(value.flannelAnnotations['backend-type']).toBe('vxlan');
  });

  it('has a lease without an address, and a problem, where public-ip is none', () => {
    const { value, fields } = nodeOf((raw) => (raw.metadata.annotations['flannel.alpha.coreos.com/public-ip'] = '172.30.0'));
    expect(value.lease).toMatchObject({ publicIp: undefined });
    expect(fields).toEqual(['metadata.annotations[flannel.alpha.coreos.com/public-ip]']);
  });

  it('takes podCIDR where podCIDRs is empty, and leaves out what is no CIDR', () => {
    expect(nodeOf((raw) => (raw.spec.podCIDRs = [])).value.podCidrs.map(String)).toEqual(['10.42.0.0/24']);
    const { value, fields } = nodeOf((raw) => (raw.spec.podCIDRs = ['10.42.0.0', '10.42.1.0/24']));
    expect(value.podCidrs.map(String)).toEqual(['10.42.1.0/24']);
    expect(fields).toEqual(['spec.podCIDRs']);
  });

  it('is read by another prefix when told so, and then not by the usual one', () => {
    const decode = nodeDecoder(normalizeAnnotationPrefix('x.io/a'), new Interner());
    const raw = { metadata: { name: 'n', annotations: { 'x.io/a-kube-subnet-manager': 'true', 'x.io/a-backend-type': 'vxlan', 'flannel.alpha.coreos.com/backend-data': 'no' } } };
    expect(decode(raw).value!.lease).toMatchObject({ backendType: 'vxlan', backendData: '' });
  });
});

describe('the annotation prefix', () => {
  it.each([['flannel.alpha.coreos.com', PREFIX], ['x.io/a', 'x.io/a-'], ['x.io/a-', 'x.io/a-'], ['x.io/', 'x.io/']])('%s becomes %s', (given, complete) => {
    expect(normalizeAnnotationPrefix(given)).toBe(complete);
  });

  it.each(['', 'nodots', 'x.io/a/b', 'X.io', 'x.io/A', 'x y.io'])('"%s" is refused', (given) => {
    expect(() => normalizeAnnotationPrefix(given)).toThrow(CanalError);
  });
});

it('no decoder throws, and each gives a value of the right shape, whatever stands in any field', () => {
  const random = new Random(testSeed());
  console.log(`decode fuzz seed ${random.seed}`);
  const junk = [null, true, 0, -1, 1e309, '', 'x', '\u0000', '::', '10.0.0.1', '10.0.0.0/33', [], [null], [[]], {}, { a: {} }, [{}], { ip: 5 }];
  const mutate = (value: unknown): unknown => {
    if (random.next() < 0.15) return random.pick(junk);
    if (Array.isArray(value)) return value.map(mutate);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mutate(inner)]));
  };
  const full = {
    metadata: { name: 'n', namespace: 'ns', uid: 'u', deletionTimestamp: 't', labels: { a: 'b', c: 'd' }, annotations: { ...cni({ podIP: '1.1.1.1/32' }), [`${PREFIX}kube-subnet-manager`]: 'true', [`${PREFIX}public-ip`]: '1.1.1.1' } },
    spec: { nodeName: 'n1', podCIDRs: ['10.0.0.0/24'], podCIDR: '10.0.0.0/24', serviceAccountName: 's', containers: [{ ports: [{ name: 'p', containerPort: 1, protocol: 'TCP' }] }], initContainers: [{ restartPolicy: 'Always', ports: [{ name: 'p', containerPort: 1 }] }] },
    status: { phase: 'Running', podIP: '1.1.1.1', podIPs: [{ ip: '1.1.1.1' }], addresses: [{ type: 'InternalIP', address: '1.1.1.1' }], conditions: [{ type: 'NetworkUnavailable', status: 'False', reason: 'r' }] },
  };
  for (let i = 0; i < 5_000; i++) {
    const raw = mutate(full);
    const [pod, node, namespace] = [decodePod(raw).value!, decodeNode(raw).value!, decodeNamespace(raw).value!];
    for (const labels of [pod.labels, node.labels, node.flannelAnnotations, namespace.labels]) {
      expect(Object.values(labels).every((v) => typeof v === 'string')).toBe(true);
    }
    for (const text of [pod.namespace, pod.name, pod.uid, pod.serviceAccount, pod.nodeName, node.name, namespace.name]) expect(typeof text).toBe('string');
    expect(pod.finished && pod.addresses.length > 0).toBe(false);
  }
});
