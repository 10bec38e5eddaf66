import type { Cidr } from '../../base/address.js';

/** Text of `/run/flannel/subnet.env` for IPv4, line order and all (flannel pkg/subnet/subnet.go; compat.md 1.9). */
export function subnetFileText(network: Cidr, subnet: Cidr, mtu: number, ipMasq: boolean): string {
  return [
    `FLANNEL_NETWORK=${network.text}`,
    `FLANNEL_SUBNET=${subnet.address.plus(1).text}/${subnet.length}`,
    `FLANNEL_MTU=${mtu}`,
    `FLANNEL_IPMASQ=${ipMasq}`,
    '',
  ].join('\n');
}
