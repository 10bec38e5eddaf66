import type { Cidr, IpAddress } from '../base/address.js';
import type { LogLevel } from '../base/log.js';
import type { Algorithm } from './service.js';

/** How Calico chooses the node's address (compat.md 8). */
export type AutodetectionMethod =
  | { readonly method: 'first-found' }
  | { readonly method: 'can-reach'; readonly target: string }
  | { readonly method: 'interface' | 'skip-interface'; readonly patterns: readonly string[] }
  | { readonly method: 'cidr'; readonly cidrs: readonly Cidr[] }
  | { readonly method: 'kubernetes-internal-ip' };

/** Which device carries the overlay and which address it has (compat.md 3.11, 8). Tried from the top. */
export interface UplinkSettings {
  /** Names or addresses, in order. */
  readonly iface: readonly string[];
  readonly ifaceRegex: readonly string[];
  readonly ifaceCanReach: string | undefined;
  readonly publicIp: IpAddress | undefined;
  readonly publicIpV6: IpAddress | undefined;
  /** Names of devices that lead outside beside the uplink; undefined: by what they are. */
  readonly dataIfacePattern: RegExp | undefined;
  /** Undefined: flannel's rules alone. */
  readonly autodetection: AutodetectionMethod | undefined;
}

/** Every setting of `canal agent`, resolved from flags, environment and file. */
export interface AgentSettings {
  readonly nodeName: string;
  readonly kubeconfig: string | undefined;
  readonly kubeApiUrl: string | undefined;
  /** Normalised: ends in `/` or `-` (compat.md 1.1). */
  readonly annotationPrefix: string;
  readonly netConfPath: string;
  readonly subnetFile: string;
  readonly uplink: UplinkSettings;
  readonly setNodeNetworkUnavailable: boolean;
  readonly blackholeRoute: boolean;
  /** Masquerade what pods send out of the cluster. */
  readonly ipMasq: boolean;
  /** Destinations towards which pods keep their address, beside the pod network and multicast. */
  readonly nonMasqueradeCidrs: readonly Cidr[];
  /** Source ports that masquerade chooses from, both included. */
  readonly masqueradePorts: { readonly min: number; readonly max: number };
  /** Programs at the uplink: without them no masquerade and nothing for services' clients outside. */
  readonly uplinkPrograms: boolean;

  readonly interfacePrefix: string;
  readonly endpointToHost: 'accept' | 'drop';
  readonly allowVxlanFromWorkloads: boolean;
  readonly allowIpipFromWorkloads: boolean;
  readonly allowSpoofing: boolean;
  readonly ipForwarding: boolean;
  readonly routeMetric: number;
  readonly routeProtocol: number;
  /** Hook of what pods send: `tcx` where the kernel has it, once nobody waits for it; until then, and with `tc`, a clsact filter. Other devices have tcx where the kernel has it. */
  readonly attachType: 'tc' | 'tcx';
  /** How far allowed packets are taken past the host stack: not, to pods of the node, to the overlay device, past that too where the uplink allows it. */
  readonly fastPath: 'off' | 'local' | 'device' | 'on';
  /** Translate service addresses, as kube-proxy would. */
  readonly services: boolean;
  /** But leave them to a kube-proxy that runs on this node. */
  readonly yieldServices: boolean;
  /** How a backend is chosen for what comes from outside, where the Service does not say. */
  readonly lbAlgorithm: Algorithm;
  /** Slots of a Maglev table. */
  readonly maglevTableSize: number;
  /** Directory of the node's cgroup (v2), whose sockets are translated; empty: found among the mounts. */
  readonly cgroup: string;
  /** Rows of BPF maps by name: neither scaled nor grown. */
  readonly mapSizes: Readonly<Record<string, number>>;
  /** Rows of the maps that programs fill, times the built-in ones; undefined: by the node's memory. */
  readonly mapScale: number | undefined;
  /** Events a second and CPU; 0: no limit. */
  readonly eventRate: number;

  readonly logLevel: LogLevel;
  readonly healthEnabled: boolean;
  readonly healthHost: string;
  readonly healthPort: number;
  /** flanneld's own health port; 0: off. */
  readonly healthzHost: string;
  readonly healthzPort: number;
  /** kube-proxy's ports for /healthz (any address) and /proxyMode (localhost), in its place; 0: off. */
  readonly proxyHealthzPort: number;
  readonly proxyModePort: number;
  readonly metricsEnabled: boolean;
  readonly metricsHost: string;
  readonly metricsPort: number;

  /** Survives reboots: endpoint files, queued DELs. */
  readonly stateDir: string;
  /** Sockets. */
  readonly runDir: string;
  readonly bpffs: string;
  /** Directory of built objects and the native library; empty: beside the program. */
  readonly buildDir: string;
  /** Write /var/lib/calico/nodename and mtu for leftover Calico plugins. */
  readonly calicoDir: string;
}
