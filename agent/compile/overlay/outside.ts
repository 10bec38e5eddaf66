import type { IpAddress } from '../../base/address.js';
import type { Uplink } from './overlay.js';
import { firstAddress, SKIPPED_DEVICES, type DeviceAddress, type DeviceFacts } from './uplink.js';

/** A device over which packets leave the node and come in from outside: masquerade gives the addresses that it has. */
export interface OutsideDevice {
  readonly ifindex: number;
  readonly name: string;
  readonly address4: IpAddress | undefined;
  readonly address6: IpAddress | undefined;
}

export interface OutsideFacts extends DeviceFacts {
  /** `vxlan`, `veth`, …; empty: physical. */
  readonly kind: string;
  readonly mac: string;
}

/** Ways to other nodes or other networks' insides, by their kind: whoever made them routes what goes there. */
const TUNNELS: ReadonlySet<string> = new Set(['vxlan', 'geneve', 'gretap', 'ip6gretap', 'dummy', 'tun']);

/**
 * The uplink, and the devices that lead outside beside it: those that `pattern`
 * matches (Felix's BPFDataIfacePattern), else whatever is up, has a global
 * address and is neither a container engine's nor a tunnel. Only Ethernet: the
 * programs read its header. A node's default route need not be where the overlay is.
 */
export function outsideDevices(uplink: Uplink, pattern: RegExp | undefined, devices: readonly OutsideFacts[], addresses: readonly DeviceAddress[]): readonly OutsideDevice[] {
  const address = (ifindex: number, family: 4 | 6): IpAddress | undefined => firstAddress(addresses.filter((a) => a.scope === 'global'), ifindex, family);
  const wanted = (device: OutsideFacts): boolean => (pattern === undefined ? device.up && isNodes(device) : pattern.test(device.name));
  const others = devices
    .filter((device) => device.ifindex !== uplink.ifindex && isEthernet(device.mac) && wanted(device))
    .map(({ ifindex, name }) => ({ ifindex, name, address4: address(ifindex, 4), address6: address(ifindex, 6) }))
    .filter(({ address4, address6 }) => address4 !== undefined || address6 !== undefined);
  return [{ ifindex: uplink.ifindex, name: uplink.name, address4: uplink.address, address6: address(uplink.ifindex, 6) }, ...others];
}

const isNodes = ({ name, kind }: OutsideFacts): boolean => !TUNNELS.has(kind) && !SKIPPED_DEVICES.some((each) => new RegExp(each).test(name));

const isEthernet = (mac: string): boolean => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && mac !== '00:00:00:00:00:00';
