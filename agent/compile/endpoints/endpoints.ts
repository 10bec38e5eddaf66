import { addressBytes, Cidr, type IpAddress } from '../../base/address.js';
import type { AttachmentRow, EndpointRow, LocalEndpoint, PodDeviceName, PolicyState, RouteRow } from '../desired.js';

/** enum canal_endpoint_flags of bpf/abi.h: the node's own processes always reach a pod (compat.md 6.7). */
export const ENDPOINT_HOST_ALLOWED = 1;

/** Programs at a pod's host device, named from the pod's side. */
export const FROM_POD = 'canal_from_pod';
export const TO_POD = 'canal_to_pod';

/** What local pods want of the kernel. */
export interface EndpointState extends EndpointRows {
  readonly routes: readonly RouteRow[];
  /** Of the host devices, below /proc/sys (compat.md 5.3). */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly attachments: readonly AttachmentRow[];
}

/** The part of it that policy has a say in. */
export interface EndpointRows {
  /** By ifindex. A pod that the API does not know (yet, or any more) has none: its device drops. */
  readonly rows: ReadonlyMap<number, EndpointRow>;
  /** IpAddress.text -> where it is. */
  readonly local: ReadonlyMap<string, { readonly address: IpAddress; readonly ifindex: number }>;
}

export interface EndpointSettings {
  /** RTPROT_* and metric of pods' routes (compat.md 5.3). */
  readonly routeProtocol: number;
  readonly routeMetric: number;
}

type Tables = Pick<EndpointRow, 'ingressTable' | 'egressTable'>;

/** A container that is no pod's (CNI without Kubernetes): no policy can select it. */
const NOT_ISOLATED = { ingressTable: 0n, egressTable: 0n };

const isUp = (up: ReadonlySet<number>) => (endpoint: LocalEndpoint): boolean => up.has(endpoint.ifindex);

/**
 * Rows, routes and programs of this node's pods. Programs go on every pod
 * device, rows only to pods that policy knows: so a device without a row drops
 * instead of being open. Where two endpoints claim one address, the newer
 * device (the higher ifindex) has it, as its CNI ADD came later.
 * @param up devices that are up; the kernel takes routes only through those
 */
export function compileEndpoints(
  endpoints: readonly LocalEndpoint[],
  up: ReadonlySet<number>,
  policy: Pick<PolicyState, 'endpoints'>,
  settings: EndpointSettings,
): EndpointState {
  const sorted = [...endpoints].sort((a, b) => a.ifindex - b.ifindex);
  return {
    ...endpointRows(sorted, policy),
    routes: podRoutes(sorted.filter(isUp(up)), settings),
    sysctls: new Map(sorted.flatMap((endpoint) => fixedOf(endpoint).sysctls)),
    attachments: sorted.flatMap((endpoint) => fixedOf(endpoint).attachments),
  };
}

/** @param sorted by ifindex */
export function endpointRows(sorted: readonly LocalEndpoint[], policy: Pick<PolicyState, 'endpoints'>): EndpointRows {
  const rows = new Map<number, EndpointRow>();
  const local = new Map<string, { address: IpAddress; ifindex: number }>();
  for (const endpoint of sorted) {
    const tables = endpoint.pod === '' ? NOT_ISOLATED : policy.endpoints.get(`${endpoint.namespace}/${endpoint.pod}`);
    if (tables === undefined) continue;
    rows.set(endpoint.ifindex, endpointRow(endpoint, tables));
    for (const address of endpoint.addresses) local.set(address.text, { address, ifindex: endpoint.ifindex });
  }
  return { rows, local };
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
  const made: Fixed = { sysctls: deviceSysctls(endpoint), attachments: podPrograms(endpoint) };
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

function podRoutes(sorted: readonly LocalEndpoint[], settings: EndpointSettings): RouteRow[] {
  const byDestination = new Map<string, RouteRow>();
  for (const endpoint of sorted) {
    for (const row of routesOf(endpoint, settings)) byDestination.set(row.destination.text, row);
  }
  return [...byDestination.values()];
}

function routesOf(endpoint: LocalEndpoint, settings: EndpointSettings): readonly RouteRow[] {
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
const deviceSysctls = ({ hostDevice }: LocalEndpoint): [string, string][] => [
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
