import { addressBytes, Cidr, type IpAddress } from '../../base/address.js';
import type { AttachmentRow, EndpointRow, LocalEndpoint, PodDeviceName, PolicyState, RouteRow } from '../desired.js';

/** enum canal_endpoint_flags of bpf/abi.h: the node's own processes always reach a pod (compat.md 6.7). */
export const ENDPOINT_HOST_ALLOWED = 1;

/** Programs at a pod's host device, named from the pod's side. */
export const FROM_POD = 'canal_from_pod';
export const TO_POD = 'canal_to_pod';

/** What local pods want of the kernel. */
export interface EndpointState {
  /** By ifindex. A pod that the API does not know (yet, or any more) has none: its device drops. */
  readonly rows: ReadonlyMap<number, EndpointRow>;
  /** IpAddress.text -> where it is. */
  readonly local: ReadonlyMap<string, { readonly address: IpAddress; readonly ifindex: number }>;
  readonly routes: readonly RouteRow[];
  /** Of the host devices, below /proc/sys (compat.md 5.3). */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly attachments: readonly AttachmentRow[];
}

export interface EndpointSettings {
  /** RTPROT_* and metric of pods' routes (compat.md 5.3). */
  readonly routeProtocol: number;
  readonly routeMetric: number;
}

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
  const rows = new Map<number, EndpointRow>();
  const local = new Map<string, { address: IpAddress; ifindex: number }>();
  for (const endpoint of sorted) {
    const tables = endpoint.pod === '' ? NOT_ISOLATED : policy.endpoints.get(`${endpoint.namespace}/${endpoint.pod}`);
    if (tables === undefined) continue;
    rows.set(endpoint.ifindex, endpointRow(endpoint, tables));
    for (const address of endpoint.addresses) local.set(address.text, { address, ifindex: endpoint.ifindex });
  }
  return { rows, local, routes: podRoutes(sorted.filter(isUp(up)), settings), sysctls: new Map(sorted.flatMap(deviceSysctls)), attachments: sorted.flatMap(podPrograms) };
}

function endpointRow(endpoint: LocalEndpoint, tables: { readonly ingressTable: bigint; readonly egressTable: bigint }): EndpointRow {
  return {
    ...tables,
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
    for (const address of endpoint.addresses) {
      const destination = Cidr.of(address, addressBytes(address.family) * 8);
      byDestination.set(destination.text, podRoute(destination, endpoint.ifindex, settings));
    }
  }
  return [...byDestination.values()];
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
