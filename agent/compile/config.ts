import type { IpAddress } from '../base/address.js';
import type { OverlayState, Uplink } from './overlay/overlay.js';

/** canal_config without the epoch, which is reconcile's. Flags by name; bpf/abi.h has the bits. */
export interface ConfigRow {
  readonly fastLocal: boolean;
  readonly fastOverlay: boolean;
  readonly events: boolean;
  readonly hostDeny: boolean;
  readonly allowVxlan: boolean;
  readonly allowIpip: boolean;
  readonly allowSpoof: boolean;
  /** Service addresses are translated. */
  readonly services: boolean;
  /** 0: no overlay (yet). */
  readonly overlayIfindex: number;
  readonly uplinkIfindex: number;
  readonly vni: number;
  /** UDP port, never 0 with an overlay. */
  readonly vxlanPort: number;
  /** Largest IP packet of the fast path; 0: all. */
  readonly podMtu: number;
  readonly vtepAddress: IpAddress | undefined;
  /** Undefined: zero. */
  readonly vtepMac: string | undefined;
  /** Events a second and CPU; 0: no limit. */
  readonly logRate: number;
}

export interface ConfigSettings {
  readonly fastPath: 'off' | 'local' | 'on';
  readonly endpointToHost: 'accept' | 'drop';
  readonly allowVxlanFromWorkloads: boolean;
  readonly allowIpipFromWorkloads: boolean;
  readonly allowSpoofing: boolean;
  readonly eventRate: number;
  readonly services: boolean;
}

export function compileConfig(settings: ConfigSettings, overlay: OverlayState | undefined, overlayIfindex: number | undefined, uplink: Uplink | undefined, kernelPort: number): ConfigRow {
  return {
    fastLocal: settings.fastPath !== 'off',
    fastOverlay: settings.fastPath === 'on',
    events: true,
    hostDeny: settings.endpointToHost === 'drop',
    allowVxlan: settings.allowVxlanFromWorkloads,
    allowIpip: settings.allowIpipFromWorkloads,
    allowSpoof: settings.allowSpoofing,
    services: settings.services,
    overlayIfindex: overlay === undefined ? 0 : (overlayIfindex ?? 0),
    uplinkIfindex: uplink?.ifindex ?? 0,
    vni: overlay?.link.vni ?? 0,
    vxlanPort: overlay === undefined ? 0 : overlay.link.port === 0 ? kernelPort : overlay.link.port,
    podMtu: overlay?.mtu ?? 0,
    vtepAddress: overlay?.link.local,
    vtepMac: overlay?.link.mac,
    logRate: settings.eventRate,
  };
}
