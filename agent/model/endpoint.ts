import type { IpAddress } from '../base/address.js';

/**
 * A pod's attachment on this node, as CNI made it. Written to disk at ADD, so a
 * restart knows it before the API server answers; the kernel's veth is the
 * other half.
 */
export interface Endpoint {
  readonly containerId: string;
  /** CNI_IFNAME: the device in the pod. */
  readonly ifname: string;
  /** CNI_NETNS; may be gone. */
  readonly netns: string;
  readonly namespace: string;
  readonly pod: string;
  /** K8S_POD_UID where the runtime gives it; otherwise empty. */
  readonly podUid: string;
  /** Name of the host side: cali + 11 hex digits. */
  readonly hostDevice: string;
  readonly podMac: string;
  readonly addresses: readonly IpAddress[];
  readonly mtu: number;
}
