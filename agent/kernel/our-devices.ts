import type { CanalLink } from './abi.generated.js';
import { kernelDevices, type DeviceSource } from './device-book.js';

/** Overlay devices, ours or a flanneld's before us: `flannel.<VNI>`, `flannel-v6.<VNI>`. */
export const OVERLAY_DEVICE = /^flannel(-v6)?\.\d+$/;

/** By the list of devices, and the name that is asked for: after a start a thousand notices ask. */
const found = new WeakMap<readonly CanalLink[], Map<RegExp, ReadonlyMap<number, CanalLink>>>();

/** Devices whose name says that they are ours, by ifindex; worked out once for as long as devices are the same. */
export function ourDevices(name: RegExp, source: DeviceSource = kernelDevices): ReadonlyMap<number, CanalLink> {
  const links = source.links();
  const byName = found.get(links) ?? new Map<RegExp, ReadonlyMap<number, CanalLink>>();
  const ours = byName.get(name) ?? new Map(links.filter((link) => name.test(link.name)).map((link) => [link.ifindex, link]));
  found.set(links, byName.set(name, ours));
  return ours;
}
