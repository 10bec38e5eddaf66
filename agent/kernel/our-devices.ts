import type { CanalLink } from './abi.generated.js';
import { listLinks } from './netlink.js';

/** Overlay devices, ours or a flanneld's before us: `flannel.<VNI>`, `flannel-v6.<VNI>`. */
export const OVERLAY_DEVICE = /^flannel(-v6)?\.\d+$/;

/** Devices whose name says that they are ours, by ifindex. */
export function ourDevices(name: RegExp): Map<number, CanalLink> {
  return new Map(listLinks().filter((link) => name.test(link.name)).map((link) => [link.ifindex, link]));
}
