import { Cidr, type IpAddress } from '../base/address.js';
import { KERNEL_VXLAN_PORT } from '../model/net-conf.js';
import { compileConfig, type ConfigRow, type ConfigSettings } from './config.js';
import type { AddressRow, AttachmentRow, NodeFacts, PolicyState, RouteRow, VxlanLinkRow } from './desired.js';
import { podPrograms, type EndpointState } from './endpoints/endpoints.js';
import type { OverlayState, Uplink } from './overlay/overlay.js';
import type { OutsideDevice } from './overlay/outside.js';
import type { PeerRows } from './overlay/peer-rows.js';

/** Program at the overlay device: packets from other nodes, decapsulated. */
export const FROM_OVERLAY = 'canal_from_ovl';

/** Programs at the uplink and other devices that lead outside: everything between the node and the world. */
export const FROM_UPLINK = 'canal_from_upl';
export const TO_UPLINK = 'canal_to_upl';

/** Everything that the kernel should hold on this node, by table. */
export interface DesiredState extends PeerRows {
  /** False: of the overlay nothing is known (yet), and what the kernel has of one is to be left alone. */
  readonly overlayKnown: boolean;
  readonly config: ConfigRow;
  /** Below /proc/sys; as attachments and routes, without those of pods (and of peers). */
  readonly sysctls: readonly (readonly [string, string])[];
  readonly attachments: readonly AttachmentRow[];
  readonly links: readonly VxlanLinkRow[];
  readonly addresses: readonly AddressRow[];
  readonly routes: readonly RouteRow[];
  /** canal_outside: devices with the programs of the uplink. */
  readonly outside: readonly OutsideDevice[];
  /** canal_nomasq: towards these pods keep their address. */
  readonly nomasq: readonly Cidr[];
  readonly pods: EndpointState;
  /** ifindexes of pod devices that are nobody's: what is routed to them stays, for it may tell whose they are. */
  readonly strangers: ReadonlySet<number>;
  /** The node's own. */
  readonly addressesHere: readonly IpAddress[];
  readonly policy: PolicyState;
}

export interface CompileInput {
  readonly facts: NodeFacts;
  readonly pods: EndpointState;
  readonly policy: PolicyState;
  /** Undefined: there is none to build (yet); policy and local pods work without. */
  readonly overlay: OverlayState | undefined;
  readonly overlayIfindex: number | undefined;
  readonly uplink: Uplink | undefined;
  /** The uplink, and what else leads out of the node. */
  readonly outside: readonly OutsideDevice[];
  /** Why the programs must not write the overlay's outer header themselves. */
  readonly directObstacle: string | undefined;
  readonly settings: ConfigSettings & { readonly ipForwarding: boolean; readonly nonMasqueradeCidrs: readonly Cidr[] };
}

/** Puts policy, overlay and local pods together into one state. Pure. */
export function compile(input: CompileInput): DesiredState {
  const { facts, pods, policy, overlay, overlayIfindex, uplink, settings } = input;
  const fastPath = settings.fastPath === 'on' && input.directObstacle !== undefined ? 'device' : settings.fastPath;
  const overlayPrograms: AttachmentRow[] =
    overlay === undefined || overlayIfindex === undefined ? [] : [{ ifindex: overlayIfindex, device: overlay.link.name, egress: false, program: FROM_OVERLAY }];
  const outside = overlay === undefined || !settings.uplinkPrograms ? [] : input.outside;
  return {
    overlayKnown: overlay !== undefined,
    config: compileConfig({ ...settings, fastPath }, overlay, overlayIfindex, uplink, KERNEL_VXLAN_PORT),
    sysctls: settings.ipForwarding ? IP_FORWARDING : [],
    attachments: [...overlayPrograms, ...outside.flatMap(programsOf), ...facts.strangers.flatMap(podPrograms)],
    links: overlay === undefined ? [] : [overlay.link],
    addresses: overlay?.addresses ?? [],
    fdb: overlay?.fdb ?? NONE,
    neighbours: overlay?.neighbours ?? NONE,
    routes: overlay?.routes ?? [],
    peerRoutes: overlay?.peerRoutes ?? NONE,
    nexthops: overlay?.nexthops ?? NONE,
    outside,
    nomasq: overlay === undefined ? [] : exempt([overlay.network, ...MULTICAST, ...settings.nonMasqueradeCidrs]),
    pods,
    strangers: new Set(facts.strangers.map(({ ifindex }) => ifindex)),
    addressesHere: facts.hostAddresses,
    policy,
  };
}

const NONE = new Map<string, never>();

const IP_FORWARDING = [['net/ipv4/ip_forward', '1']] as const;

const programsOf = ({ ifindex, name }: OutsideDevice): AttachmentRow[] => [
  { ifindex, device: name, egress: false, program: FROM_UPLINK },
  { ifindex, device: name, egress: true, program: TO_UPLINK },
];

/** flannel's rules except it (compat.md 3.9). */
const MULTICAST = ['224.0.0.0/4', 'ff00::/8'].map((text) => Cidr.parse(text)!);

const exempt = (cidrs: readonly Cidr[]): readonly Cidr[] => [...new Map(cidrs.map((cidr) => [cidr.text, cidr])).values()];
