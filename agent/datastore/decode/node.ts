import { Cidr, IpAddress } from '../../base/address.js';
import type { Labels, Node, NodeLease } from '../../model/objects.js';
import { fields, list, Problems, text, type Decoder, type Fields } from './field.js';
import type { Interner } from './intern.js';

/** core/v1 Node as flannel reads it. `prefix` is complete: `normalizeAnnotationPrefix`. */
export function nodeDecoder(prefix: string, intern: Interner): Decoder<Node> {
  return (raw) => {
    const node = fields(raw);
    const metadata = fields(node['metadata']);
    const status = fields(node['status']);
    const name = intern.string(text(metadata['name']));
    const problems = new Problems(`Node ${name}`);
    const flannelAnnotations = ownAnnotations(fields(metadata['annotations']), prefix, problems);
    const value: Node = {
      name,
      labels: intern.labels(metadata['labels'], 'metadata.labels', problems),
      podCidrs: podCidrs(fields(node['spec']), problems),
      internalAddresses: internalAddresses(status, problems),
      lease: lease(flannelAnnotations, prefix, problems),
      flannelAnnotations,
      networkUnavailable: networkUnavailable(status),
    };
    return { value, problems: problems.found };
  };
}

function ownAnnotations(annotations: Fields, prefix: string, problems: Problems): Labels {
  const own = Object.entries(annotations).filter(([key]) => key.startsWith(prefix));
  const texts = own.flatMap(([key, value]): [string, string][] => {
    if (typeof value === 'string') return [[key.slice(prefix.length), value]];
    problems.add(`metadata.annotations[${key}]`, 'not a string');
    return [];
  });
  return Object.freeze(Object.fromEntries(texts.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** In the order given; flannel takes the first of a family for peers (compat.md 1.4) and refuses a node with more than two. */
function podCidrs(spec: Fields, problems: Problems): readonly Cidr[] {
  const many = list(spec['podCIDRs']);
  const field = many.length > 0 ? 'spec.podCIDRs' : 'spec.podCIDR';
  const texts = many.length > 0 ? many : spec['podCIDR'] === undefined || spec['podCIDR'] === '' ? [] : [spec['podCIDR']];
  if (texts.length > 2) problems.add(field, 'more than two pod CIDRs');
  return texts.flatMap((one) => {
    const cidr = text(one).includes('/') ? Cidr.parse(text(one)) : undefined;
    if (cidr === undefined) problems.add(field, `not a CIDR: ${String(text(one)).slice(0, 64)}`);
    return cidr === undefined ? [] : [cidr];
  });
}

function internalAddresses(status: Fields, problems: Problems): readonly IpAddress[] {
  return list(status['addresses']).flatMap((entry, i) => {
    const { type, address } = fields(entry);
    if (type !== 'InternalIP') return [];
    const parsed = IpAddress.parse(text(address));
    if (parsed === undefined) problems.add(`status.addresses[${i}].address`, 'not an address');
    return parsed === undefined ? [] : [parsed];
  });
}

function lease(annotations: Labels, prefix: string, problems: Problems): NodeLease | undefined {
  if (annotations['kube-subnet-manager'] !== 'true') return undefined;
  const address = (key: string): IpAddress | undefined => {
    const written = annotations[key];
    if (written === undefined) return undefined;
    const parsed = IpAddress.parse(written);
    if (parsed === undefined) problems.add(`metadata.annotations[${prefix}${key}]`, 'not an address');
    return parsed;
  };
  return {
    backendType: annotations['backend-type'] ?? '',
    backendData: annotations['backend-data'] ?? '',
    backendV6Data: annotations['backend-v6-data'],
    publicIp: address('public-ip'),
    publicIpV6: address('public-ipv6'),
  };
}

function networkUnavailable(status: Fields): { status: string; reason: string } | undefined {
  const condition = list(status['conditions']).map(fields).find((c) => c['type'] === 'NetworkUnavailable');
  return condition && { status: text(condition['status']), reason: text(condition['reason']) };
}
