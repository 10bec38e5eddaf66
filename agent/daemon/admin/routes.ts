import type { RouteView } from '../../observe/views.js';
import { overlayPath, peerPath } from './overlay-path.js';
import { applied, type AdminSources } from './sources.js';

/** Other nodes' subnets: what is wanted, and whether the kernel has it. */
export function routesView(sources: AdminSources): RouteView[] {
  const { snapshot, desired, devices, planned } = applied(sources);
  const path = overlayPath(sources.settings.fastPath, planned);
  const nodeOf = (subnet: string): string => [...snapshot.nodes.values()].find((n) => n.podCidrs.some((c) => c.text === subnet))?.name ?? '';
  return [...desired.nexthops.values()].map(({ cidr, nexthop }) => ({
    subnet: cidr.text,
    node: nodeOf(cidr.text),
    kind: nexthop.kind,
    gateway: nexthop.gateway.text,
    device: nexthop.kind === 'direct' ? 'by gateway' : (devices.find((d) => d.ifindex === nexthop.ifindex)?.name ?? String(nexthop.ifindex)),
    vtep: nexthop.vtepAddress?.text ?? '',
    vtepMac: nexthop.vtepMac,
    path: nexthop.kind === 'direct' || nexthop.vtepAddress === undefined ? 'host stack (no overlay)' : peerPath(path, nexthop.vtepAddress, desired.config.uplinkIfindex, sources.kernel),
    state: stateOf(sources, cidr.text, nexthop.kind === 'overlay'),
  }));
}

/** `ok`, or the tables that lack a row of the subnet. */
function stateOf({ loop }: AdminSources, subnet: string, overlay: boolean): string {
  const { routes, nexthops, neighbours, fdb } = loop.ledgers;
  const missing: string[] = [];
  const nexthop = nexthops.actual().get(subnet)?.row;
  if (nexthop === undefined) missing.push('fast path');
  if (![...routes.actual().values()].some(({ key }) => key.destination.text === subnet)) missing.push('route');
  if (overlay && nexthop !== undefined) {
    if (neighbours.actual().get(neighbours.table.keyText({ ifindex: nexthop.ifindex, address: nexthop.gateway })) === undefined) missing.push('neighbour');
    if (fdb.actual().get(fdb.table.keyText({ ifindex: nexthop.ifindex, mac: nexthop.vtepMac })) === undefined) missing.push('fdb');
  }
  return missing.length === 0 ? 'ok' : `missing: ${missing.join(', ')}`;
}
