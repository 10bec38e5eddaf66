import { isIPv4 } from 'node:net';
import type { Answer, Question, RecordType } from 'dns-packet';
import { IpAddress } from '../../base/address.js';
import type { Endpoint, EndpointSlice, Service } from '../world/objects.js';

export const ZONE = 'cluster.local';
const TTL = 5;

/** What the names are made from. */
export interface NamedObjects {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
}

export interface Reply {
  /** RFC 1035 4.1.1. */
  readonly code: 'NOERROR' | 'NXDOMAIN' | 'REFUSED';
  readonly answers: readonly Answer[];
}

const NOTHING: Reply = { code: 'NOERROR', answers: [] };
const UNKNOWN: Reply = { code: 'NXDOMAIN', answers: [] };

/**
 * Answers a question about the cluster: services, their endpoints and ports,
 * pods by address, and addresses back to names (Kubernetes DNS-Based Service
 * Discovery, specification 1.1.0). What is of another zone is refused: a lab has
 * no other name server to ask.
 */
export function reply({ name: asked, type }: Question, objects: NamedObjects): Reply {
  const name = asked.toLowerCase().replace(/\.$/, '');
  if (name.endsWith('.in-addr.arpa') || name.endsWith('.ip6.arpa')) return pointer(asked, addressOf(name), type, objects);
  if (name !== ZONE && !name.endsWith(`.${ZONE}`)) return { code: 'REFUSED', answers: [] };
  const labels = name === ZONE ? [] : name.slice(0, -ZONE.length - 1).split('.').reverse();
  switch (labels[0]) {
    case undefined:
      return NOTHING;
    case 'svc':
      return ofServices(asked, type, labels.slice(1), objects);
    case 'pod':
      return ofPods(asked, type, labels.slice(1));
    case 'dns-version':
      return labels.length > 1 ? UNKNOWN : { code: 'NOERROR', answers: type === 'TXT' ? [{ name: asked, type: 'TXT', ttl: TTL, data: '1.1.0' }] : [] };
  }
  return UNKNOWN;
}

function ofServices(asked: string, type: RecordType, [namespace, name, ...rest]: readonly string[], objects: NamedObjects): Reply {
  if (namespace === undefined) return NOTHING;
  if (name === undefined) return objects.services.some(({ metadata }) => metadata.namespace === namespace) ? NOTHING : UNKNOWN;
  const service = objects.services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  if (service === undefined) return UNKNOWN;
  const slices = slicesOf(service, objects);
  const external = service.spec?.externalName;
  if (service.spec?.type === 'ExternalName' && external !== undefined) return rest.length > 0 ? UNKNOWN : found([{ name: asked, type: 'CNAME', ttl: TTL, data: external }]);
  if (rest.length === 0) return type === 'SRV' ? found(ports(asked, service, slices)) : found(addresses(asked, type, addressesOf(service, slices)));
  if (rest[0]!.startsWith('_')) return named(asked, type, service, slices, rest);
  const endpoints = slices.flatMap(readyEndpoints).filter((endpoint) => hostOf(endpoint) === rest[0]);
  if (rest.length > 1 || endpoints.length === 0) return UNKNOWN;
  return found(addresses(asked, type, endpoints.flatMap((endpoint) => endpoint.addresses)));
}

/** `_port._protocol` of a service. */
function named(asked: string, type: RecordType, service: Service, slices: readonly EndpointSlice[], [protocol, port, more]: readonly string[]): Reply {
  if (port === undefined || more !== undefined) return port === undefined ? NOTHING : UNKNOWN;
  const answers = ports(asked, service, slices, { protocol: protocol!.slice(1), name: port.slice(1) });
  return answers.length === 0 ? UNKNOWN : type === 'SRV' ? found(answers) : NOTHING;
}

function ofPods(asked: string, type: RecordType, [namespace, host, more]: readonly string[]): Reply {
  if (namespace === undefined || host === undefined) return NOTHING;
  const address = IpAddress.parse(host.replaceAll('-', '.')) ?? IpAddress.parse(host.replaceAll('-', ':'));
  return address === undefined || more !== undefined ? UNKNOWN : found(addresses(asked, type, [address.text]));
}

