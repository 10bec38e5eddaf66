import { hostname } from 'node:os';
import type { AgentSettings, AutodetectionMethod } from '../../model/settings.js';
import type { LogLevel } from '../../base/log.js';
import { Cidr, IpAddress } from '../../base/address.js';
import { TABLE_SIZES } from '../../compile/services/maglev.js';

/**
 * One setting: the names that users of flanneld, Felix and calico/node know it
 * by, how its text becomes a value, and its default. The tables of flags,
 * environment variables and file keys, `--help` and the README all come from
 * this list. Felix's YAML name is the file's key; its environment name is
 * FELIX_ and that key without regard to case; any flag `a-b` may be given as
 * FLANNELD_A_B (compat.md 1.8, 7.1).
 */
export interface Setting<T> {
  /** Command-line flag without dashes. */
  readonly flag: string;
  /** Key in the configuration file. */
  readonly key: string;
  /** Environment variables beside CANAL_<FLAG>, first one set wins. */
  readonly env: readonly string[];
  /** What `--help` shows for the value; undefined: a boolean flag. */
  readonly value?: string;
  readonly repeatable?: boolean;
  /** @throws Error saying what is wrong with the text, without naming the setting. */
  readonly parse: (text: string) => T;
  readonly fallback: T;
  readonly help: string;
}

export interface SettingValues {
  kubeconfig: string;
  kubeApiUrl: string;
  nodeName: string;
  annotationPrefix: string;
  netConfPath: string;
  subnetFile: string;
  iface: readonly string[];
  ifaceRegex: readonly string[];
  ifaceCanReach: string;
  publicIp: IpAddress | undefined;
  publicIpV6: IpAddress | undefined;
  autodetection: AutodetectionMethod | undefined;
  dataIfacePattern: RegExp | undefined;
  setNodeNetworkUnavailable: boolean;
  blackholeRoute: boolean;
  ipMasq: boolean;
  nonMasqueradeCidrs: readonly Cidr[];
  masqueradePorts: AgentSettings['masqueradePorts'];
  uplinkPrograms: boolean;
  interfacePrefix: string;
  endpointToHost: AgentSettings['endpointToHost'];
  allowVxlanFromWorkloads: boolean;
  allowIpipFromWorkloads: boolean;
  allowSpoofing: boolean;
  ipForwarding: boolean;
  routeMetric: number;
  routeProtocol: number;
  attachType: AgentSettings['attachType'];
  fastPath: AgentSettings['fastPath'];
  services: 'on' | 'off' | 'auto';
  lbAlgorithm: AgentSettings['lbAlgorithm'];
  maglevTableSize: number;
  cgroup: string;
  mapSizes: Readonly<Record<string, number>>;
  mapScale: number | undefined;
  eventRate: number;
  logLevel: LogLevel;
  healthEnabled: boolean;
  healthHost: string;
  healthPort: number;
  healthzHost: string;
  healthzPort: number;
  proxyHealthzPort: number;
  proxyModePort: number;
  metricsEnabled: boolean;
  metricsHost: string;
  metricsPort: number;
  stateDir: string;
  runDir: string;
  bpffs: string;
  buildDir: string;
  calicoDir: string;
}

type Settings = { readonly [K in keyof SettingValues]: Setting<SettingValues[K]> };

const text = (value: string): string => value;
const list = (value: string): readonly string[] => value.split(',').map((s) => s.trim()).filter((s) => s !== '');

function boolean(value: string): boolean {
  const lower = value.toLowerCase();
  if (['true', '1', 'yes', 'y', 't', 'enabled'].includes(lower)) return true;
  if (['false', '0', 'no', 'n', 'f', 'disabled'].includes(lower)) return false;
  throw new Error('must be true or false');
}

const onOff = (value: string): boolean => (value === 'on' || value === 'off' ? value === 'on' : boolean(value));

function cidrs(value: string): readonly Cidr[] {
  return list(value).map((item) => {
    const cidr = Cidr.parse(item);
    if (cidr === undefined) throw new Error(`must be a list of CIDRs; ${item} is none`);
    return cidr;
  });
}

function portRange(value: string): AgentSettings['masqueradePorts'] {
  const [min = 0, max = 0] = /^(\d+)[-:](\d+)$/.exec(value.trim())?.slice(1).map(Number) ?? [];
  if (min < 1 || max < min || max > 65535) throw new Error('must be two ports, min-max');
  return { min, max };
}

const number = (low: number, high: number) => (value: string): number => {
  const n = Number(value);
  if (value.trim() === '' || !Number.isInteger(n) || n < low || n > high) throw new Error(`must be an integer from ${low} to ${high}`);
  return n;
};

