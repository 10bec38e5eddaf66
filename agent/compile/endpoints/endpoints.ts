import { addressBytes, Cidr, type IpAddress } from '../../base/address.js';
import { changedSpan } from '../../base/changed-span.js';
import { changesBetween, MapEditor } from '../../base/versioned-map.js';
import type { AttachmentRow, EndpointRow, LocalEndpoint, PodDeviceName, PolicyState, RouteRow } from '../desired.js';

/** enum canal_endpoint_flags of bpf/abi_policy.h: the node's own processes always reach a pod (compat.md 6.7). */
export const ENDPOINT_HOST_ALLOWED = 1;

/** Programs at a pod's host device, named from the pod's side. */
export const FROM_POD = 'canal_from_pod';
export const TO_POD = 'canal_to_pod';

/** What local pods want of the kernel. Maps of one state are versions of the next one's. */
export interface EndpointState {
  /** By ifindex. A pod that the API does not know (yet, or any more) has none: its device drops. */
  readonly rows: ReadonlyMap<number, EndpointRow>;
  /** IpAddress.text -> where it is. */
  readonly local: ReadonlyMap<string, LocalAddress>;
  /** By the text of the address that they lead to. */
  readonly routes: ReadonlyMap<string, RouteRow>;
  /** Of the host devices, below /proc/sys (compat.md 5.3). */
  readonly sysctls: ReadonlyMap<string, string>;
  /** By ifindex. */
  readonly attachments: ReadonlyMap<number, readonly AttachmentRow[]>;
}

export interface LocalAddress {
  readonly address: IpAddress;
  readonly ifindex: number;
}

export interface EndpointSettings {
  /** RTPROT_* and metric of pods' routes (compat.md 5.3). */
  readonly routeProtocol: number;
  readonly routeMetric: number;
}

/** Which pods there are, which of their devices are up, and which tables policy gives them. */
export interface EndpointInput {
  readonly endpoints: readonly LocalEndpoint[];
  /** ifindexes of devices that are up; the kernel takes routes only through those. */
  readonly up: ReadonlySet<number>;
  readonly policy: Pick<PolicyState, 'endpoints'>;
}

type Tables = Pick<EndpointRow, 'ingressTable' | 'egressTable'>;

/** A container that is no pod's (CNI without Kubernetes): no policy can select it. */
const NOT_ISOLATED = { ingressTable: 0n, egressTable: 0n };

/** The same from nothing. */
export function compileEndpoints(input: EndpointInput, settings: EndpointSettings): EndpointState {
  return new EndpointCompiler(settings).sync(input);
}

/**
 * Rows, routes and programs of this node's pods. Programs go on every pod
 * device, rows only to pods that policy knows: so a device without a row drops
 * instead of being open. Where two endpoints claim one address, the newer
 * device (the higher ifindex) has it, as its CNI ADD came later. Looks only at
 * pods of which something has changed; the memory never changes the answer.
 */
export class EndpointCompiler {
  readonly #rows = new MapEditor<number, EndpointRow>();
  readonly #local = new MapEditor<string, LocalAddress>();
  readonly #routes = new MapEditor<string, RouteRow>();
  readonly #sysctls = new MapEditor<string, string>();
  readonly #attachments = new MapEditor<number, readonly AttachmentRow[]>();
  readonly #byName = new Groups<string>();
  readonly #byAddress = new Groups<string>();
  #last: EndpointInput = { endpoints: [], up: new Set(), policy: { endpoints: new Map() } };

  constructor(private readonly settings: EndpointSettings) {}

  sync(input: EndpointInput): EndpointState {
    const addresses = new Set<string>();
    for (const endpoint of this.#changed(input)) {
      this.#place(endpoint, input.policy);
      for (const { text } of endpoint.addresses) addresses.add(text);
    }
    for (const { addresses: lost } of changedSpan(this.#last.endpoints, input.endpoints).gone) for (const { text } of lost) addresses.add(text);
    this.#last = input;
    for (const text of addresses) this.#claim(text, input.up);
    return {
      rows: this.#rows.version(),
      local: this.#local.version(),
      routes: this.#routes.version(),
      sysctls: this.#sysctls.version(),
      attachments: this.#attachments.version(),
    };
  }

  /** Takes in who came and takes out who went. @returns those that are there and not as they were */
  #changed({ endpoints, up, policy }: EndpointInput): ReadonlySet<LocalEndpoint> {
    const last = this.#last;
    const { gone, come } = changedSpan(last.endpoints, endpoints);
    for (const endpoint of gone) this.#remove(endpoint);
    for (const endpoint of come) this.#add(endpoint);
    const changed = new Set(come);
    if (last.up !== up) for (const endpoint of endpoints) if (up.has(endpoint.ifindex) !== last.up.has(endpoint.ifindex)) changed.add(endpoint);
    for (const [name] of changesBetween(last.policy.endpoints, policy.endpoints)) for (const endpoint of this.#byName.of(name)) changed.add(endpoint);
    return changed;
  }

  #add(endpoint: LocalEndpoint): void {
    const { sysctls, attachments } = fixedOf(endpoint);
    for (const [path, value] of sysctls) this.#sysctls.set(path, value);
    this.#attachments.set(endpoint.ifindex, attachments);
    this.#byName.add(nameOf(endpoint), endpoint);
    for (const { text } of endpoint.addresses) this.#byAddress.add(text, endpoint);
  }

  #remove(endpoint: LocalEndpoint): void {
    for (const [path] of fixedOf(endpoint).sysctls) this.#sysctls.delete(path);
    this.#attachments.delete(endpoint.ifindex);
    this.#rows.delete(endpoint.ifindex);
    this.#byName.remove(nameOf(endpoint), endpoint);
    for (const { text } of endpoint.addresses) this.#byAddress.remove(text, endpoint);
  }