function pointer(asked: string, address: string | undefined, type: RecordType, objects: NamedObjects): Reply {
  if (address === undefined) return UNKNOWN;
  const service = objects.services.find(({ spec }) => addressList(spec).includes(address));
  const names = service !== undefined ? [nameOf(service)] : objects.services.flatMap((one) => slicesOf(one, objects).flatMap(readyEndpoints).filter((endpoint) => endpoint.addresses.includes(address)).map((endpoint) => `${hostOf(endpoint)}.${nameOf(one)}`));
  if (names.length === 0) return UNKNOWN;
  return found(type === 'PTR' ? names.map((data) => ({ name: asked, type: 'PTR', ttl: TTL, data })) : []);
}

function ports(asked: string, service: Service, slices: readonly EndpointSlice[], only?: { protocol: string; name: string }): Answer[] {
  const wanted = (port: { name?: string; protocol?: string }): boolean => only === undefined || ((port.name ?? '') === only.name && (port.protocol ?? 'TCP').toLowerCase() === only.protocol);
  const answer = (target: string, port: number): Answer => ({ name: asked, type: 'SRV', ttl: TTL, data: { priority: 0, weight: 100, port, target } });
  if (!isHeadless(service)) return (service.spec?.ports ?? []).filter(wanted).map(({ port }) => answer(nameOf(service), port));
  return slices.flatMap((slice) =>
    (slice.ports ?? []).filter(wanted).flatMap(({ port }) => (port === undefined ? [] : readyEndpoints(slice).map((endpoint) => answer(`${hostOf(endpoint)}.${nameOf(service)}`, port)))));
}

function addresses(asked: string, type: RecordType, all: readonly string[]): Answer[] {
  return [...new Set(all)].flatMap((data): Answer[] => {
    const record = isIPv4(data) ? 'A' : 'AAAA';
    return type === record || (type as string) === 'ANY' ? [{ name: asked, type: record, ttl: TTL, data }] : [];
  });
}

function slicesOf({ metadata }: Service, { endpointSlices }: NamedObjects): EndpointSlice[] {
  return endpointSlices.filter((slice) => slice.metadata.namespace === metadata.namespace && slice.metadata.labels?.['kubernetes.io/service-name'] === metadata.name && slice.addressType !== 'FQDN');
}

function addressesOf(service: Service, slices: readonly EndpointSlice[]): readonly string[] {
  return isHeadless(service) ? slices.flatMap(readyEndpoints).flatMap((endpoint) => endpoint.addresses) : addressList(service.spec);
}

/** in-addr.arpa or ip6.arpa to an address, undefined unless whole. */
function addressOf(name: string): string | undefined {
  const labels = name.split('.').slice(0, -2).reverse();
  if (name.endsWith('.in-addr.arpa')) return IpAddress.parse(labels.join('.'))?.text;
  return labels.length === 32 ? IpAddress.parse(labels.join('').replace(/(....)(?=.)/g, '$1:'))?.text : undefined;
}

const found = (answers: readonly Answer[]): Reply => ({ code: 'NOERROR', answers });
const isHeadless = ({ spec }: Service): boolean => spec?.clusterIP === 'None';
const addressList = (spec: Service['spec']): readonly string[] => (spec?.clusterIPs ?? [spec?.clusterIP]).filter((ip): ip is string => ip !== undefined && ip !== '' && ip !== 'None');
const nameOf = ({ metadata }: Service): string => `${metadata.name}.${metadata.namespace ?? 'default'}.svc.${ZONE}`;
const readyEndpoints = (slice: EndpointSlice): Endpoint[] => (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
/** An endpoint without a hostname is called by its address. */
const hostOf = ({ hostname, addresses: [first = ''] }: Endpoint): string => hostname ?? first.replace(/[.:]/g, '-');
