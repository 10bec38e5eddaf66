import type { IpAddress } from '../base/address.js';
import type { Problem } from '../base/errors.js';
import { CanalError } from '../base/errors.js';
import { parseVtepMac } from '../compile/overlay/lease.js';
import { directObstacle } from '../compile/overlay/direct.js';
import { compileOverlay, overlayDevice, type OverlayState, type Uplink } from '../compile/overlay/overlay.js';
import { outsideDevices, type OutsideDevice } from '../compile/overlay/outside.js';
import { chooseUplink, type DeviceAddress } from '../compile/overlay/uplink.js';
import { IpAddress as Address } from '../base/address.js';
import type { NetConf } from '../model/net-conf.js';
import type { Node } from '../model/objects.js';
import type { UplinkSettings } from '../model/settings.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Device, NodeKernel } from './node-kernel.js';

export interface PlannedOverlay {
  /** Undefined: nothing is known of it yet; what the kernel has of one is left alone. */
  readonly overlay: OverlayState | undefined;
  readonly overlayIfindex: number | undefined;
  readonly uplink: Uplink | undefined;
  /** The uplink, and what else leads out of the node. */
  readonly outside: readonly OutsideDevice[];
  /** Why its packets have to go through the overlay device; undefined: they need not. */
  readonly directObstacle: string | undefined;
  /** Why there is no overlay, or why it goes on with what was known last. */
  readonly problem: Problem | undefined;
}

export interface PlannerOptions {
  readonly nodeName: string;
  readonly settings: UplinkSettings & { readonly blackholeRoute: boolean };
  readonly netConf: NetConf;
  readonly kernel: Pick<NodeKernel, 'routeTo' | 'defaultRoute' | 'ipsecPolicies' | 'encapsulates'>;
  /** Names for `can-reach`, resolved before the start. */
  readonly resolve: (target: string) => IpAddress | undefined;
  readonly randomMac: () => string;
}

/**
 * Gathers what compileOverlay looks at. Remembers the VTEP's MAC, which never
 * changes while the agent lives, and the last Node and uplink that were good: a
 * default route that is gone for a moment or a deleted Node object is no reason
 * to tear down what carries traffic (flannel does not either).
 */
export class OverlayPlanner {
  #vtepMac: string | undefined;
  #lastSelf: Node | undefined;
  #lastUplink: Uplink | undefined;

  constructor(private readonly options: PlannerOptions) {}

  plan(snapshot: Snapshot, devices: readonly Device[], addresses: readonly DeviceAddress[]): PlannedOverlay {
    const none = { overlay: undefined, overlayIfindex: undefined, uplink: undefined, outside: [], directObstacle: undefined };
    const known = this.#self(snapshot);
    if (known.self === undefined) return { ...none, problem: known.problem };
    const { uplink, problem } = this.#uplinkOf(known.self, devices, addresses);
    if (uplink === undefined) return { ...none, problem };
    const outside = outsideDevices(uplink, this.options.settings.dataIfacePattern, devices, addresses);
    const planned = { ...this.#compile(known.self, snapshot, devices, uplink), outside };
    const why = known.problem ?? problem;
    if (planned.overlay === undefined || why === undefined) return planned;
    return { ...planned, problem: { ...why, message: `${why.message}; goes on with what was known before` } };
  }

  #compile(self: Node, snapshot: Snapshot, devices: readonly Device[], uplink: Uplink): Omit<PlannedOverlay, 'outside'> {
    const { netConf, settings, randomMac } = this.options;
    const device = devices.find((d) => d.name === overlayDevice(netConf.backend.vni, 4) && d.kind === 'vxlan');
    const compiled = compileOverlay({
      self, netConf, uplink,
      nodes: snapshot.nodes.values(),
      vtepMac: (this.#vtepMac ??= device?.mac ?? parseVtepMac(self.flannelAnnotations['backend-data']) ?? randomMac()),
      overlayIfindex: device?.ifindex,
      onLink: this.#onLink(snapshot),
      blackholeRoute: settings.blackholeRoute,
    });
    if ('field' in compiled) return { overlay: undefined, overlayIfindex: undefined, uplink, directObstacle: undefined, problem: compiled };
    return { overlay: compiled, overlayIfindex: device?.ifindex, uplink, directObstacle: this.#directObstacle(compiled, devices, uplink), problem: undefined };
  }

  #directObstacle({ link }: OverlayState, devices: readonly Device[], uplink: Uplink): string | undefined {
    const { kernel } = this.options;
    const uplinkMac = devices.find((device) => device.ifindex === uplink.ifindex)?.mac ?? '';
    return directObstacle({ uplinkMac, uplinkName: uplink.name, ipsecPolicies: kernel.ipsecPolicies(), kernelEncapsulates: kernel.encapsulates() }, link);
  }

  /** This node's object: as it is if it has a pod CIDR, else as it was last. */
  #self(snapshot: Snapshot): { readonly self: Node | undefined; readonly problem: Problem | undefined } {
    const { nodeName } = this.options;
    const found = snapshot.nodes.get(nodeName);
    const object = `Node ${nodeName}`;
    if (found !== undefined && (found.podCidrs.length > 0 || this.#lastSelf === undefined)) {
      this.#lastSelf = found.podCidrs.length > 0 ? found : undefined;
      return { self: found, problem: undefined };
    }
    const problem =
      found === undefined
        ? { object, field: 'metadata.name', message: 'there is no such Node; is --node-name right?' }
        : { object, field: 'spec.podCIDR', message: 'pod cidr not assigned' };
    return { self: this.#lastSelf, problem };
  }

  #uplinkOf(self: Node, devices: readonly Device[], addresses: readonly DeviceAddress[]): { readonly uplink: Uplink | undefined; readonly problem: Problem | undefined } {
    try {
      this.#lastUplink = this.#uplink(self, devices, addresses);
      return { uplink: this.#lastUplink, problem: undefined };
    } catch (error) {
      if (!(error instanceof CanalError)) throw error;
      return { uplink: this.#lastUplink, problem: { object: `Node ${self.name}`, field: 'uplink', message: error.message } };
    }
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
