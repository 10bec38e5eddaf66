import { randomInt } from 'node:crypto';
import type { V1Service, V1ServiceSpec } from '@kubernetes/client-node';
import type { Cidr} from '../../base/address.js';
import { IpAddress } from '../../base/address.js';
import { goStrings } from '../go-text.js';
import type { KubeObject } from '../kube-object.js';
import type { ObjectStore } from '../storage/object-store.js';
import { fieldError, invalid } from '../status.js';

const NODE_PORTS = { first: 30_000, last: 32_767 } as const;

/**
 * Cluster addresses and node ports of services. What is taken is read from the
 * stored services every time, so there is no second record that could differ.
 */
export class ServiceAllocator {
  constructor(
    private readonly store: ObjectStore,
    private readonly cidr: Cidr,
  ) {}

  /** The first address of the range, which belongs to `kubernetes.default`. */
  get first(): string {
    return this.cidr.address.plus(1).text;
  }

  /** Completes a service's draft. @throws ApiError 422 for an address or port that is taken or out of range */
  allocate(draft: KubeObject): void {
    const spec = (draft as unknown as V1Service).spec as V1ServiceSpec;
    if (spec.type === 'ExternalName') {
      for (const field of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) delete spec[field];
      return;
    }
    this.checkFamilies(draft, spec);
    const others = this.otherSpecs(draft);
    this.allocateAddress(draft, spec, others);
    spec.clusterIPs = [spec.clusterIP ?? 'None'];
    // Nobody knows the addresses behind one without a selector.
    const open = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0 && spec.ipFamilies === undefined && spec.ipFamilyPolicy === undefined;
    if (open) Object.assign(spec, { ipFamilies: this.cidr.address.family === 4 ? ['IPv4', 'IPv6'] : ['IPv6', 'IPv4'], ipFamilyPolicy: 'RequireDualStack' });
    spec.ipFamilies ??= [this.cidr.address.family === 4 ? 'IPv4' : 'IPv6'];
    spec.ipFamilyPolicy ??= 'SingleStack';
    if (spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)) this.allocateNodePorts(draft, spec, others);
  }

  /** The cluster has one family. */
  private checkFamilies(draft: KubeObject, { ipFamilies = [], ipFamilyPolicy, clusterIP, selector = {} }: V1ServiceSpec): void {
    if (clusterIP === 'None' && Object.keys(selector).length === 0) return;
    const index = ipFamilies.findIndex((family) => family !== `IPv${this.cidr.family}`);
    const errors = [
      ...(index < 0 ? [] : [fieldError.invalid(`spec.ipFamilies[${index}]`, ipFamilies[index], 'not configured on this cluster')]),
      ...(ipFamilyPolicy === 'RequireDualStack' ? [fieldError.invalid('spec.ipFamilyPolicy', ipFamilyPolicy, 'this cluster is not configured for dual-stack services')] : []),
    ];
    if (errors.length > 0) throw invalid('', 'Service', draft.metadata.name ?? '', errors);
  }

  private otherSpecs(draft: KubeObject): readonly V1ServiceSpec[] {
    return this.store
      .list('services')
      .filter((object) => object.metadata.name !== draft.metadata.name || object.metadata.namespace !== draft.metadata.namespace)
      .map((object) => (object as unknown as V1Service).spec ?? {});
  }

  private allocateAddress(draft: KubeObject, spec: V1ServiceSpec, others: readonly V1ServiceSpec[]): void {
    spec.clusterIP ??= spec.clusterIPs?.[0] ?? '';
    if (spec.clusterIP === 'None') return;
    const taken = new Set(others.map((other) => other.clusterIP));
    if (spec.clusterIP === '') spec.clusterIP = this.freeAddress(taken);
    else this.checkAddress(draft, spec.clusterIP, taken);
  }

  private checkAddress(draft: KubeObject, text: string, taken: ReadonlySet<string | undefined>): void {
    const refuse = (why: string): never => {
      throw invalid('', 'Service', draft.metadata.name ?? '', [fieldError.invalid('spec.clusterIPs', goStrings([text]), why)]);
    };
    const address = IpAddress.parse(text);
    if (address === undefined) throw invalid('', 'Service', draft.metadata.name ?? '', [fieldError.invalid('spec.clusterIPs[0]', text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')]);
    if (!this.cidr.contains(address)) refuse(`failed to allocate IP ${text}: the provided IP (${text}) is not in the valid range. The range of valid IPs is ${this.cidr.text}`);
    if (taken.has(address.text)) refuse(`failed to allocate IP ${text}: provided IP is already allocated`);
  }

  private freeAddress(taken: ReadonlySet<string | undefined>): string {
    const hosts = 2 ** Math.min(30, this.cidr.address.bytes.length * 8 - this.cidr.length);
    const start = randomInt(2, Math.max(3, hosts - 1));
    for (let i = 0; i < hosts - 2; i++) {
      const offset = 2 + ((start - 2 + i) % Math.max(1, hosts - 3));
      const address = this.cidr.address.plus(offset).text;
      if (!taken.has(address)) return address;
    }
    throw invalid('', 'Service', '', [fieldError.invalid('spec.clusterIPs', '', 'failed to allocate a serviceIP: range is full')]);
  }

  private allocateNodePorts(draft: KubeObject, spec: V1ServiceSpec, others: readonly V1ServiceSpec[]): void {
    const taken = new Set(others.flatMap((other) => (other.ports ?? []).map((port) => `${port.protocol ?? 'TCP'}/${port.nodePort ?? 0}`)));
    for (const [index, port] of (spec.ports ?? []).entries()) {
      const keyOf = (number: number): string => `${port.protocol ?? 'TCP'}/${number}`;
      if (port.nodePort) {
        const why = port.nodePort < NODE_PORTS.first || port.nodePort > NODE_PORTS.last ? `provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}` : taken.has(keyOf(port.nodePort)) ? 'provided port is already allocated' : undefined;
        if (why !== undefined) throw invalid('', 'Service', draft.metadata.name ?? '', [fieldError.invalid(`spec.ports[${index}].nodePort`, port.nodePort, why)]);
      } else {
        const count = NODE_PORTS.last - NODE_PORTS.first + 1;
        const start = randomInt(count);
        const free = Array.from({ length: count }, (_, i) => NODE_PORTS.first + ((start + i) % count)).find((number) => !taken.has(keyOf(number)));
        if (free === undefined) throw invalid('', 'Service', draft.metadata.name ?? '', [fieldError.invalid(`spec.ports[${index}].nodePort`, 0, 'failed to allocate a nodePort: range is full')]);
        port.nodePort = free;
      }
      taken.add(keyOf(port.nodePort ?? 0));
    }
  }
}
