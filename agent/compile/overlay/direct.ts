import type { VxlanLinkRow } from '../desired.js';

/** What decides whether programs may write the overlay's outer header themselves. */
export interface DirectFacts {
  /** Of the uplink; all zero or empty: it has none. */
  readonly uplinkMac: string;
  readonly uplinkName: string;
  /** In force on the node. */
  readonly ipsecPolicies: number;
  /** Whether the kernel's helper can add a tunnel's header to packets that are still to be cut. */
  readonly kernelEncapsulates: boolean;
}

/**
 * Why VXLAN has to go through the overlay device on this node; undefined: it
 * has not. What holds for single peers (no neighbour yet, a route by another
 * device) the programs find out themselves, packet by packet.
 */
export function directObstacle(facts: DirectFacts, link: VxlanLinkRow): string | undefined {
  if (link.local.family !== 4) return 'the outer header would be IPv6';
  if (!facts.kernelEncapsulates) return 'this kernel cannot add the header to packets that are still to be cut (Linux 5.13 can)';
  if (/^[0:]*$/.test(facts.uplinkMac)) return `${facts.uplinkName} is no Ethernet device`;
  if (facts.ipsecPolicies > 0) return `IPsec may want the packets (${facts.ipsecPolicies} policies)`;
  if (link.gbp) return 'GBP puts marks into the header';
  if (link.learning) return 'Learning wants to see the packets';
  return undefined;
}
