import type { IpAddress } from '../base/address.js';
import type { Dns, PrevResult } from './prev-result.js';
import { atLeast, type CniVersion } from './version.js';

/** What ADD made, before any version's encoding. */
export interface AddResult {
  readonly hostDevice: string;
  readonly hostMac: string;
  readonly ifname: string;
  readonly podMac: string;
  readonly netns: string;
  readonly mtu: number;
  readonly addresses: readonly IpAddress[];
  readonly dns: Dns | undefined;
  /** What plugins before us made; ours is added to it. */
  readonly prevResult: PrevResult | undefined;
}

/** The gateway that pods are given; no device has it (compat.md 5.1). */
const GATEWAY4 = '169.254.1.1';

/** The answer to ADD in the form that a version of the specification gives it. Pure. */
export function encodeResult(result: AddResult, version: CniVersion): object {
  return atLeast(version, '0.3.0') ? encodeLists(result, version) : encodeOldest(result, version);
}

/** An answer to ADD that leaves out what is not wanted is not an answer: dns is an object in all versions, perhaps empty. */
function encodeLists(result: AddResult, version: CniVersion): object {
  const before = result.prevResult;
  const offset = before?.interfaces.length ?? 0;
  const mtu = atLeast(version, '1.1.0') ? { mtu: result.mtu } : {};
  return {
    cniVersion: version,
    interfaces: [
      ...(before?.interfaces.map(({ json }) => json) ?? []),
      { name: result.hostDevice, mac: result.hostMac, ...mtu },
      { name: result.ifname, mac: result.podMac, ...mtu, sandbox: result.netns },
    ],
    ips: [
      ...(before?.ips.map((ip) => encodeIp(ip.address, ip.prefixLength, ip.interface, version, ip.gateway)) ?? []),
      ...result.addresses.map((address) => encodeIp(address, address.family === 4 ? 32 : 128, offset + 1, version)),
    ],
    routes: [...(before?.routes ?? []), ...defaultRoutes(result.addresses)],
    dns: result.dns ?? before?.dns ?? {},
  };
}

/** `version` was required until 1.0.0 removed it. */
function encodeIp(address: IpAddress, length: number, index: number | undefined, version: CniVersion, gateway?: IpAddress): object {
  return {
    ...(atLeast(version, '1.0.0') ? {} : { version: String(address.family) }),
    ...(index === undefined ? {} : { interface: index }),
    address: `${address.text}/${length}`,
    ...(gateway === undefined ? {} : { gateway: gateway.text }),
  };
}

/** IPv6's gateway is the host side's link-local address: a route without one says "through the device". */
function defaultRoutes(addresses: readonly IpAddress[]): object[] {
  return addresses.map(({ family }) => (family === 4 ? { dst: '0.0.0.0/0', gw: GATEWAY4 } : { dst: '::/0' }));
}

/** 0.1.0 and 0.2.0: one address a family and no interfaces. */
function encodeOldest(result: AddResult, version: CniVersion): object {
  const of = (family: 4 | 6): object | undefined => {
    const address = result.addresses.find((candidate) => candidate.family === family);
    return address && { ip: `${address.text}/${family === 4 ? 32 : 128}`, routes: defaultRoutes([address]) };
  };
  const ip4 = of(4);
  const ip6 = of(6);
  return { cniVersion: version, ...(ip4 && { ip4 }), ...(ip6 && { ip6 }), dns: result.dns ?? {} };
}
