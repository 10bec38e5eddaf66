import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AgentProcess } from './agent-process.js';
import { makeCgroup } from './cgroup.js';
import { hold, type Holder } from './holder.js';
import type { Lan } from './lan.js';
import { built, labBinary } from './layout.js';
import { inside, placeOf, type Place } from './place.js';
import { must, run, type RunOptions, type RunResult } from './process.js';

/** Where Debian's containernetworking-plugins lie; a node has them like any other. */
const SYSTEM_PLUGINS = '/usr/lib/cni';

// The node's own mounts: what it writes goes to memory that ends with it.
// sysfs must be mounted anew to show the node's devices, and takes bpffs and
// the cgroup's view with it.
const NODE_SCRIPT = `set -e
hostname "$NODE"
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns
for path in etc opt var/lib var/log; do
  mkdir -p "/run/lab/upper/$path" "/run/lab/work/$path"
  mount -t overlay -o "lowerdir=/$path,upperdir=/run/lab/upper/$path,workdir=/run/lab/work/$path" overlay "/$path"
done
rm -rf /etc/cni /opt/cni /var/lib/cni /var/lib/canal /var/lib/calico /etc/resolv.conf
mkdir -p /etc/cni/net.d /opt/cni/bin /var/lib/cni
: > /etc/resolv.conf
echo "$NODE" > /etc/hostname
printf '127.0.0.1 localhost\\n::1 localhost\\n%s %s\\n' "$ADDRESS" "$NODE" > /etc/hosts
mount -t sysfs sysfs /sys
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
echo ready
exec "$CANAL_LAB" pause`;

export interface NodeOptions {
  readonly name: string;
  readonly address: string;
  /** The node's cgroup; those of its agent and pods lie below. */
  readonly cgroup: string;
  readonly lan: Lan;
  /** Content of the kubeconfig by which the node reaches the API server. */
  readonly kubeconfig: string;
  readonly agentLog: string;
  /** The kubelet's --cluster-dns; undefined: pods have no name server. */
  readonly clusterDns: string | undefined;
}

/** A machine of the lab: namespaces, mounts, an uplink, and the agent that runs on it. */
export class LabNode {
  readonly name: string;
  readonly address: string;
  readonly cgroup: string;
  readonly holder: Holder;
  readonly clusterDns: string | undefined;
  readonly agent: AgentProcess;

  private constructor(options: NodeOptions, holder: Holder) {
    this.name = options.name;
    this.address = options.address;
    this.cgroup = options.cgroup;
    this.holder = holder;
    this.clusterDns = options.clusterDns;
    this.agent = new AgentProcess({ node: options.name, place: this.placeIn('agent'), log: options.agentLog });
  }

  static async create(options: NodeOptions): Promise<LabNode> {
    makeCgroup(options.cgroup);
    const holder = await hold({ cgroup: options.cgroup }, ['unshare', '--net', '--mount', '--uts', '--ipc', '--cgroup', '--propagation', 'private', 'sh', '-c', NODE_SCRIPT], {
      CANAL_LAB: labBinary(),
      NODE: options.name,
      ADDRESS: options.address,
    });
    const node = new LabNode(options, holder);
    await options.lan.attach(options.name, holder.pid, options.address);
    makeCgroup(join(options.cgroup, 'system'));
    node.write('/etc/canal/kubeconfig', options.kubeconfig, 0o600);
    node.#installPlugins();
    return node;
  }

  /** The namespace file of the node's network, as the machine sees it. */
  get netns(): string {
    return `/proc/${this.holder.pid}/ns/net`;
  }

  /** A path of the node, as the machine sees it. */
  path(inNode: string): string {
    return `/proc/${this.holder.pid}/root${inNode}`;
  }

  write(path: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), content, { mode });
  }

  /** The node's namespaces with one of its cgroups. */
  placeIn(cgroup: string): Place {
    const path = join(this.cgroup, cgroup);
    makeCgroup(path);
    return placeOf(this.holder.pid, path);
  }

  /** Runs a command on the node. */
  exec(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const { file, args } = inside(this.placeIn('system'), command);
    return run(file, args, options);
  }

  /** As {@link exec}; throws unless it exits 0. */
  must(command: readonly string[], options: RunOptions = {}): Promise<string> {
    const { file, args } = inside(this.placeIn('system'), command);
    return must(file, args, options);
  }

  #installPlugins(): void {
    const bin = this.path('/opt/cni/bin');
    for (const plugin of existsSync(SYSTEM_PLUGINS) ? readdirSync(SYSTEM_PLUGINS) : []) symlinkSync(join(SYSTEM_PLUGINS, plugin), join(bin, plugin));
    copyFileSync(built('native', 'canal-cni'), join(bin, 'canal'));
  }
}
