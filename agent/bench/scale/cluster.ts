import { normalizeAnnotationPrefix, DEFAULT_ANNOTATION_PREFIX } from '../../datastore/decode/annotation-prefix.js';
import { endpointSliceDecoder } from '../../datastore/decode/endpoint-slice.js';
import { Interner } from '../../datastore/decode/intern.js';
import { namespaceDecoder } from '../../datastore/decode/namespace.js';
import { decodeNetworkPolicy } from '../../datastore/decode/network-policy.js';
import { nodeDecoder } from '../../datastore/decode/node.js';
import { podDecoder } from '../../datastore/decode/pod.js';
import { serviceDecoder } from '../../datastore/decode/service.js';
import type { Sinks } from '../../datastore/datastore.js';

export interface ClusterSize {
  readonly pods: number;
  /** Of these, on the node that is measured. */
  readonly localPods: number;
  readonly namespaces: number;
  readonly policies: number;
  /** Different ones that policies name. */
  readonly cidrs: number;
  readonly services: number;
  readonly nodes: number;
}

export const HERE = 'here';
export const LOCAL_SUBNET = '10.42.0.0/23';
const TIERS = ['front', 'back', 'data'];

/** Address of a pod: those of this node in its subnet, the others beyond it. */
export const podAddress = (i: number, { localPods }: ClusterSize): string => quad(10, (42 << 16) + (i < localPods ? i + 2 : i - localPods + (4 << 8)));
/** This node's is 0. */
export const nodeAddress = (i: number): string => `192.168.${(i + 1) >> 8}.${(i + 1) & 255}`;
const quad = (first: number, rest: number): string => [first, (rest >> 16) & 255, (rest >> 8) & 255, rest & 255].join('.');

/**
 * A cluster of some size, object by object as an API server sends them, decoded
 * into a store's sinks. Every pod has labels of its own; a namespace has
 * policies of ten shapes: default deny, namespace-internal, from another team,
 * ports by name, CIDRs with exceptions.
 */
export class ScaleCluster {
  readonly #intern = new Interner();
  readonly #pod = podDecoder(this.#intern);
  readonly #node = nodeDecoder(normalizeAnnotationPrefix(DEFAULT_ANNOTATION_PREFIX), this.#intern);
  readonly #namespace = namespaceDecoder(this.#intern);
  readonly #service = serviceDecoder(this.#intern);
  readonly #slice = endpointSliceDecoder(this.#intern);

  /** How often a pod got others. */
  readonly #labels = new Map<number, number>();

  constructor(
    readonly size: ClusterSize,
    private readonly sinks: Sinks,
  ) {}

  /** Everything, as after a first list. */
  load(): void {
    const { size } = this;
    this.#labels.clear();
    for (let i = 0; i < size.namespaces; i++) this.namespace(i);
    for (let i = 0; i < size.nodes; i++) this.node(i);
    for (let i = 0; i < size.pods; i++) this.pod(i);
    for (let i = 0; i < size.policies; i++) this.policy(i, 0);
    for (let i = 0; i < size.services; i++) {
      this.service(i);
      this.slice(i, 0);
    }
    for (const sink of Object.values(this.sinks) as Sinks[keyof Sinks][]) sink.synced();
  }