const oneOf = <T extends string>(...values: readonly T[]) => (value: string): T => {
  const found = values.find((v) => v.toLowerCase() === value.toLowerCase());
  if (found === undefined) throw new Error(`must be one of ${values.join(', ')}`);
  return found;
};

const address = (family: 4 | 6) => (value: string): IpAddress | undefined => {
  if (value === '') return undefined;
  const parsed = IpAddress.parse(value);
  if (parsed === undefined || parsed.family !== family) throw new Error(`must be an IPv${family} address`);
  return parsed;
};

function endpointToHost(value: string): AgentSettings['endpointToHost'] {
  // Return hands the packet back to the host's own rules; with no rules of ours there that is Accept.
  return oneOf('accept', 'return', 'drop')(value) === 'drop' ? 'drop' : 'accept';
}

function logLevel(value: string): LogLevel {
  const felix: Readonly<Record<string, LogLevel>> = { none: 'error', fatal: 'error', critical: 'error', warning: 'warn', trace: 'debug' };
  const lower = value.toLowerCase();
  return felix[lower] ?? oneOf<LogLevel>('debug', 'info', 'warn', 'error')(lower);
}

function tableSize(value: string): number {
  const size = TABLE_SIZES.find((one) => String(one) === value.trim());
  if (size === undefined) throw new Error(`must be one of ${TABLE_SIZES.join(', ')}`);
  return size;
}

function patterns(value: string): readonly string[] {
  const found = list(value);
  for (const pattern of found) new RegExp(pattern);
  return found;
}

function mapSizes(value: string): Readonly<Record<string, number>> {
  const entries = list(value).map((item): [string, number] => {
    const [name = '', size = ''] = item.split('=');
    if (!/^canal_[a-z0-9]+$/.test(name)) throw new Error(`must be canal_<map>=<rows>, not ${item}`);
    return [name, number(1, 100_000_000)(size)];
  });
  return Object.fromEntries(entries);
}

const LEAST_SCALE = 0.0625;
const MOST_SCALE = 64;

function mapScale(value: string): number | undefined {
  if (value === 'auto') return undefined;
  const scale = Number(value);
  if (value === '' || !(scale >= LEAST_SCALE && scale <= MOST_SCALE)) throw new Error(`must be auto or a number from ${LEAST_SCALE} to ${MOST_SCALE}`);
  return scale;
}

/** Calico's IP_AUTODETECTION_METHOD (calico node/pkg/lifecycle/startup/autodetection; compat.md 8). */
function autodetection(value: string): AutodetectionMethod | undefined {
  if (value === '') return undefined;
  if (value === 'first-found' || value === 'kubernetes-internal-ip') return { method: value };
  const [method, ...rest] = value.split('=');
  const argument = rest.join('=');
  if (argument !== '' && method === 'can-reach') return { method, target: argument };
  if (argument !== '' && (method === 'interface' || method === 'skip-interface')) return { method, patterns: patterns(argument) };
  if (argument !== '' && method === 'cidr') {
    return {
      method,
      cidrs: list(argument).map((c) => {
        const cidr = Cidr.parse(c);
        if (cidr === undefined) throw new Error(`cidr=${c} is no CIDR`);
        return cidr;
      }),
    };
  }
  throw new Error('must be first-found, can-reach=, interface=, skip-interface=, cidr= or kubernetes-internal-ip');
}

/** flannel's rule for annotation prefixes (compat.md 1.1; flannel pkg/subnet/kube/annotations.go). */
function annotationPrefix(value: string): string {
  const slashes = value.split('/').length - 1;
  if (slashes > 1) throw new Error('must hold at most one /');
  const full = slashes === 0 ? `${value}/` : /[/-]$/.test(value) ? value : `${value}-`;
  if (!/^(?:[a-z0-9_-]+\.)+[a-z0-9_-]+\/(?:[a-z0-9_-]+-)?$/.test(full)) throw new Error('must look like flannel.alpha.coreos.com or a.b/c');
  return full;
}

