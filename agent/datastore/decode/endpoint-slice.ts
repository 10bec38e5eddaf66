import { IpAddress, type Family } from '../../base/address.js';
import type { EndpointSlice, SliceEndpoint, SlicePort } from '../../model/service.js';
import { fields, list, Problems, text, type Decoder, type Fields } from './field.js';
import type { Interner } from './intern.js';
import { portNumber, protocolNumber } from './port.js';

const SERVICE_NAME = 'kubernetes.io/service-name';
const HEADLESS = 'service.kubernetes.io/headless';
const PROXY_NAME = 'service.kubernetes.io/service-proxy-name';

/**
 * discovery.k8s.io/v1 EndpointSlice, by kube-proxy's rules: of an endpoint the
 * first address alone; conditions that are not said are ready, serving, not
 * terminating; FQDN slices, and those of headless services or of another
 * proxy, are of no use and absent.
 */
export function endpointSliceDecoder(intern: Interner): Decoder<EndpointSlice> {
  return (raw) => {
    const slice = fields(raw);
    const metadata = fields(slice['metadata']);
    const labels = fields(metadata['labels']);
    const namespace = intern.string(text(metadata['namespace']));
    const name = text(metadata['name']);
    const problems = new Problems(`EndpointSlice ${namespace}/${name}`);
    const service = intern.string(text(labels[SERVICE_NAME]));
    const family = familyOf(slice['addressType'], problems);
    if (service === '' || family === undefined || labels[HEADLESS] !== undefined || labels[PROXY_NAME] !== undefined) return { value: undefined, problems: problems.found };
    const value: EndpointSlice = { namespace, name, service, family, ports: ports(slice, intern, problems), endpoints: endpoints(slice, family, intern, problems) };
    return { value, problems: problems.found };
  };
}

function familyOf(type: unknown, problems: Problems): Family | undefined {
  if (type === 'IPv4') return 4;
  if (type === 'IPv6') return 6;
  if (type !== 'FQDN') problems.add('addressType', 'none of IPv4, IPv6, FQDN');
  return undefined;
}

/** A port without number means all ports, for consumers that know what that is; a proxy does not. */
function ports(slice: Fields, intern: Interner, problems: Problems): readonly SlicePort[] {
  return list(slice['ports']).flatMap((raw, i) => {
    const one = fields(raw);
    if (one['port'] === undefined || one['port'] === null) return [];
    const port = portNumber(one['port']);
    const protocol = protocolNumber(one['protocol']);
    if (port === undefined) problems.add(`ports[${i}].port`, 'not a port number');
    if (protocol === undefined) problems.add(`ports[${i}].protocol`, 'none of TCP, UDP, SCTP');
    return port === undefined || protocol === undefined ? [] : [{ name: intern.string(text(one['name'])), protocol, port }];
  });
}

function endpoints(slice: Fields, family: Family, intern: Interner, problems: Problems): readonly SliceEndpoint[] {
  return list(slice['endpoints']).flatMap((raw, i) => {
    const one = fields(raw);
    const written = list(one['addresses'])[0];
    const address = IpAddress.parse(text(written));
    if (address?.family !== family || isForbidden(address)) {
      problems.add(`endpoints[${i}].addresses[0]`, `not a usable address of the slice's type: ${text(written).slice(0, 64)}`);
      return [];
    }
    const conditions = fields(one['conditions']);
    const said = (condition: string, otherwise: boolean): boolean => (typeof conditions[condition] === 'boolean' ? conditions[condition] : otherwise);
    const hints = fields(one['hints']);
    return [{
      address,
      ready: said('ready', true),
      serving: said('serving', true),
      terminating: said('terminating', false),
      nodeName: intern.string(text(one['nodeName'])),
      zoneHints: names(hints['forZones'], intern),
      nodeHints: names(hints['forNodes'], intern),
      target: targetOf(fields(one['targetRef']), intern),
    }];
  });
}

const names = (raw: unknown, intern: Interner): readonly string[] => list(raw).map((one) => intern.string(text(fields(one)['name']))).filter((name) => name !== '');

function targetOf(reference: Fields, intern: Interner): string {
  const name = text(reference['name']);
  return name === '' ? '' : `${intern.string(text(reference['namespace']))}/${name}`;
}

/** As the API server's own rule: a proxy must not be made to reach a node's loopback, link-local or multicast addresses. */
function isForbidden({ family, bytes }: IpAddress): boolean {
  if (family === 4) return bytes[0] === 0 || bytes[0] === 127 || bytes[0]! >= 224 || (bytes[0] === 169 && bytes[1] === 254);
  return bytes[0] === 0xff || (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80) || (bytes.subarray(0, 15).every((b) => b === 0) && bytes[15]! <= 1);
}
