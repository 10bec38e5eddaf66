import { CanalError } from '../../base/errors.js';
import type { IpAddress } from '../../base/address.js';
import type { AutodetectionMethod, UplinkSettings } from '../../model/settings.js';
import type { Uplink } from './overlay.js';

export interface DeviceFacts {
  readonly ifindex: number;
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
}

export interface DeviceAddress {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly scope: 'global' | 'link' | 'host';
  /** Temporary (privacy) or deprecated addresses come last. */
  readonly temporary: boolean;
  readonly deprecated: boolean;
}

/** What the choice looks at; `routeTo` is `ip route get`, `defaultRoute` the device of the IPv4 default route. */
export interface UplinkFacts {
  readonly devices: readonly DeviceFacts[];
  readonly addresses: readonly DeviceAddress[];
  readonly routeTo: (target: IpAddress) => { readonly ifindex: number; readonly source: IpAddress | undefined } | undefined;
  readonly defaultRoute: () => number | undefined;
  /** Parses and, for names, resolves what `can-reach` names. */
  readonly resolve: (target: string) => IpAddress | undefined;
  /** InternalIPs of this node's object. */
  readonly internalAddresses: readonly IpAddress[];
  /** flannel's `node-public-ip` annotation: wins over --public-ip (compat.md 3.11). */
  readonly nodePublicIp: IpAddress | undefined;
}

/**
 * The device and IPv4 address that carry the overlay: flannel's order
 * (pkg/ipmatch/match.go; compat.md 3.11), with Calico's methods in place of
 * flannel's default where one is given (compat.md 8).
 * @throws CanalError('CONFIG') that names the option, where nothing matches.
 */
export function chooseUplink(settings: UplinkSettings, facts: UplinkFacts): Uplink {
  const publicIp = facts.nodePublicIp ?? settings.publicIp;
  const found = choose(settings, facts, publicIp);
  const device = facts.devices.find((d) => d.ifindex === found.ifindex);
  if (device === undefined) throw fail('device', `ifindex ${found.ifindex} is gone`);
  if (device.mtu === 0) throw fail(device.name, 'has MTU 0');
  const address = found.address ?? firstAddress(facts.addresses, device.ifindex, 4);
  if (address === undefined) throw fail(device.name, 'has no IPv4 address');
  return { ifindex: device.ifindex, name: device.name, mtu: device.mtu, address, externalAddress: publicIp ?? address };
}

interface Choice {
  readonly ifindex: number;
  readonly address?: IpAddress | undefined;
}

function choose(settings: UplinkSettings, facts: UplinkFacts, publicIp: IpAddress | undefined): Choice {
  const asked = settings.iface.length > 0 || settings.ifaceRegex.length > 0 || settings.ifaceCanReach !== undefined;
  if (asked) {
    const match = byOptions(settings, facts);
    if (match === undefined) throw fail('--iface, --iface-regex, --iface-can-reach', `no device matches ${describe(settings)}`);
    return match;
  }
  if (publicIp !== undefined) {
    const holder = facts.addresses.find((a) => a.address.equals(publicIp));
    if (holder === undefined) throw fail('--public-ip', `no device holds ${publicIp.text}: name the device with --iface`);
    return { ifindex: holder.ifindex, address: publicIp };
  }
  if (settings.autodetection !== undefined) return autodetect(settings.autodetection, facts);
  const route = facts.defaultRoute();
  if (route === undefined) throw fail('--iface', 'there is no default route to choose a device by: name one');
  return { ifindex: route };
}

function byOptions(settings: UplinkSettings, facts: UplinkFacts): Choice | undefined {
  for (const wanted of settings.iface) {
    const holder = facts.addresses.find((a) => a.address.text === wanted);
    if (holder !== undefined) return { ifindex: holder.ifindex, address: holder.address };
    const device = facts.devices.find((d) => d.name === wanted);
    if (device !== undefined) return { ifindex: device.ifindex };
  }
  for (const pattern of settings.ifaceRegex) {
    const regex = new RegExp(pattern);
    const holder = facts.addresses.find((a) => a.address.family === 4 && regex.test(a.address.text));
    if (holder !== undefined) return { ifindex: holder.ifindex, address: holder.address };
    const device = facts.devices.find((d) => regex.test(d.name));
    if (device !== undefined) return { ifindex: device.ifindex };
  }
  return settings.ifaceCanReach === undefined ? undefined : reach(settings.ifaceCanReach, facts);
}

