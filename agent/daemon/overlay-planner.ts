import type { IpAddress } from '../base/address.js';
import type { Problem } from '../base/errors.js';
import { CanalError } from '../base/errors.js';
import { parseVtepMac } from '../compile/overlay/lease.js';
import { compileOverlay, overlayDevice, type OverlayState, type Uplink } from '../compile/overlay/overlay.js';
import { chooseUplink, type DeviceAddress } from '../compile/overlay/uplink.js';
import { IpAddress as Address } from '../base/address.js';
import type { NetConf } from '../model/net-conf.js';
import type { Node } from '../model/objects.js';
import type { UplinkSettings } from '../model/settings.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Device, NodeKernel } from './node-kernel.js';

export interface PlannedOverlay {
  readonly overlay: OverlayState | undefined;
  readonly overlayIfindex: number | undefined;
  readonly uplink: Uplink | undefined;
  /** Why there is no overlay. */
  readonly problem: Problem | undefined;
}

export interface PlannerOptions {
  readonly nodeName: string;
  readonly settings: UplinkSettings & { readonly blackholeRoute: boolean };
  readonly netConf: NetConf;
  readonly kernel: Pick<NodeKernel, 'routeTo' | 'defaultRoute'>;
  /** Names for `can-reach`, resolved before the start. */
  readonly resolve: (target: string) => IpAddress | undefined;
  readonly randomMac: () => string;
}

/** Gathers what compileOverlay looks at. Remembers one thing: the VTEP's MAC, which never changes while the agent lives. */
export class OverlayPlanner {
  #vtepMac: string | undefined;

  constructor(private readonly options: PlannerOptions) {}

  plan(snapshot: Snapshot, devices: readonly Device[], addresses: readonly DeviceAddress[]): PlannedOverlay {
    const none = { overlay: undefined, overlayIfindex: undefined, uplink: undefined };
    const { nodeName, netConf, settings } = this.options;
    const self = snapshot.nodes.get(nodeName);
    if (self === undefined) return { ...none, problem: { object: `Node ${nodeName}`, field: 'metadata.name', message: 'there is no such Node; is --node-name right?' } };
    let uplink: Uplink;
    try {
      uplink = this.#uplink(self, devices, addresses);
    } catch (error) {
      if (!(error instanceof CanalError)) throw error;
      return { ...none, problem: { object: `Node ${nodeName}`, field: 'uplink', message: error.message } };
    }
    const device = devices.find((d) => d.name === overlayDevice(netConf.backend.vni, 4) && d.kind === 'vxlan');
    const compiled = compileOverlay({
      self, netConf, uplink,
      nodes: snapshot.nodes.values(),
      vtepMac: (this.#vtepMac ??= device?.mac ?? parseVtepMac(self.flannelAnnotations['backend-data']) ?? this.options.randomMac()),
      overlayIfindex: device?.ifindex,
      onLink: this.#onLink(snapshot),
      blackholeRoute: settings.blackholeRoute,
    });
    if ('field' in compiled) return { ...none, uplink, problem: compiled };
    return { overlay: compiled, overlayIfindex: device?.ifindex, uplink, problem: undefined };
  }

  #uplink(self: Node, devices: readonly Device[], addresses: readonly DeviceAddress[]): Uplink {
    const published = self.flannelAnnotations['node-public-ip'];
    return chooseUplink(this.options.settings, {
      devices,
      addresses,
      routeTo: (target) => this.options.kernel.routeTo(target),
      defaultRoute: () => this.options.kernel.defaultRoute(),
      resolve: this.options.resolve,
      internalAddresses: self.internalAddresses,
      nodePublicIp: published === undefined ? undefined : Address.parse(published),
    });
  }

  /** Public addresses of peers that are neighbours of ours (flannel asks the routing table too, compat.md 3.1). */
  #onLink(snapshot: Snapshot): ReadonlySet<string> {
    const found = new Set<string>();
    if (!this.options.netConf.backend.directRouting) return found;
    for (const node of snapshot.nodes.values()) {
      const address = node.lease?.publicIp;
      const route = address === undefined ? undefined : this.options.kernel.routeTo(address);
      if (route !== undefined && route.gateway === undefined) found.add(address!.text);
    }
    return found;
  }
}
