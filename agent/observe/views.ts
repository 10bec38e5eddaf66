/**
 * What the admin socket answers, as JSON: the stable interface between the
 * agent and `canal status`, `canal endpoints` and the rest. Identifiers of 64
 * bits are 16 hex digits; addresses, MACs and prefixes are text; times are
 * ISO 8601.
 */
import type { Problem } from '../base/errors.js';

/** One thing that is well or not. */
export interface ConditionView {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, or what it stands on. */
  readonly message: string;
}

export interface StatusView {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  readonly state: 'booting' | 'ready' | 'closing';
  readonly startedAt: string;
  readonly conditions: readonly ConditionView[];
  readonly overlay: OverlayView | null;
  readonly counts: Readonly<Record<'endpoints' | 'isolatedIngress' | 'isolatedEgress' | 'policies' | 'pods' | 'namespaces' | 'nodes' | 'classes' | 'tables', number>>;
  readonly apply: ApplyView | null;
  readonly problems: readonly Problem[];
}

export interface OverlayView {
  readonly device: string;
  readonly ifindex: number;
  readonly vni: number;
  readonly port: number;
  readonly mac: string;
  readonly mtu: number;
  readonly subnet: string;
  readonly network: string;
  readonly uplink: string;
  /** Other devices that lead outside, each with its address. */
  readonly outside: readonly string[];
  readonly publicIp: string;
  /** Who writes VXLAN headers for pods: `programs`, or `device` and why. */
  readonly path: string;
}

export interface ApplyView {
  readonly applies: number;
  readonly lastAt: string;
  readonly lastMs: number;
  /** Of the first apply after start. */
  readonly firstWrites: number;
  readonly writes: Readonly<Record<string, number>>;
  readonly epoch: number;
  readonly blocked: number;
  readonly troubles: readonly { readonly table: string; readonly key: string; readonly message: string; readonly full: boolean }[];
}

export interface EndpointView {
  readonly namespace: string;
  readonly pod: string;
  readonly addresses: readonly string[];
  readonly device: string;
  readonly ifindex: number;
  readonly mac: string;
  /** Path of its network namespace, as CNI gave it. */
  readonly netns: string;
  /** Table ids; null: not isolated. */
  readonly ingressTable: string | null;
  readonly egressTable: string | null;
  readonly ingressPolicies: readonly string[];
  readonly egressPolicies: readonly string[];
  /** In force in the kernel as compiled; otherwise why not. */
  readonly state: string;
}

export interface RuleView {
  readonly id: string;
  readonly direction: string;
  readonly index: number;
  readonly text: string;
  /** Of first packets that it decided on this node. */
  readonly packets: number;
  readonly bytes: number;
}

export interface PolicyView {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly tier: string;
  readonly subject: string;
  readonly directions: readonly string[];
  /** Local pods it applies to. */
  readonly pods: readonly string[];
  readonly rules: readonly RuleView[];
}

export interface PeerView {
  /** Address or prefix. */
  readonly peer: string;
  readonly kind: 'pod' | 'host' | 'node' | 'cidr' | 'other';
  readonly name: string;
  readonly class: string;
}

export interface FlowView {
  readonly protocol: string;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly state: string;
  readonly idleSeconds: number;
  /** Null: the flow only comes by, between outside and another node (or the node itself), and is not counted here. */
  readonly packets: number | null;
  readonly bytes: number | null;
  readonly replyPackets: number | null;
  readonly replyBytes: number | null;
  readonly rule: string;
  /** Judged under the policy in force. */
  readonly current: boolean;
  /** `NAMESPACE/NAME` of the Service that was asked, of the Pod for its hostPort; empty: none, or its socket asked, which talks to the backend itself. */
  readonly service: string;
  /** What the client asked and what its address became, where they differ; empty: nothing was translated packet by packet. */
  readonly translation: string;
}

export interface DropsView {
  readonly reasons: readonly { readonly reason: string; readonly packets: number; readonly bytes: number }[];
  readonly full: readonly { readonly what: string; readonly count: number }[];
  readonly events: readonly EventView[];
  /** Events that were made but did not fit into the ring or the agent's memory. */
  readonly lost: number;
}

export interface EventView {
  /** Grows by one with each event; `?after=` resumes there. */
  readonly sequence: number;
  readonly time: string;
  readonly kind: string;
  readonly reason: string;
  readonly direction: 'ingress' | 'egress';
  readonly protocol: string;
  readonly source: string;
  readonly sourcePort: number;
  readonly sourcePod: string;
  readonly destination: string;
  readonly destinationPort: number;
  readonly destinationPod: string;
  readonly device: string;
  readonly bytes: number;
  readonly rule: string;
}

