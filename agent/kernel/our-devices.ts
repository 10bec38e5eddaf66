import type { CanalLink } from './abi.generated.js';
import { kernelDevices, type DeviceSource } from './device-book.js';

/** Overlay devices, ours or a flanneld's before us: `flannel.<VNI>`, `flannel-v6.<VNI>`. */
export const OVERLAY_DEVICE = /^flannel(-v6)?\.\d+$/;

/** Devices whose name says that they are ours, by ifindex. */
export function ourDevices(name: RegExp, source: DeviceSource = kernelDevices): Map<number, CanalLink> {
  return new Map(source.links().filter((link) => name.test(link.name)).map((link) => [link.ifindex, link]));
}