function reach(target: string, facts: UplinkFacts): Choice | undefined {
  const address = facts.resolve(target);
  const route = address === undefined ? undefined : facts.routeTo(address);
  return route === undefined ? undefined : { ifindex: route.ifindex, address: route.source };
}

/** Devices that are never a node's own, for Calico's first-found (compat.md 8). */
export const SKIPPED_DEVICES = [
  '^docker.*', '^cbr.*', '^dummy.*', '^podman.*', '^virbr.*', '^lxcbr.*', '^veth.*', '^lo', '^br-.*', '^cali.*', '^tunl.*', '^flannel.*',
  '^kube-ipvs.*', '^cni.*', '^vxlan\\.calico.*', '^vxlan-v6\\.calico.*', '^wireguard\\.cali.*', '^wg-v6\\.cali.*', '^nodelocaldns.*',
];

function autodetect(method: AutodetectionMethod, facts: UplinkFacts): Choice {
  const found = detect(method, facts);
  if (found === undefined) throw fail('IP_AUTODETECTION_METHOD', `${method.method} finds no address on this node`);
  return found;
}

function detect(method: AutodetectionMethod, facts: UplinkFacts): Choice | undefined {
  const usable = candidates(facts);
  const first = (accept: (c: Candidate) => boolean): Candidate | undefined => usable.find(accept);
  const skipping = (patterns: readonly string[]) => (c: Candidate) => !patterns.some((p) => new RegExp(p).test(c.name));
  switch (method.method) {
    case 'first-found':
      return first(skipping(SKIPPED_DEVICES));
    case 'skip-interface':
      return first(skipping([...SKIPPED_DEVICES, ...method.patterns]));
    case 'interface':
      return method.patterns.map((p) => first((c) => new RegExp(p).test(c.name))).find((c) => c !== undefined);
    case 'cidr':
      return first((c) => method.cidrs.some((cidr) => cidr.contains(c.address)));
    case 'kubernetes-internal-ip':
      return first((c) => facts.internalAddresses.some((a) => a.equals(c.address)));
    case 'can-reach':
      return reach(method.target, facts);
  }
}

interface Candidate extends Choice {
  readonly name: string;
  readonly address: IpAddress;
}

/** Global IPv4 addresses of devices that are up, in Calico's order: devices from the highest index down. */
function candidates(facts: UplinkFacts): Candidate[] {
  return [...facts.devices]
    .filter((d) => d.up)
    .sort((a, b) => b.ifindex - a.ifindex)
    .flatMap((d) =>
      facts.addresses
        .filter((a) => a.ifindex === d.ifindex && a.address.family === 4 && a.scope === 'global')
        .map((a) => ({ ifindex: d.ifindex, name: d.name, address: a.address })),
    );
}

/** flannel's preference on one device: global before link-local, lasting before temporary; deprecated ones never (pkg/ip/iface.go). */
export function firstAddress(addresses: readonly DeviceAddress[], ifindex: number, family: 4 | 6): IpAddress | undefined {
  const rank = (a: DeviceAddress): number => (a.scope === 'global' ? 0 : 2) + (a.temporary ? 1 : 0);
  return addresses
    .filter((a) => a.ifindex === ifindex && a.address.family === family && a.scope !== 'host' && !a.deprecated)
    .sort((a, b) => rank(a) - rank(b))[0]?.address;
}

const fail = (subject: string, message: string): CanalError => new CanalError('CONFIG', `${subject}: ${message}`, { subject });

const describe = (s: UplinkSettings): string => [...s.iface, ...s.ifaceRegex, ...(s.ifaceCanReach === undefined ? [] : [s.ifaceCanReach])].join(', ');