  /** Gives a pod other labels. */
  relabel(i: number): void {
    this.#labels.set(i, (this.#labels.get(i) ?? 0) + 1);
    this.pod(i, this.#labels.get(i));
  }

  /** @param change another one gives other labels */
  pod(i: number, change = 0): void {
    const { size } = this;
    const [namespace, name] = [this.namespaceOf(i), `pod-${i}`];
    const raw = {
      metadata: { namespace, name, uid: `uid-${i}`, labels: { app: `app-${i % 20}`, tier: TIERS[(i + change) % TIERS.length], 'pod-template-hash': `${i % 997}`, instance: `i-${i}` } },
      spec: { nodeName: i < size.localPods ? HERE : 'there', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8000 + (i % 3) }] }] },
      status: { phase: 'Running', podIP: podAddress(i, size), podIPs: [{ ip: podAddress(i, size) }] },
    };
    this.#put('pods', `${namespace}/${name}`, this.#pod, raw);
  }

  podGone(i: number): void {
    this.sinks.pods.gone(`${this.namespaceOf(i)}/pod-${i}`);
  }

  namespaceOf(i: number): string {
    return `ns-${i % this.size.namespaces}`;
  }

  namespace(i: number): void {
    const labels = { 'kubernetes.io/metadata.name': `ns-${i}`, team: `team-${i % 140}`, env: i % 3 === 0 ? 'prod' : 'dev' };
    this.#put('namespaces', `ns-${i}`, this.#namespace, { metadata: { name: `ns-${i}`, labels } });
  }

  node(i: number): void {
    const name = i === 0 ? HERE : `node-${i}`;
    const mac = `02:00:00:00:${[i >> 8, i & 255].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
    const lease = { 'backend-type': 'vxlan', 'backend-data': JSON.stringify({ VNI: 1, VtepMAC: mac }), 'public-ip': nodeAddress(i), 'kube-subnet-manager': 'true' };
    const annotations = i === 0 ? {} : Object.fromEntries(Object.entries(lease).map(([key, value]) => [`${DEFAULT_ANNOTATION_PREFIX}/${key}`, value]));
    const podCIDR = i === 0 ? LOCAL_SUBNET : `${quad(11, i << 8)}/24`;
    const raw = { metadata: { name, annotations }, spec: { podCIDR, podCIDRs: [podCIDR] }, status: { addresses: [{ type: 'InternalIP', address: nodeAddress(i) }] } };
    this.#put('nodes', name, this.#node, raw);
  }

  nodeGone(i: number): void {
    this.sinks.nodes.gone(`node-${i}`);
  }

  /** @param change another one allows another port */
  policy(i: number, change: number): void {
    const namespace = this.namespaceOf(i);
    const raw = { metadata: { namespace, name: `p-${i}` }, spec: this.#policySpec(i, change) };
    const { policy, problems } = decodeNetworkPolicy(JSON.parse(JSON.stringify(raw)));
    this.sinks.policies.put(`NetworkPolicy/${namespace}/p-${i}`, policy, problems);
  }

  service(i: number): void {
    const clusterIP = quad(172, (16 << 16) + i);
    this.#put('services', `shop/s${i}`, this.#service, { metadata: { namespace: 'shop', name: `s${i}` }, spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] } });
  }

  /** @param change the next one replaces one of the two endpoints */
  slice(i: number, change: number): void {
    const addresses = [quad(10, (128 << 16) + 2 * i), quad(change === 0 ? 12 : 13 + (change % 80), (128 << 16) + 2 * i)];
    const endpoints = addresses.map((address) => ({ addresses: [address], conditions: { ready: true, serving: true, terminating: false }, nodeName: 'there' }));
    const raw = { metadata: { namespace: 'shop', name: `s${i}-x`, labels: { 'kubernetes.io/service-name': `s${i}` } }, addressType: 'IPv4', ports: [{ name: '', port: 8080, protocol: 'TCP' }], endpoints };
    this.#put('endpointSlices', `shop/s${i}-x`, this.#slice, raw);
  }

  /** Through text, as it comes from the server. */
  #put<K extends keyof Sinks>(kind: K, key: string, decode: (raw: unknown) => { readonly value: unknown; readonly problems: unknown }, raw: unknown): void {
    const { value, problems } = decode(JSON.parse(JSON.stringify(raw)));
    (this.sinks[kind].put as (key: string, value: unknown, problems: unknown) => void)(key, value, problems);
  }

  #policySpec(i: number, change: number): unknown {
    const block = (n: number): unknown => ({ ipBlock: this.#block(n % Math.max(1, this.size.cidrs)) });
    const team = { namespaceSelector: { matchLabels: { team: `team-${(i * 7) % 140}` } }, podSelector: { matchLabels: { tier: 'front' } } };
    const app = { podSelector: { matchLabels: { app: `app-${(i * 3) % 20}` } } };
    const port = { port: 1000 + (i % 1000) + change };
    const specs: unknown[] = [
      { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ...(change === 0 ? {} : { egress: [{ ports: [port] }] }) },
      { podSelector: {}, ingress: [{ from: [{ podSelector: {} }], ports: [port] }], egress: [{ to: [{ podSelector: {} }] }] },
      { podSelector: app.podSelector, ingress: [{ from: [team, app], ports: [{ port: 'http' }, port] }] },
      { podSelector: {}, egress: [{ to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ns-0' } } }], ports: [{ protocol: 'UDP', port: 53 }, port] }] },
      { podSelector: {}, egress: [{ to: [0, 1, 2, 3, 4].map((k) => block(i * 5 + k)), ports: [{ port: 443 }, port] }] },
      { podSelector: { matchLabels: { tier: 'data' } }, egress: [{ to: [team, app], ports: [{ port: 'http' }, port] }] },
      { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'app-7' } } }], ports: [port] }] },
      { podSelector: { matchLabels: { tier: 'front' } }, ingress: [{ ports: [{ port: 443 }, port] }, { from: [block(i)] }] },
      { podSelector: { matchLabels: { app: 'app-3' } }, ingress: [{ from: [team], ports: [port] }] },
      { podSelector: { matchLabels: { app: 'app-4' } }, egress: [{ to: [team], ports: [port] }] },
    ];
    return specs[Math.floor(i / this.size.namespaces) % specs.length];
  }

  #block(n: number): { readonly cidr: string; readonly except?: readonly string[] } {
    const length = [16, 20, 24, 32][n % 4]!;
    const address = (20 + (n % 100)) * 2 ** 24 + (n >> 8) * 2 ** 16 + (n & 255) * 2 ** 8;
    const base = quad(Math.floor(address / 2 ** 24), length === 16 ? address & 0xff0000 : length === 20 ? address & 0xfff000 : address & 0xffff00);
    return length === 24 && n % 3 === 0 ? { cidr: `${base}/24`, except: [base.replace(/\.0$/, '.128/25')] } : { cidr: `${base}/${length}` };
  }
}
