import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { CanalError } from '../base/errors.js';
import { findCgroup } from '../kernel/socket-table.js';
import { HOST_MAC, LIMIT, NODES, OVERLAY, POD_MTU, PODS, UPLINK, UPLINK_MTU, type NodePlan, type PodPlan } from './lab-plan.js';
import { run } from './lab-run.js';

const NETNS_DIR = '/run/netns';
const PREFIX = 'canal-bench';

/** A copy of the lab, in network namespaces of its own: nothing of the machine's is touched. */
export class BenchLab {
  private constructor(private readonly id: string) {}

  /** @throws CanalError('KERNEL') after taking away what was made */
  static create(id: string): BenchLab {
    const lab = new BenchLab(id);
    try {
      lab.#build();
      return lab;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  /** Path of the namespace of a node or pod. */
  netns(name: string): string {
    return join(NETNS_DIR, this.#namespace(name));
  }

  /**
   * cgroup (v2) of everything that runs on the node that `name` is, or is on: every contender's, since the
   * kernel's bookkeeping of one costs a twelfth of a question and answer.
   * @throws CanalError('CONFIG') where the machine has none
   */
  cgroup(name: string): string {
    const node = PODS.find((pod) => pod.name === name)?.node ?? name;
    const path = join(cgroupRoot(), `${PREFIX}-${this.id}-${node}`);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Runs a program in the namespace of a node or pod. */
  run(name: string, command: readonly string[], input = ''): string {
    return run('nsenter', [`--net=${this.netns(name)}`, ...command], input);
  }

  close(): void {
    for (const name of [...PODS, ...NODES].map((each) => each.name)) {
      if (existsSync(this.netns(name))) run('ip', ['netns', 'del', this.#namespace(name)]);
    }
    removeCgroups(new RegExp(`^${PREFIX}-${this.id}-`));
  }

  #namespace(name: string): string {
    return `${PREFIX}-${this.id}-${name}`;
  }

  #build(): void {
    for (const { name } of [...NODES, ...PODS]) {
      run('ip', ['netns', 'add', this.#namespace(name)]);
      this.#ip(name, ['link set lo up']);
    }
    this.#ip('n1', [`link add ${UPLINK} mtu ${UPLINK_MTU} type veth peer name ${UPLINK} mtu ${UPLINK_MTU} netns ${this.#namespace('n2')}`]);
    for (const node of NODES) this.#node(node);
    for (const pod of PODS) this.#pod(pod);
    this.#ip('a1', [`link add limit0 mtu ${UPLINK_MTU} type veth peer name limit0 mtu ${UPLINK_MTU} netns ${this.#namespace('a2')}`]);
    for (const [pod, address] of Object.entries(LIMIT)) this.#ip(pod, [`addr add ${address}/24 dev limit0`, 'link set limit0 up']);
  }

  #node(node: NodePlan): void {
    const other = NODES.find((each) => each !== node)!;
    this.#sysctl(node.name, ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1', ...SOCKETS]);
    this.#ip(node.name, [
      `link set ${UPLINK} address ${node.mac}`,
      `addr add ${node.address}/24 dev ${UPLINK}`,
      `link set ${UPLINK} up`,
      `neigh replace ${other.address} lladdr ${other.mac} dev ${UPLINK} nud permanent`,
      `link add ${OVERLAY} type vxlan id 1 local ${node.address} dev ${UPLINK} dstport 8472 nolearning`,
      `link set ${OVERLAY} address ${node.vtepMac} mtu ${POD_MTU}`,
      `addr add ${node.vtepAddress}/32 dev ${OVERLAY}`,
      `link set ${OVERLAY} up`,
      `neigh replace ${other.vtepAddress} lladdr ${other.vtepMac} dev ${OVERLAY} nud permanent`,
      `route add ${other.podCidr} via ${other.vtepAddress} dev ${OVERLAY} onlink`,
    ]);
    run('bridge', ['-n', this.#namespace(node.name), 'fdb', 'add', other.vtepMac, 'dev', OVERLAY, 'dst', other.address]);
  }

  #pod(pod: PodPlan): void {
    this.#ip(pod.node, [
      `link add ${pod.device} address ${HOST_MAC} mtu ${POD_MTU} type veth peer name eth0 mtu ${POD_MTU} address ${podMac(pod)} netns ${this.#namespace(pod.name)}`,
      `link set ${pod.device} up`,
    ]);
    this.#sysctl(pod.node, [`net.ipv4.conf.${pod.device}.proxy_arp=1`, `net.ipv4.neigh.${pod.device}.proxy_delay=0`]);
    this.#sysctl(pod.name, ['net.ipv6.conf.all.disable_ipv6=1', ...SOCKETS]);
    this.#ip(pod.name, [
      'link set eth0 up',
      'route add 169.254.1.1 dev eth0 scope link',
      'route add default via 169.254.1.1 dev eth0',
      `addr add ${pod.address}/32 dev eth0`,
      `neigh replace 169.254.1.1 lladdr ${HOST_MAC} dev eth0 nud permanent`,
    ]);
    this.#ip(pod.node, [`route add ${pod.address}/32 dev ${pod.device} scope link`, `neigh replace ${pod.address} lladdr ${podMac(pod)} dev ${pod.device} nud permanent`]);
  }

  #ip(name: string, commands: readonly string[]): void {
    run('ip', ['-n', this.#namespace(name), '-batch', '-'], `${commands.join('\n')}\n`);
  }

  #sysctl(name: string, settings: readonly string[]): void {
    this.run(name, ['sysctl', '-qw', ...settings]);
  }
}

export const podMac = (pod: PodPlan): string => `0a:00:00:00:00:${String(PODS.indexOf(pod) + 1).padStart(2, '0')}`;

/** Ports must not be what is measured: the whole range, and none that waits. */
const SOCKETS = ['net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.tcp_max_tw_buckets=0', 'net.ipv4.tcp_tw_reuse=1'];

/** Takes away what runs that were killed have left. */
export function removeLeftovers(): void {
  const dead = (name: string): boolean => {
    const pid = new RegExp(`^${PREFIX}-(\\d+)`).exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  };
  for (const name of existsSync(NETNS_DIR) ? readdirSync(NETNS_DIR).filter(dead) : []) run('ip', ['netns', 'del', name]);
  removeCgroups({ test: dead });
}

function removeCgroups(whose: { test(name: string): boolean }): void {
  const root = findCgroup();
  if (root === undefined) return;
  for (const name of readdirSync(root).filter((each) => whose.test(each))) rmdirSync(join(root, name));
}

function cgroupRoot(): string {
  const root = findCgroup();
  if (root === undefined) throw new CanalError('CONFIG', 'no cgroup v2 is mounted: a node needs one');
  return root;
}
