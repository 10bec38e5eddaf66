import { IpAddress } from '../../base/address.js';
import type { HostPort, NamedPort } from '../../model/objects.js';
import { fields, list, text, type Fields, type Problems } from './field.js';
import type { Interner } from './intern.js';
import { portNumber, protocolNumber } from './port.js';

export interface ContainerPorts {
  /** Those with a name. */
  readonly named: readonly NamedPort[];
  readonly host: readonly HostPort[];
}

/** One value for all pods that have none. */
const NO_PORTS: readonly never[] = [];

/** Ports of containers and of init containers that keep running beside them (sidecars). */
export function containerPorts(spec: Fields, intern: Interner, problems: Problems): ContainerPorts {
  const named = new Map<string, NamedPort>();
  const host = new Map<string, HostPort>();
  for (const { raw, at } of portsOf(spec)) {
    const problem = (what: string): void => problems.add(at, what);
    const one = namedPort(raw, intern, problem);
    if (one !== undefined) named.set(`${one.name}/${one.protocol}/${one.port}`, one);
    const other = spec['hostNetwork'] === true ? undefined : hostPort(raw, problem);
    if (other !== undefined) host.set(`${other.hostIp?.text ?? ''}/${other.hostPort}/${other.protocol}`, other);
  }
  return { named: named.size === 0 ? NO_PORTS : [...named.values()], host: host.size === 0 ? NO_PORTS : [...host.values()] };
}

function* portsOf(spec: Fields): Generator<{ readonly raw: Fields; readonly at: string }> {
  const sidecars = list(spec['initContainers']).map((c) => (fields(c)['restartPolicy'] === 'Always' ? c : undefined));
  for (const [path, containers] of [['spec.containers', list(spec['containers'])], ['spec.initContainers', sidecars]] as const) {
    for (const [i, container] of containers.entries()) {
      for (const [j, raw] of list(fields(container)['ports']).entries()) yield { raw: fields(raw), at: `${path}[${i}].ports[${j}]` };
    }
  }
}

function namedPort(raw: Fields, intern: Interner, problem: (what: string) => void): NamedPort | undefined {
  const name = text(raw['name']);
  return name === '' ? undefined : withTarget(raw, problem, (protocol, port) => ({ name: intern.string(name), protocol, port }));
}

/** hostIP that is the unspecified address means every address, of both families where it is IPv4's. */
function hostPort(raw: Fields, problem: (what: string) => void): HostPort | undefined {
  if (raw['hostPort'] === undefined || raw['hostPort'] === null || raw['hostPort'] === 0) return undefined;
  const number = portNumber(raw['hostPort']);
  const written = text(raw['hostIP']);
  const hostIp = IpAddress.parse(written);
  if (number === undefined) problem('hostPort is not a port number');
  if (written !== '' && hostIp === undefined) problem(`hostIP is not an address: ${written.slice(0, 64)}`);
  if (number === undefined || (written !== '' && hostIp === undefined)) return undefined;
  const everywhere = hostIp === undefined || hostIp.bytes.every((byte) => byte === 0);
  return withTarget(raw, problem, (protocol, port) => ({ hostIp: everywhere ? undefined : hostIp, hostPort: number, protocol, port }));
}

function withTarget<T>(raw: Fields, problem: (what: string) => void, make: (protocol: number, port: number) => T): T | undefined {
  const port = portNumber(raw['containerPort']);
  const protocol = protocolNumber(raw['protocol']);
  if (port === undefined) problem('containerPort is not a port number');
  else if (protocol === undefined) problem('protocol is none of TCP, UDP, SCTP');
  return port === undefined || protocol === undefined ? undefined : make(protocol, port);
}
