import { startCanalNode, type CanalNode } from './canal-node.js';
import { felixRules } from './felix-rules.js';
import { kubeProxyIptables } from './kube-proxy-iptables.js';
import { kubeProxyNftables } from './kube-proxy-nftables.js';
import { BenchLab } from './lab.js';
import { endsOf, limitEndsOf, NODES, podAddress, type Ends } from './lab-plan.js';
import type { FastPath } from './node-process.js';
import type { Path } from './report.js';
import { benchServices, type BenchService } from './services.js';
import type { Size } from './size.js';

/** Something that carries packets, in a lab of its own. */
export interface LabContender {
  readonly lab: BenchLab;
  readonly ends: (path: Path) => Ends;
  /** Whether it has services: those without are asked at the pod's address. */
  readonly services: boolean;
  readonly close: () => Promise<void>;
}

interface Made {
  readonly ends: (path: Path) => Ends;
  readonly nodes: readonly CanalNode[];
  readonly services: boolean;
}

type Make = (lab: BenchLab, size: Size) => Promise<Made>;

const PLAIN = { nodes: [], services: false };

/**
 * `bare` routes without policy; `limit` does not even route; `canal-policy` is
 * canal without services; `canal-everything` is canal as it is by default, its
 * events read; `canal-device` leaves VXLAN to the overlay device, `canal-local`
 * and `canal-stack` leave packets to the host stack across nodes, and always. `felix` is Canal's way, with iptables-legacy as its
 * images choose where that is in use, or on nftables; `felix-kubeproxy-…` is
 * that beside a kube-proxy in that mode.
 */
const CONTENDERS: Readonly<Record<string, Make>> = {
  bare: () => Promise.resolve({ ...PLAIN, ends: endsOf }),
  limit: () => Promise.resolve({ ...PLAIN, ends: limitEndsOf }),
  felix: felix('legacy'),
  'felix-nft': felix('nft'),
  'felix-kubeproxy-iptables': felix('legacy', 'iptables'),
  'felix-kubeproxy-nftables': felix('legacy', 'nftables'),
  'felix-nft-kubeproxy-iptables': felix('nft', 'iptables'),
  'felix-nft-kubeproxy-nftables': felix('nft', 'nftables'),
  'canal-policy': canal('on', false),
  'canal-everything': canal('on', true),
  'canal-device': canal('device', false),
  'canal-local': canal('local', false),
  'canal-stack': canal('off', false),
};

export const contenderNames = (): string[] => Object.keys(CONTENDERS);

/**
 * Builds a contender's lab. `id` must be unique among living labs.
 * @throws CanalError('KERNEL') after taking away what was made
 */
export async function createContender(name: string, id: string, size: Size): Promise<LabContender> {
  const lab = BenchLab.create(id);
  try {
    const { nodes, ...made } = await CONTENDERS[name]!(lab, size);
    return {
      lab, ...made,
      close: async () => {
        await Promise.all(nodes.map((node) => node.close()));
        lab.close();
      },
    };
  } catch (error) {
    lab.close();
    throw error;
  }
}

function canal(fastPath: FastPath, everything: boolean): Make {
  return async (lab, size) => {
    const nodes: CanalNode[] = [];
    try {
      for (const { name: node } of NODES) nodes.push(await startCanalNode(lab, { node, size, fastPath, everything, cgroup: everything ? lab.cgroup(node) : '' }));
      return { ends: endsOf, nodes, services: everything };
    } catch (error) {
      await Promise.all(nodes.map((node) => node.close()));
      throw error;
    }
  };
}

/** Connection tracking's table is the machine's: closed connections leave it soon, so that it is not what is measured. */
const CONNTRACK = ['net.netfilter.nf_conntrack_tcp_timeout_time_wait=1', 'net.netfilter.nf_conntrack_tcp_timeout_close=1', 'net.netfilter.nf_conntrack_tcp_timeout_last_ack=1'];

/** kube-proxy first: Felix inserts its rules before what is there, and keeps them there. */
function felix(iptables: 'legacy' | 'nft', kubeProxy?: 'iptables' | 'nftables'): Make {
  return (lab, size) => {
    const services = benchServices(size.services, { same: podAddress('a2'), across: podAddress('b1') });
    for (const { name, address } of NODES) {
      const { sets, tables } = felixRules(name, size);
      if (kubeProxy === 'iptables') lab.run(name, [`iptables-${iptables}-restore`], kubeProxyIptables(services));
      if (kubeProxy === 'nftables') loadNftables(lab, name, services, address);
      lab.run(name, ['ipset', 'restore'], sets);
      lab.run(name, [`iptables-${iptables}-restore`, '--noflush'], tables);
      lab.run(name, ['sysctl', '-qw', ...CONNTRACK]);
    }
    return Promise.resolve({ ...PLAIN, ends: endsOf, services: kubeProxy !== undefined });
  };
}

function loadNftables(lab: BenchLab, node: string, services: readonly BenchService[], address: string): void {
  lab.run(node, ['nft', '-f', '-'], kubeProxyNftables(services, address));
}
