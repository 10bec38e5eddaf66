import { CanalError } from '../../base/errors.js';
import type { LabNode } from '../machine/lab-node.js';
import { inside } from '../machine/place.js';
import { run } from '../machine/process.js';
import { atLeast, loadNetwork, type NetworkList, type PluginConfig } from './cni-config.js';

/** One pod's attachment, as container runtimes describe it to plugins. */
export interface Attachment {
  readonly containerId: string;
  /** A path in the node. */
  readonly netns: string;
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly portMappings: readonly { readonly hostPort: number; readonly containerPort: number; readonly protocol: string }[];
}

export interface CniResult {
  readonly cniVersion?: string;
  readonly ips?: readonly { readonly address: string }[];
}

type Verb = 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC';

const DEADLINE_MS = 60_000;

/** Runs a node's CNI plugins on the node, as libcni does for a container runtime. */
export class CniRunner {
  readonly #node: LabNode;
  /** What ADD was done with: DEL must use the same, whatever the directory holds by then. */
  readonly #done = new Map<string, { network: NetworkList; result: CniResult }>();

  constructor(node: LabNode) {
    this.#node = node;
  }

  /** Undefined while the node has no network configuration. */
  network(): NetworkList | undefined {
    return loadNetwork(this.#node.path('/etc/cni/net.d'));
  }

  /** The last plugin's result. Throws CanalError CNI with the plugin's message. */
  async add(attachment: Attachment): Promise<CniResult> {
    const network = this.network();
    if (network === undefined) throw new CanalError('CNI', 'cni plugin not initialized: no network configuration in /etc/cni/net.d');
    let result: CniResult | undefined;
    for (const plugin of network.plugins) result = await this.#call('ADD', network, plugin, attachment, result);
    this.#done.set(attachment.containerId, { network, result: result ?? {} });
    return result ?? {};
  }

  /** Undoes ADD, in reverse order. Succeeds where there is nothing to undo. */
  async del(attachment: Attachment): Promise<void> {
    const done = this.#done.get(attachment.containerId);
    const network = done?.network ?? this.network();
    if (network === undefined) return;
    for (const plugin of [...network.plugins].reverse()) await this.#call('DEL', network, plugin, attachment, done?.result);
    this.#done.delete(attachment.containerId);
  }

  async check(attachment: Attachment): Promise<void> {
    const done = this.#done.get(attachment.containerId);
    if (done === undefined) throw new CanalError('CNI', 'CHECK of what was never added');
    for (const plugin of done.network.plugins) await this.#call('CHECK', done.network, plugin, attachment, done.result);
  }

  /** Why the node cannot take pods; undefined when it can. Plugins before 1.1 cannot say: having a configuration is enough. */
  async status(): Promise<string | undefined> {
    const network = this.network();
    if (network === undefined) return 'cni plugin not initialized';
    if (!atLeast(network.cniVersion, '1.1.0')) return undefined;
    try {
      for (const plugin of network.plugins) await this.#call('STATUS', network, plugin);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Tells the plugins which attachments exist: they release all others. */
  async collectGarbage(): Promise<void> {
    const network = this.network();
    if (network === undefined || !atLeast(network.cniVersion, '1.1.0')) return;
    const valid = [...this.#done.keys()].map((containerID) => ({ containerID, ifname: 'eth0' }));
    for (const plugin of network.plugins) await this.#call('GC', network, { ...plugin, 'cni.dev/valid-attachments': valid });
  }

  async #call(verb: Verb, network: NetworkList, plugin: PluginConfig, attachment?: Attachment, prevResult?: CniResult): Promise<CniResult> {
    const { file, args } = inside(this.#node.placeIn('runtime'), [`/opt/cni/bin/${plugin.type}`]);
    const outcome = await run(file, args, {
      input: JSON.stringify(pluginInput(network, plugin, attachment, prevResult)),
      env: pluginEnvironment(verb, attachment),
      timeoutMs: DEADLINE_MS,
    });
    const said = parse(outcome.stdout);
    if (outcome.code === 0) return said;
    const { msg, details } = said;
    const why = msg ?? (outcome.stderr.trim() || `exit ${outcome.code}`);
    throw new CanalError('CNI', `plugin type="${plugin.type}" failed (${verb.toLowerCase()}): ${why}${details === undefined || details === '' ? '' : `: ${details}`}`);
  }
}

/** A plugin's standard input (CNI specification, section 4). */
export function pluginInput(network: NetworkList, plugin: PluginConfig, attachment?: Attachment, prevResult?: CniResult): Record<string, unknown> {
  const { capabilities, ...config } = plugin;
  const runtimeConfig = {
    ...(capabilities?.['portMappings'] && attachment && attachment.portMappings.length > 0 ? { portMappings: attachment.portMappings } : {}),
    ...(capabilities?.['io.kubernetes.cri.pod-annotations'] ? { 'io.kubernetes.cri.pod-annotations': {} } : {}),
  };
  return {
    ...config,
    name: network.name,
    cniVersion: network.cniVersion,
    ...(Object.keys(runtimeConfig).length > 0 ? { runtimeConfig } : {}),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

/** A plugin's environment, with the arguments that containerd gives. */
export function pluginEnvironment(verb: Verb, attachment?: Attachment): NodeJS.ProcessEnv {
  const base = { PATH: process.env['PATH'], CNI_COMMAND: verb, CNI_PATH: '/opt/cni/bin' };
  if (attachment === undefined) return base;
  const args = {
    IgnoreUnknown: '1',
    K8S_POD_NAMESPACE: attachment.namespace,
    K8S_POD_NAME: attachment.pod,
    K8S_POD_INFRA_CONTAINER_ID: attachment.containerId,
    K8S_POD_UID: attachment.uid,
  };
  return {
    ...base,
    CNI_CONTAINERID: attachment.containerId,
    CNI_NETNS: attachment.netns,
    CNI_IFNAME: 'eth0',
    CNI_ARGS: Object.entries(args).map(([key, value]) => `${key}=${value}`).join(';'),
  };
}

/** A result, or an error with its message. */
function parse(text: string): CniResult & { readonly msg?: string; readonly details?: string } {
  try {
    return JSON.parse(text) as CniResult;
  } catch {
    return {};
  }
}