/** All settings, in the order that `--help` shows them. */
export const SETTINGS: Settings = {
  kubeconfig: { flag: 'kubeconfig', key: 'kubeconfig', env: ['FLANNELD_KUBECONFIG_FILE', 'KUBECONFIG'], value: 'file', parse: text, fallback: '', help: 'kubeconfig of the API server; without it the pod\'s service account' },
  kubeApiUrl: { flag: 'kube-api-url', key: 'kubeApiUrl', env: ['FLANNELD_KUBE_API_URL'], value: 'url', parse: text, fallback: '', help: 'URL of the API server, over what the kubeconfig or service account says' },
  nodeName: { flag: 'node-name', key: 'nodeName', env: ['NODE_NAME', 'NODENAME', 'KUBERNETES_NODE_NAME', 'FELIX_FELIXHOSTNAME'], value: 'name', parse: text, fallback: '', help: 'name of this Node object (default: the host name in lower case)' },
  annotationPrefix: { flag: 'kube-annotation-prefix', key: 'kubeAnnotationPrefix', env: ['FLANNELD_KUBE_ANNOTATION_PREFIX'], value: 'prefix', parse: annotationPrefix, fallback: 'flannel.alpha.coreos.com/', help: 'prefix of flannel\'s node annotations' },
  netConfPath: { flag: 'net-config-path', key: 'netConfigPath', env: ['FLANNELD_NET_CONFIG_PATH'], value: 'file', parse: text, fallback: '/etc/kube-flannel/net-conf.json', help: 'flannel\'s network configuration' },
  subnetFile: { flag: 'subnet-file', key: 'subnetFile', env: ['FLANNELD_SUBNET_FILE'], value: 'file', parse: text, fallback: '/run/flannel/subnet.env', help: 'where flannel\'s environment file is written' },
  iface: { flag: 'iface', key: 'iface', env: ['FLANNELD_IFACE'], value: 'name-or-ip', repeatable: true, parse: list, fallback: [], help: 'device that carries the overlay; may be repeated, first match wins' },
  ifaceRegex: { flag: 'iface-regex', key: 'ifaceRegex', env: ['FLANNELD_IFACE_REGEX'], value: 'regex', repeatable: true, parse: (v) => { if (v !== '') new RegExp(v); return v === '' ? [] : [v]; }, fallback: [], help: 'the same by pattern over addresses, then names' },
  ifaceCanReach: { flag: 'iface-can-reach', key: 'ifaceCanReach', env: ['FLANNELD_IFACE_CAN_REACH'], value: 'ip', parse: (v) => { address(v.includes(':') ? 6 : 4)(v); return v; }, fallback: '', help: 'the device that the kernel routes this address through' },
  publicIp: { flag: 'public-ip', key: 'publicIp', env: ['FLANNELD_PUBLIC_IP'], value: 'ip', parse: address(4), fallback: undefined, help: 'address that other nodes send to' },
  publicIpV6: { flag: 'public-ipv6', key: 'publicIpV6', env: ['FLANNELD_PUBLIC_IPV6'], value: 'ip', parse: address(6), fallback: undefined, help: 'the same for IPv6' },
  autodetection: { flag: 'ip-autodetection-method', key: 'ipAutodetectionMethod', env: ['IP_AUTODETECTION_METHOD'], value: 'method', parse: autodetection, fallback: undefined, help: 'Calico\'s way of choosing the node\'s address, where no --iface says' },
  dataIfacePattern: { flag: 'bpf-data-iface-pattern', key: 'bpfDataIfacePattern', env: ['FELIX_BPFDATAIFACEPATTERN'], value: 'regex', parse: (v) => (v === '' ? undefined : new RegExp(v)), fallback: undefined, help: 'names of devices that lead outside beside the uplink: masquerade and NodePorts work there too (default: Ethernet devices with an address, but container engines\' and tunnels)' },
  setNodeNetworkUnavailable: { flag: 'set-node-network-unavailable', key: 'setNodeNetworkUnavailable', env: ['FLANNELD_SET_NODE_NETWORK_UNAVAILABLE'], parse: boolean, fallback: true, help: 'report the node\'s network as available once routes exist' },
  blackholeRoute: { flag: 'ip-blackhole-route', key: 'ipBlackholeRoute', env: ['FLANNELD_IP_BLACKHOLE_ROUTE'], parse: boolean, fallback: false, help: 'add a blackhole route for this node\'s pod CIDR' },
  ipMasq: { flag: 'ip-masq', key: 'ipMasq', env: ['FLANNELD_IP_MASQ'], parse: boolean, fallback: false, help: 'masquerade what pods send out of the cluster; also published as FLANNEL_IPMASQ in the subnet file' },
  nonMasqueradeCidrs: { flag: 'non-masquerade-cidrs', key: 'nonMasqueradeCidrs', env: [], value: 'cidr,…', parse: cidrs, fallback: [], help: 'destinations that see pods\' own addresses, beside the pod network and multicast' },
  masqueradePorts: { flag: 'masquerade-ports', key: 'masqueradePorts', env: [], value: 'min-max', parse: portRange, fallback: { min: 1024, max: 65535 }, help: 'source ports to choose from where a pod\'s own is taken' },
  uplinkPrograms: { flag: 'uplink-programs', key: 'uplinkPrograms', env: [], value: 'on|off', parse: onOff, fallback: true, help: 'programs at the uplink: masquerade, and services for clients outside' },
  interfacePrefix: { flag: 'interface-prefix', key: 'interfacePrefix', env: ['FELIX_INTERFACEPREFIX'], value: 'prefix', parse: (v) => { const first = list(v)[0]; if (first === undefined || first.length > 4) throw new Error('must have 1 to 4 characters'); return first; }, fallback: 'cali', help: 'how pods\' host devices are named' },
  endpointToHost: { flag: 'default-endpoint-to-host-action', key: 'defaultEndpointToHostAction', env: ['FELIX_DEFAULTENDPOINTTOHOSTACTION'], value: 'action', parse: endpointToHost, fallback: 'accept', help: 'pods to their own node after egress policy: Accept, Return or Drop' },
  allowVxlanFromWorkloads: { flag: 'allow-vxlan-packets-from-workloads', key: 'allowVXLANPacketsFromWorkloads', env: ['FELIX_ALLOWVXLANPACKETSFROMWORKLOADS'], parse: boolean, fallback: false, help: 'let pods send VXLAN to the overlay\'s port' },
  allowIpipFromWorkloads: { flag: 'allow-ipip-packets-from-workloads', key: 'allowIPIPPacketsFromWorkloads', env: ['FELIX_ALLOWIPIPPACKETSFROMWORKLOADS'], parse: boolean, fallback: false, help: 'let pods send IPIP' },
  allowSpoofing: { flag: 'workload-source-spoofing', key: 'workloadSourceSpoofing', env: ['FELIX_WORKLOADSOURCESPOOFING'], value: 'Any|Disabled', parse: (v) => oneOf('any', 'disabled')(v) === 'any', fallback: false, help: 'let pods send from addresses that are not theirs' },
  ipForwarding: { flag: 'ip-forwarding', key: 'ipForwarding', env: ['FELIX_IPFORWARDING'], parse: boolean, fallback: true, help: 'switch the kernel\'s forwarding on' },
  routeMetric: { flag: 'ipv4-normal-route-priority', key: 'ipv4NormalRoutePriority', env: ['FELIX_IPV4NORMALROUTEPRIORITY'], value: 'n', parse: number(0, 0x7fffffff), fallback: 1024, help: 'metric of pods\' routes' },
  routeProtocol: { flag: 'device-route-protocol', key: 'deviceRouteProtocol', env: ['FELIX_DEVICEROUTEPROTOCOL'], value: 'n', parse: number(1, 255), fallback: 3, help: 'protocol number of pods\' routes' },
  attachType: { flag: 'bpf-attach-type', key: 'bpfAttachType', env: ['FELIX_BPFATTACHTYPE'], value: 'TC|TCX', parse: oneOf('tc', 'tcx'), fallback: 'tcx', help: 'hook of what pods send: TC stays with filters; TCX makes them tcx links, which packets pass quicker, when no pod has come for two seconds (Linux 6.6)' },
  fastPath: { flag: 'fast-path', key: 'fastPath', env: [], value: 'off|local|device|on', parse: oneOf('off', 'local', 'device', 'on'), fallback: 'on', help: 'take allowed packets past the host stack: to pods of the node, also to the overlay device, also past that device (what the uplink cannot do falls back to it)' },
  services: { flag: 'services', key: 'services', env: [], value: 'on|off|auto', parse: (v) => (v === 'on' || v === 'off' || v === 'auto' ? v : boolean(v) ? 'on' : 'off'), fallback: 'auto', help: 'translate service addresses, in place of kube-proxy; auto: unless one runs on this node' },
  lbAlgorithm: { flag: 'lb-algorithm', key: 'lbAlgorithm', env: [], value: 'random|maglev', parse: oneOf('random', 'maglev'), fallback: 'random', help: 'how a backend is chosen for what comes from outside; a Service\'s annotation canal.io/lb-algorithm wins' },
  maglevTableSize: { flag: 'maglev-table-size', key: 'maglevTableSize', env: [], value: 'n', parse: tableSize, fallback: 1021, help: `slots of a Maglev table, the same on every node, 100 a backend or more: ${TABLE_SIZES.join(', ')}` },
  cgroup: { flag: 'cgroup-v2', key: 'cgroupV2', env: [], value: 'dir', parse: text, fallback: '', help: 'cgroup whose processes\' sockets are translated (default: where cgroup v2 is mounted)' },
  mapSizes: { flag: 'map-sizes', key: 'mapSizes', env: [], value: 'canal_x=n,…', parse: mapSizes, fallback: {}, help: 'rows of BPF maps, over the built-in sizes; such a map does not grow' },
  mapScale: { flag: 'map-scale', key: 'mapScale', env: [], value: 'auto|n', parse: mapScale, fallback: undefined, help: `rows of the maps that programs fill (flows, translations), times the built-in ones, ${LEAST_SCALE} to ${MOST_SCALE}; auto: by the node's memory` },
  eventRate: { flag: 'event-rate', key: 'eventRate', env: [], value: 'n', parse: number(0, 1_000_000), fallback: 1000, help: 'flow events a second and CPU; 0: no limit' },
  logLevel: { flag: 'log-level', key: 'logSeverityScreen', env: ['FELIX_LOGSEVERITYSCREEN'], value: 'level', parse: logLevel, fallback: 'info', help: 'debug, info, warn or error' },
  healthEnabled: { flag: 'health-enabled', key: 'healthEnabled', env: ['FELIX_HEALTHENABLED'], parse: boolean, fallback: true, help: 'serve /liveness and /readiness' },
  healthHost: { flag: 'health-host', key: 'healthHost', env: ['FELIX_HEALTHHOST'], value: 'address', parse: text, fallback: 'localhost', help: 'address of the health server' },
  healthPort: { flag: 'health-port', key: 'healthPort', env: ['FELIX_HEALTHPORT'], value: 'port', parse: number(0, 65535), fallback: 9099, help: 'port of the health server' },
  healthzHost: { flag: 'healthz-ip', key: 'healthzIp', env: ['FLANNELD_HEALTHZ_IP'], value: 'ip', parse: text, fallback: '0.0.0.0', help: 'address of flanneld\'s /healthz and /readyz' },
  healthzPort: { flag: 'healthz-port', key: 'healthzPort', env: ['FLANNELD_HEALTHZ_PORT'], value: 'port', parse: number(0, 65535), fallback: 0, help: 'port of flanneld\'s /healthz and /readyz; 0: off' },
  proxyHealthzPort: { flag: 'proxy-healthz-port', key: 'proxyHealthzPort', env: [], value: 'port', parse: number(0, 65535), fallback: 10256, help: 'port of kube-proxy\'s /healthz, in its place; 0: off' },
  proxyModePort: { flag: 'proxy-mode-port', key: 'proxyModePort', env: [], value: 'port', parse: number(0, 65535), fallback: 10249, help: 'port of kube-proxy\'s /proxyMode on localhost; 0: off' },
  metricsEnabled: { flag: 'prometheus-metrics-enabled', key: 'prometheusMetricsEnabled', env: ['FELIX_PROMETHEUSMETRICSENABLED'], parse: boolean, fallback: false, help: 'serve Prometheus metrics' },
  metricsHost: { flag: 'prometheus-metrics-host', key: 'prometheusMetricsHost', env: ['FELIX_PROMETHEUSMETRICSHOST'], value: 'address', parse: text, fallback: '', help: 'address of the metrics server; empty: all' },
  metricsPort: { flag: 'prometheus-metrics-port', key: 'prometheusMetricsPort', env: ['FELIX_PROMETHEUSMETRICSPORT'], value: 'port', parse: number(0, 65535), fallback: 9091, help: 'port of the metrics server' },
  stateDir: { flag: 'state-dir', key: 'stateDir', env: [], value: 'dir', parse: text, fallback: '/var/lib/canal', help: 'endpoint files and queued CNI requests' },
  runDir: { flag: 'run-dir', key: 'runDir', env: [], value: 'dir', parse: text, fallback: '/run/canal', help: 'sockets' },
  bpffs: { flag: 'bpffs', key: 'bpffs', env: [], value: 'dir', parse: text, fallback: '/sys/fs/bpf', help: 'BPF file system; pins go to its folder canal' },
  buildDir: { flag: 'build-dir', key: 'buildDir', env: ['CANAL_LIBDIR'], value: 'dir', parse: text, fallback: '', help: 'built objects and native library (default: beside the program)' },
  calicoDir: { flag: 'calico-dir', key: 'calicoDir', env: [], value: 'dir', parse: text, fallback: '/var/lib/calico', help: 'where nodename and mtu are written for Calico\'s plugin; empty: nowhere' },
};

/** The host's name as Kubernetes writes it. */
export const defaultNodeName = (): string => hostname().trim().toLowerCase();
