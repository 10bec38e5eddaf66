import { isDeepStrictEqual } from 'node:util';
import type { IpAddress } from '../base/address.js';
import type { NodeFacts } from '../compile/desired.js';
import type { DeviceAddress } from '../compile/overlay/uplink.js';
import { ANY_DEVICE } from '../kernel/monitor.js';
import { OVERLAY_DEVICE } from '../kernel/our-devices.js';
import type { Device, NodeKernel } from './node-kernel.js';

/** What the kernel says of the node's devices. */
export interface KernelFacts {
  readonly devices: readonly Device[];
  /** Devices and addresses that can carry the overlay: all but pods'. */
  readonly node: { readonly devices: readonly Device[]; readonly addresses: readonly DeviceAddress[] };
  /** Of the families whose programs are loaded. */
  readonly hostAddresses: readonly IpAddress[];
  /** ifindexes of devices that are up. */
  readonly up: ReadonlySet<number>;
}

/** Looks again. Each part, and the whole, is the last one's where it says the same. */
export function kernelFacts(kernel: Pick<NodeKernel, 'devices' | 'addresses' | 'families'>, podPrefix: string, last: KernelFacts | undefined): KernelFacts {
  const devices = kept(last?.devices, kernel.devices());
  const addresses = kernel.addresses();
  const pods = new Set(devices.filter(({ name }) => name.startsWith(podPrefix)).map(({ ifindex }) => ifindex));
  const ofNode = <T extends { readonly ifindex: number }>(items: readonly T[]): readonly T[] => items.filter(({ ifindex }) => !pods.has(ifindex));
  const node = { devices: kept(last?.node.devices, ofNode(devices)), addresses: kept(last?.node.addresses, ofNode(addresses)) };
  const now: KernelFacts = {
    devices,
    node: last?.node.devices === node.devices && last.node.addresses === node.addresses ? last.node : node,
    hostAddresses: kept(last?.hostAddresses, addresses.map(({ address }) => address).filter(({ family }) => kernel.families.has(family))),
    up: last?.devices === devices ? last.up : new Set(devices.filter(({ up }) => up).map(({ ifindex }) => ifindex)),
  };
  return last !== undefined && (Object.keys(now) as (keyof KernelFacts)[]).every((part) => now[part] === last[part]) ? last : now;
}

/** Whether routes through one of these devices can decide which uplink the node has: not those to pods and to other nodes' pods, which we write. @param looks before and after what happened, for devices that came or went */
export function uplinkRoutes(ifindexes: ReadonlySet<number>, looks: readonly (KernelFacts | undefined)[], podPrefix: string): boolean {
  if (ifindexes.size === 0) return false;
  const names = new Map<number, string>();
  for (const known of looks) for (const { ifindex, name } of known?.devices ?? []) if (ifindexes.has(ifindex)) names.set(ifindex, name);
  return [...ifindexes].some((ifindex) => {
    const name = names.get(ifindex);
    return ifindex === ANY_DEVICE || name === undefined || !(name.startsWith(podPrefix) || OVERLAY_DEVICE.test(name));
  });
}

/** Whether a device is a pod's, and was, as far as it was or is there. */
export function arePods(ifindex: number, looks: readonly (KernelFacts | undefined)[], podPrefix: string): boolean {
  const names = looks.map((known) => known?.devices.find((device) => device.ifindex === ifindex)?.name).filter((name) => name !== undefined);
  return names.length > 0 && names.every((name) => name.startsWith(podPrefix));
}

function kept<T>(last: readonly T[] | undefined, now: readonly T[]): readonly T[] {
  if (last === now) return now;
  const same = last?.length === now.length && now.every((item, i) => item === last[i] || isDeepStrictEqual(item, last[i]));
  return same ? last : now;
}

/** Each part, and the whole, is the last one's where it says the same. */
export function sameFacts(last: NodeFacts | undefined, now: NodeFacts): NodeFacts {
  const [endpoints, strangers] = [kept(last?.endpoints, now.endpoints), kept(last?.strangers, now.strangers)];
  return last?.hostAddresses === now.hostAddresses && last.endpoints === endpoints && last.strangers === strangers ? last : { ...now, endpoints, strangers };
}
