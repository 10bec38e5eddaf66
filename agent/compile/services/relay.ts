import type { Family, IpAddress } from '../../base/address.js';
import type { PortEndpoint } from './merge.js';
import { backendText } from './rows.js';

/** First InternalIP of a node in a family; undefined: it is not known. */
export type NodeAddressOf = (node: string, family: Family) => IpAddress | undefined;

/**
 * Endpoints as the node's own processes ask for them where policy Local keeps a
 * client's address. Asked at its pod address, an endpoint of another node would
 * see the overlay device's: it is asked at its node's address and node port, so
 * the packet leaves by the uplink with the node's own, and that node, whose policy
 * is Local too, keeps it. Endpoints of one node are one then, as for a load balancer.
 * Where a node's address is not known the endpoint stays.
 */
export function relayed(endpoints: readonly PortEndpoint[], here: string, nodePort: number, addressOf: NodeAddressOf): readonly PortEndpoint[] {
  const doors = endpoints.map((endpoint) => {
    const address = endpoint.nodeName === here ? undefined : addressOf(endpoint.nodeName, endpoint.address.family);
    return address === undefined ? endpoint : { ...endpoint, address, port: nodePort, text: backendText({ address, port: nodePort }) };
  });
  return [...new Map(doors.map((door) => [door.text, door])).values()];
}
