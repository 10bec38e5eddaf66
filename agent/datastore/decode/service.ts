import { Cidr, IpAddress } from '../../base/address.js';
import type { Algorithm, Service, ServicePort, TrafficPolicy } from '../../model/service.js';
import { fields, list, Problems, text, type Decoder, type Fields } from './field.js';
import type { Interner } from './intern.js';
import { portNumber, protocolNumber } from './port.js';

const PROXY_NAME = 'service.kubernetes.io/service-proxy-name';
/** On a Service too, whatever its clusterIP: kube-proxy asks for none that has it. */
const HEADLESS = 'service.kubernetes.io/headless';
const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const;
/** Cilium's `service.cilium.io/lb-algorithm` by our name, and what Calico calls the same. */
export const LB_ALGORITHM = 'canal.io/lb-algorithm';
const CALICO_STRATEGY = 'lb.projectcalico.org/external-traffic-strategy';
/** As the API server defaults and limits sessionAffinityConfig.clientIP.timeoutSeconds. */
const AFFINITY_DEFAULT_S = 10_800;
const AFFINITY_MAX_S = 86_400;

/** core/v1 Service, cut to what a proxy needs. What cannot be used is left out and reported; the rest of the service works on. */
export function serviceDecoder(intern: Interner): Decoder<Service> {
  return (raw) => {
    const service = fields(raw);
    const metadata = fields(service['metadata']);
    const labels = fields(metadata['labels']);
    const spec = fields(service['spec']);
    const namespace = intern.string(text(metadata['namespace']));
    const name = intern.string(text(metadata['name']));
    const problems = new Problems(`Service ${namespace}/${name}`);
    const type = typeOf(spec, problems);
    const value: Service = {
      namespace,
      name,
      type,
      clusterIps: type === 'ExternalName' || labels[HEADLESS] !== undefined ? [] : clusterIps(spec, problems),
      externalIps: addresses(list(spec['externalIPs']), 'spec.externalIPs', problems),
      loadBalancerIps: type === 'LoadBalancer' ? loadBalancerIps(fields(service['status']), problems) : [],
      sourceRanges: sourceRanges(spec, problems),
      ports: ports(spec, intern, problems),
      affinityS: affinity(spec, problems),
      internalPolicy: policy(spec, 'internalTrafficPolicy', problems),
      externalPolicy: policy(spec, 'externalTrafficPolicy', problems),
      proxyName: intern.string(text(labels[PROXY_NAME])),
      healthCheckNodePort: healthCheckNodePort(spec, type, problems),
      algorithm: algorithm(fields(metadata['annotations']), problems),
    };
    return { value, problems: problems.found };
  };
}

function typeOf(spec: Fields, problems: Problems): Service['type'] {
  const type = spec['type'] ?? 'ClusterIP';
  const known = TYPES.find((one) => one === type);
  if (known === undefined) problems.add('spec.type', 'unknown; taken as ClusterIP');
  return known ?? 'ClusterIP';
}

/** None for headless services; clusterIPs counts where both are there, since the API server keeps them equal. */
function clusterIps(spec: Fields, problems: Problems): readonly IpAddress[] {
  const many = list(spec['clusterIPs']);
  const [field, texts] = many.length > 0 ? ['spec.clusterIPs', many] : ['spec.clusterIP', [spec['clusterIP']]];
  return addresses(texts.filter((one) => one !== 'None' && one !== '' && one !== undefined && one !== null), field, problems);
}

function loadBalancerIps(status: Fields, problems: Problems): readonly IpAddress[] {
  const ingress = list(fields(status['loadBalancer'])['ingress']).map(fields);
  // ipMode Proxy: the balancer wants to see the connection itself (KEP-1860). Without an ip there is a host name, which is nobody's address.
  const own = ingress.filter((one) => one['ipMode'] !== 'Proxy' && one['ip'] !== undefined && one['ip'] !== '');
  return addresses(own.map((one) => one['ip']), 'status.loadBalancer.ingress', problems);
}

/** A range that cannot be read admits nobody: the list stays a restriction even where none of it is left. */
function sourceRanges(spec: Fields, problems: Problems): readonly Cidr[] {
  const written = list(spec['loadBalancerSourceRanges']);
  const ranges = written.flatMap((one) => Cidr.parse(text(one).trim()) ?? []);
  if (ranges.length < written.length) problems.add('spec.loadBalancerSourceRanges', 'holds what is no CIDR');
  return written.length > 0 && ranges.length === 0 ? [NOBODY] : ranges;
}

