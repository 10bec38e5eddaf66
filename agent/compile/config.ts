import type { IpAddress } from '../base/address.js';
import type { OverlayState, Uplink } from './overlay/overlay.js';

/** canal_config without the epoch, which is reconcile's. Flags by name; bpf/abi_policy.h has the bits. */
export interface ConfigRow {
  readonly fastLocal: boolean;
  readonly fastOverlay: boolean;
  /** Programs write and strip the overlay's outer header themselves. */
  readonly directVxlan: boolean;
  readonly events: boolean;
  readonly hostDeny: boolean;
  readonly allowVxlan: boolean;
  readonly allowIpip: boolean;
  readonly allowSpoof: boolean;
  /** Service addresses are translated. */
  readonly services: boolean;
  /** What pods send out of the node gets the node's address. */
  readonly masquerade: boolean;
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
  /** Source ports that translation on the uplink chooses from, both included; 0: none. */
  readonly edgePortMin: number;
  readonly edgePortMax: number;
  /** The node's own on the uplink and on the overlay device: sources of what is translated there. */
  readonly nodeAddress4: IpAddress | undefined;
  readonly nodeAddress6: IpAddress | undefined;
  readonly overlayAddress4: IpAddress | undefined;
  readonly overlayAddress6: IpAddress | undefined;
}

/** Nothing is translated at the uplink. */
export const WITHOUT_EDGE = {
  masquerade: false, edgePortMin: 0, edgePortMax: 0, nodeAddress4: undefined, nodeAddress6: undefined, overlayAddress4: undefined, overlayAddress6: undefined,
} as const satisfies Partial<ConfigRow>;

/** What belongs to the overlay and its uplink: held while neither is known. */
export const OVERLAY_FIELDS = [
  'directVxlan', 'masquerade', 'overlayIfindex', 'uplinkIfindex', 'vni', 'vxlanPort', 'podMtu', 'vtepAddress', 'vtepMac', 'nodeAddress4', 'nodeAddress6', 'overlayAddress4', 'overlayAddress6',
] as const satisfies readonly (keyof ConfigRow)[];

export interface ConfigSettings {
  readonly fastPath: 'off' | 'local' | 'device' | 'on';
  readonly endpointToHost: 'accept' | 'drop';
  readonly allowVxlanFromWorkloads: boolean;
  readonly allowIpipFromWorkloads: boolean;
  readonly allowSpoofing: boolean;
  readonly eventRate: number;
  readonly services: boolean;
  /** Masquerade, as flanneld's --ip-masq. */
  readonly ipMasq: boolean;
  readonly uplinkPrograms: boolean;
  readonly masqueradePorts: PortRange;
}

export interface PortRange {
  readonly min: number;
  /** Included. */
  readonly max: number;
}

export function compileConfig(settings: ConfigSettings, overlay: OverlayState | undefined, overlayIfindex: number | undefined, uplink: Uplink | undefined, kernelPort: number): ConfigRow {
  return {
    fastLocal: settings.fastPath !== 'off',
    fastOverlay: settings.fastPath === 'device' || settings.fastPath === 'on',
    directVxlan: settings.fastPath === 'on' && overlay !== undefined,
    events: true,
    hostDeny: settings.endpointToHost === 'drop',
    allowVxlan: settings.allowVxlanFromWorkloads,
    allowIpip: settings.allowIpipFromWorkloads,
    allowSpoof: settings.allowSpoofing,
    services: settings.services,
    masquerade: settings.ipMasq && settings.uplinkPrograms && overlay !== undefined,
    overlayIfindex: overlay === undefined ? 0 : (overlayIfindex ?? 0),
    uplinkIfindex: uplink?.ifindex ?? 0,
    vni: overlay?.link.vni ?? 0,
    vxlanPort: overlay === undefined ? 0 : overlay.link.port === 0 ? kernelPort : overlay.link.port,
    podMtu: overlay?.mtu ?? 0,
    vtepAddress: overlay?.link.local,
    vtepMac: overlay?.link.mac,
    logRate: settings.eventRate,
    ...edgeOf(settings, overlay, uplink),
  };
}

/** Programs that are not there have no address to translate to. */
function edgeOf({ uplinkPrograms, masqueradePorts }: ConfigSettings, overlay: OverlayState | undefined, uplink: Uplink | undefined): Pick<ConfigRow, 'edgePortMin' | 'edgePortMax' | 'nodeAddress4' | 'nodeAddress6' | 'overlayAddress4' | 'overlayAddress6'> {
  const node = uplinkPrograms ? uplink?.address : undefined;
  const inner = uplinkPrograms ? overlay?.addresses.map((row) => row.address) : undefined;
  return {
    edgePortMin: masqueradePorts.min,
    edgePortMax: masqueradePorts.max,
    nodeAddress4: node?.family === 4 ? node : undefined,
    nodeAddress6: node?.family === 6 ? node : undefined,
    overlayAddress4: inner?.find((address) => address.family === 4),
    overlayAddress6: inner?.find((address) => address.family === 6),
  };
}
