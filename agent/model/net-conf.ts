import type { Cidr } from '../base/address.js';

/** flannel's `net-conf.json` (compat.md 1.7), with the vxlan backend's fields. */
export interface NetConf {
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  /** Set when enableIPv4. */
  readonly network: Cidr | undefined;
  /** Set when enableIPv6. */
  readonly ipv6Network: Cidr | undefined;
  readonly backend: VxlanBackend;
}

export interface VxlanBackend {
  readonly type: 'vxlan';
  readonly vni: number;
  /** UDP port; 0: the kernel's default, 8472. */
  readonly port: number;
  /** Of the device that carries it, before the overhead; 0: that device's own. */
  readonly mtu: number;
  readonly gbp: boolean;
  readonly learning: boolean;
  /** Peers that are reached without a gateway are routed without encapsulation. */
  readonly directRouting: boolean;
}

/** Port that the kernel takes for VXLAN where none is given (drivers/net/vxlan). */
export const KERNEL_VXLAN_PORT = 8472;
