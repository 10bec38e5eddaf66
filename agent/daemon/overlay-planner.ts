import type { IpAddress } from '../base/address.js';
import type { Problem } from '../base/errors.js';
import { CanalError } from '../base/errors.js';
import { parseVtepMac } from '../compile/overlay/lease.js';
import { directObstacle } from '../compile/overlay/direct.js';
import { OverlayCompiler, overlayDevice, type OverlayState, type Uplink } from '../compile/overlay/overlay.js';
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

/** What the node's own devices and routes decide, whatever other nodes there are. */
interface Ground {
  readonly of: readonly unknown[];
  readonly uplink: Uplink | undefined;
  readonly problem: Problem | undefined;
  readonly outside: readonly OutsideDevice[];
  readonly ipsecPolicies: number;
  /** Of a peer's public address: whether it is a neighbour of ours (flannel asks the routing table too, compat.md 3.1). */
  readonly onLink: (address: IpAddress) => boolean;
}

/**
 * Gathers what the overlay is compiled from. Remembers the VTEP's MAC, which never
 * changes while the agent lives, and the last Node and uplink that were good: a
 * default route that is gone for a moment or a deleted Node object is no reason
 * to tear down what carries traffic (flannel does not either). The kernel is
 * asked only where devices, routes or the own Node are other ones: a change of
 * other nodes costs these.
 */
export class OverlayPlanner {
  #vtepMac: string | undefined;
  #lastSelf: Node | undefined;
  #lastUplink: Uplink | undefined;
  #ground: Ground | undefined;
  #last: PlannedOverlay | undefined;
  readonly #compiler = new OverlayCompiler();

  constructor(private readonly options: PlannerOptions) {}

  /** @param moved what the kernel says of routes or IPsec may be other than before. @returns the last plan itself where it says the same */
  plan(snapshot: Snapshot, devices: readonly Device[], addresses: readonly DeviceAddress[], moved = true): PlannedOverlay {
    const now = this.#plan(snapshot, devices, addresses, moved);
    const last = this.#last;
    const same = last !== undefined && last.problem?.message === now.problem?.message && (Object.keys(now) as (keyof PlannedOverlay)[]).every((part) => part === 'problem' || now[part] === last[part]);
    return same ? last : (this.#last = now);
  }

  #plan(snapshot: Snapshot, devices: readonly Device[], addresses: readonly DeviceAddress[], moved: boolean): PlannedOverlay {
    const known = this.#self(snapshot);
    if (known.self === undefined) return { ...NOTHING, problem: known.problem };
    const ground = this.#groundOf(known.self, devices, addresses, moved);
    const { uplink, outside, problem } = ground;
    if (uplink === undefined) return { ...NOTHING, problem };
    const planned = { ...this.#compile(known.self, snapshot, devices, uplink, ground), outside };
    const why = known.problem ?? problem;
    if (planned.overlay === undefined || why === undefined) return planned;
    return { ...planned, problem: { ...why, message: `${why.message}; goes on with what was known before` } };
  }

  #groundOf(self: Node, devices: readonly Device[], addresses: readonly DeviceAddress[], moved: boolean): Ground {
    const of = [self, devices, addresses];
    if (!moved && this.#ground?.of.every((part, i) => part === of[i]) === true) return this.#ground;
    const { kernel, settings } = this.options;
    const { uplink, problem } = this.#uplinkOf(self, devices, addresses);
    const outside = uplink === undefined ? [] : outsideDevices(uplink, settings.dataIfacePattern, devices, addresses);
    const onLink = (address: IpAddress): boolean => {
      const route = kernel.routeTo(address);
      return route !== undefined && route.gateway === undefined;
    };
    return (this.#ground = { of, uplink, problem, outside, ipsecPolicies: kernel.ipsecPolicies(), onLink });
  }

  #compile(self: Node, snapshot: Snapshot, devices: readonly Device[], uplink: Uplink, { onLink, ipsecPolicies }: Ground): Omit<PlannedOverlay, 'outside'> {
    const { netConf, settings, randomMac, kernel } = this.options;
    const device = devices.find((d) => d.name === overlayDevice(netConf.backend.vni, 4) && d.kind === 'vxlan');
    const compiled = this.#compiler.compile({
      self, netConf, uplink, onLink,
      nodes: snapshot.nodes,
      vtepMac: (this.#vtepMac ??= device?.mac ?? parseVtepMac(self.flannelAnnotations['backend-data']) ?? randomMac()),
      overlayIfindex: device?.ifindex,
      blackholeRoute: settings.blackholeRoute,
    });
    if ('field' in compiled) return { overlay: undefined, overlayIfindex: undefined, uplink, directObstacle: undefined, problem: compiled };
    const uplinkMac = devices.find(({ ifindex }) => ifindex === uplink.ifindex)?.mac ?? '';
    const obstacle = directObstacle({ uplinkMac, uplinkName: uplink.name, ipsecPolicies, kernelEncapsulates: kernel.encapsulates() }, compiled.link);
    return { overlay: compiled, overlayIfindex: device?.ifindex, uplink, directObstacle: obstacle, problem: undefined };
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
}

const NOTHING = { overlay: undefined, overlayIfindex: undefined, uplink: undefined, outside: [], directObstacle: undefined } as const;