const NOBODY = Cidr.parse('255.255.255.255/32')!;

/** Each once, in the order given. */
function addresses(raw: readonly unknown[], field: string, problems: Problems): readonly IpAddress[] {
  const found = new Map<string, IpAddress>();
  for (const one of raw) {
    const address = IpAddress.parse(text(one));
    if (address === undefined) problems.add(field, `not an address: ${text(one).slice(0, 64)}`);
    else if (isNowhere(address)) problems.add(field, `${address.text} cannot be a service's`);
    else found.set(address.text, address);
  }
  return [...found.values()];
}

/** Unspecified and loopback: translating them would take from processes what they send to themselves. */
const isNowhere = ({ family, bytes }: IpAddress): boolean => (family === 4 ? bytes[0] === 127 || bytes[0] === 0 : bytes.subarray(0, 15).every((b) => b === 0) && bytes[15]! <= 1);

/** One that is unusable is left out; of two with the same protocol and number, or name and protocol, the first stays. */
function ports(spec: Fields, intern: Interner, problems: Problems): readonly ServicePort[] {
  const found: ServicePort[] = [];
  list(spec['ports']).forEach((raw, i) => {
    const one = fields(raw);
    const at = `spec.ports[${i}]`;
    const port = portNumber(one['port']);
    const protocol = protocolNumber(one['protocol']);
    if (port === undefined) return problems.add(`${at}.port`, 'not a port number');
    if (protocol === undefined) return problems.add(`${at}.protocol`, 'none of TCP, UDP, SCTP');
    const nodePort = one['nodePort'] === undefined || one['nodePort'] === 0 ? 0 : portNumber(one['nodePort']);
    if (nodePort === undefined) problems.add(`${at}.nodePort`, 'not a port number');
    const name = intern.string(text(one['name']));
    const twice = found.some((other) => other.protocol === protocol && (other.port === port || other.name === name));
    if (twice) return problems.add(at, 'a port of the same number or name is there already');
    found.push({ name, protocol, port, nodePort: nodePort ?? 0 });
  });
  return found;
}

function affinity(spec: Fields, problems: Problems): number {
  const mode = spec['sessionAffinity'] ?? 'None';
  if (mode === 'None' || mode === '') return 0;
  if (mode !== 'ClientIP') {
    problems.add('spec.sessionAffinity', 'neither None nor ClientIP; taken as None');
    return 0;
  }
  const seconds = fields(fields(spec['sessionAffinityConfig'])['clientIP'])['timeoutSeconds'];
  if (seconds === undefined || seconds === null) return AFFINITY_DEFAULT_S;
  if (Number.isInteger(seconds) && (seconds as number) > 0 && (seconds as number) <= AFFINITY_MAX_S) return seconds as number;
  problems.add('spec.sessionAffinityConfig.clientIP.timeoutSeconds', `not from 1 to ${AFFINITY_MAX_S}; taken as ${AFFINITY_DEFAULT_S}`);
  return AFFINITY_DEFAULT_S;
}

/** There for load balancers that keep the client's address and so must not send to nodes without an endpoint. */
function healthCheckNodePort(spec: Fields, type: Service['type'], problems: Problems): number {
  const written = spec['healthCheckNodePort'];
  if (written === undefined || written === null || written === 0) return 0;
  const port = portNumber(written);
  if (port === undefined) problems.add('spec.healthCheckNodePort', 'not a port number');
  return type === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local' ? (port ?? 0) : 0;
}

function algorithm(annotations: Fields, problems: Problems): Algorithm | undefined {
  const name = [LB_ALGORITHM, CALICO_STRATEGY].find((one) => annotations[one] !== undefined);
  const written = name === undefined ? '' : text(annotations[name]).toLowerCase();
  if (written === 'random' || written === 'maglev') return written;
  if (written !== '') problems.add(`metadata.annotations[${name}]`, `neither random nor maglev: ${written.slice(0, 64)}`);
  return undefined;
}

function policy(spec: Fields, field: 'internalTrafficPolicy' | 'externalTrafficPolicy', problems: Problems): TrafficPolicy {
  const written = spec[field];
  if (written === 'Local') return 'local';
  if (written !== undefined && written !== null && written !== '' && written !== 'Cluster') problems.add(`spec.${field}`, 'neither Cluster nor Local; taken as Cluster');
  return 'cluster';
}