  #place(endpoint: LocalEndpoint, policy: EndpointInput['policy']): void {
    const tables = endpoint.pod === '' ? NOT_ISOLATED : policy.endpoints.get(nameOf(endpoint));
    if (tables === undefined) this.#rows.delete(endpoint.ifindex);
    else this.#rows.set(endpoint.ifindex, endpointRow(endpoint, tables));
  }

  /** Decides who has an address: of those with a row for delivery, of those that are up for the route. */
  #claim(text: string, up: ReadonlySet<number>): void {
    const claims = [...this.#byAddress.of(text)].sort((a, b) => a.ifindex - b.ifindex);
    const served = claims.findLast(({ ifindex }) => this.#rows.has(ifindex));
    if (served === undefined) this.#local.delete(text);
    else if (this.#local.get(text)?.ifindex !== served.ifindex) this.#local.set(text, { address: served.addresses.find((address) => address.text === text)!, ifindex: served.ifindex });
    const led = claims.findLast(({ ifindex }) => up.has(ifindex));
    if (led === undefined) this.#routes.delete(text);
    else this.#routes.set(text, podRoutes(led, this.settings)[led.addresses.findIndex((address) => address.text === text)]!);
  }
}

const nameOf = ({ namespace, pod }: LocalEndpoint): string => `${namespace}/${pod}`;

/** Endpoints that have something in common. */
class Groups<Key> {
  readonly #groups = new Map<Key, Set<LocalEndpoint>>();

  of(key: Key): Iterable<LocalEndpoint> {
    return this.#groups.get(key) ?? [];
  }

  add(key: Key, endpoint: LocalEndpoint): void {
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, new Set([endpoint]));
    else group.add(endpoint);
  }

  remove(key: Key, endpoint: LocalEndpoint): void {
    const group = this.#groups.get(key);
    if (group?.delete(endpoint) === true && group.size === 0) this.#groups.delete(key);
  }
}

/** What follows from an endpoint alone is made once, so that it is known by its identity to be what it was. */
interface Fixed {
  readonly sysctls: readonly [string, string][];
  readonly attachments: readonly AttachmentRow[];
  /** The last row and routes, which hold while what else they are made of is the same. */
  row?: EndpointRow;
  routes?: { readonly of: EndpointSettings; readonly rows: readonly RouteRow[] };
}

const known = new WeakMap<LocalEndpoint, Fixed>();

function fixedOf(endpoint: LocalEndpoint): Fixed {
  const found = known.get(endpoint);
  if (found !== undefined) return found;
  const made: Fixed = { sysctls: podSysctls(endpoint), attachments: podPrograms(endpoint) };
  known.set(endpoint, made);
  return made;
}

function endpointRow(endpoint: LocalEndpoint, tables: Tables): EndpointRow {
  const fixed = fixedOf(endpoint);
  const { row } = fixed;
  if (row?.ingressTable === tables.ingressTable && row.egressTable === tables.egressTable) return row;
  return (fixed.row = makeRow(endpoint, tables));
}

function makeRow(endpoint: LocalEndpoint, { ingressTable, egressTable }: Tables): EndpointRow {
  return {
    ingressTable,
    egressTable,
    flags: ENDPOINT_HOST_ALLOWED,
    addr4: endpoint.addresses.find((a) => a.family === 4),
    addr6: endpoint.addresses.find((a) => a.family === 6),
    podMac: endpoint.podMac,
    hostMac: endpoint.hostMac,
  };
}

/** One for each address. */
export function podRoutes(endpoint: LocalEndpoint, settings: EndpointSettings): readonly RouteRow[] {
  const fixed = fixedOf(endpoint);
  if (fixed.routes?.of !== settings) {
    const rows = endpoint.addresses.map((address) => podRoute(Cidr.of(address, addressBytes(address.family) * 8), endpoint.ifindex, settings));
    fixed.routes = { of: settings, rows };
  }
  return fixed.routes.rows;
}

const podRoute = (destination: Cidr, ifindex: number, settings: EndpointSettings): RouteRow => ({
  destination,
  ifindex,
  gateway: undefined,
  onlink: false,
  scope: destination.family === 4 ? 'link' : 'universe', // IPv6 routes have no scope
  type: 'unicast',
  metric: settings.routeMetric,
  protocol: settings.routeProtocol,
});

/** Proxy ARP answers for 169.254.1.1; sources are checked by the program, and redirected replies take other ways than rp_filter knows. */
export const podSysctls = ({ hostDevice }: LocalEndpoint): [string, string][] => [
  [`net/ipv4/conf/${hostDevice}/forwarding`, '1'],
  [`net/ipv4/conf/${hostDevice}/proxy_arp`, '1'],
  [`net/ipv4/conf/${hostDevice}/route_localnet`, '1'],
  [`net/ipv4/conf/${hostDevice}/rp_filter`, '0'],
  [`net/ipv4/neigh/${hostDevice}/proxy_delay`, '0'],
];

/** The device's egress leads into the pod. */
export const podPrograms = ({ ifindex, hostDevice }: PodDeviceName): AttachmentRow[] => [
  { ifindex, device: hostDevice, egress: false, program: FROM_POD },
  { ifindex, device: hostDevice, egress: true, program: TO_POD },
];