export interface RouteView {
  readonly subnet: string;
  readonly node: string;
  readonly kind: string;
  readonly gateway: string;
  readonly device: string;
  readonly vtep: string;
  readonly vtepMac: string;
  /** Who writes the header for this node: `programs`, `device`, or neither of them; and why. */
  readonly path: string;
  /** `ok`, or what is missing in the kernel. */
  readonly state: string;
}

export interface MapView {
  readonly name: string;
  readonly rows: number;
  readonly capacity: number;
  /** Memory that the kernel has allocated for it. */
  readonly bytes: number;
  readonly pin: string;
}

export interface ServiceFrontendView {
  /** `ADDRESS:PORT`; `*:PORT` is every address of the node. */
  readonly address: string;
  readonly protocol: string;
  readonly kind: 'clusterIp' | 'loadBalancer' | 'externalIp' | 'nodePort' | 'hostPort';
  /** That the kernel chooses from. */
  readonly backends: number;
  /** Whose packets: those of pods and of the node itself, what comes in over the uplink, or those of the node itself where they are apart. */
  readonly from: 'inside' | 'outside' | 'node';
  /** `in force`, or what is not as it should be. */
  readonly kernel: string;
}

export interface ServiceBackendView {
  /** Name of the service's port, or its number. */
  readonly port: string;
  readonly protocol: string;
  readonly address: string;
  readonly node: string;
  /** Pod, `NAMESPACE/NAME`. */
  readonly target: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Zones and nodes that should use it. */
  readonly hints: readonly string[];
  /** By which traffic policies this node uses it. */
  readonly usedFor: readonly ('cluster' | 'local')[];
  /** Whether the kernel has it. */
  readonly kernel: boolean;
}

/** A Service; or a pod of this node with hostPorts, whose type is `hostPort`. */
export interface ServiceView {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  /** 0: none. */
  readonly affinitySeconds: number;
  readonly internalPolicy: 'cluster' | 'local';
  readonly externalPolicy: 'cluster' | 'local';
  /** For what comes from outside. */
  readonly algorithm: 'random' | 'maglev';
  /** Who may use load balancer addresses; empty: everybody. */
  readonly sourceRanges: readonly string[];
  /** What a load balancer that asks is told; null: none asks. */
  readonly healthCheck: { readonly port: number; readonly localEndpoints: number } | null;
  readonly state: string;
  readonly frontends: readonly ServiceFrontendView[];
  readonly backends: readonly ServiceBackendView[];
}

/** What becomes of a packet to a service's address, by the kernel's rows. */
export interface TranslationView {
  /** `NAMESPACE/NAME`; of a Pod for its hostPort. */
  readonly service: string;
  readonly frontend: string;
  /** Whose packet: of pods and the node itself, come in over the uplink, or of the node itself where that is apart. */
  readonly from: 'inside' | 'outside' | 'node';
  /** All that may be chosen. None: see outcome. */
  readonly backends: readonly string[];
  /** `translated`, `refused`, `dropped` (without backends) or `denied` (not in the source ranges). */
  readonly outcome: string;
  /** The Services, slices and pods themselves (the oracle) say the same. */
  readonly agrees: boolean;
  /** The one that the rest of the trace is about. */
  readonly traced: string | null;
}

/** Which source a packet has when it has left this node. */
export interface SourceView {
  /** `masquerade`: a pod's towards outside the cluster. `node port`: a client's towards a backend on another node. `kept`: as it was. */
  readonly kind: 'masquerade' | 'node port' | 'kept';
  /** The node's own, or the sender's. */
  readonly address: string;
  /** Source ports to choose from where the packet's own is taken; empty: it is not translated. */
  readonly ports: string;
  /** What decides. */
  readonly why: string;
}

/** One policy decision on the way of a packet. */
export interface TraceStep {
  readonly hook: string;
  readonly direction: 'egress' | 'ingress';
  readonly pod: string;
  readonly device: string;
  readonly table: string | null;
  readonly peer: string;
  readonly class: string;
  readonly rows: string | null;
  readonly rowsConsulted: readonly string[];
  readonly allow: boolean;
  readonly rule: string;
  readonly policy: string;
  /** What the policies themselves say (the oracle), to compare. */
  readonly oracle: { readonly allow: boolean; readonly rule: string };
  readonly agrees: boolean;
}

export interface TraceView {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port: number;
  readonly allow: boolean;
  readonly reason: string;
  /** Null: the destination is no service's address. */
  readonly translation: TranslationView | null;
  /** Null: the packet does not leave this node, or did not begin here. */
  readonly source: SourceView | null;
  readonly steps: readonly TraceStep[];
  readonly notes: readonly string[];
}
