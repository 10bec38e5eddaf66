import { startCanalNode, type CanalNode } from './canal-node.js';
import { BenchLab } from './lab.js';
import { felixRules } from './felix-rules.js';
import { endsOf, limitEndsOf, NODES, type Ends } from './lab-plan.js';
import type { PolicySize } from './policies.js';
import type { Path } from './report.js';

/** Something that carries packets, in a lab of its own. */
export interface Contender {
  readonly lab: BenchLab;
  readonly ends: (path: Path) => Ends;
  readonly close: () => Promise<void>;
}

type Make = (lab: BenchLab, size: PolicySize) => Promise<Pick<Contender, 'ends'> & { readonly nodes: readonly CanalNode[] }>;

/**
 * `bare` routes without policy; `limit` does not even route; `canal-policy` is
 * canal as it is by default; `canal-device` leaves VXLAN to the overlay device,
 * `canal-local` and `canal-stack` leave packets to the host stack across nodes, and always; `felix` is Canal's way, with
 * iptables-legacy as its images choose where that is in use, or on nftables.
 */
const CONTENDERS: Readonly<Record<string, Make>> = {
  bare: () => Promise.resolve({ ends: endsOf, nodes: [] }),
  limit: () => Promise.resolve({ ends: limitEndsOf, nodes: [] }),
  'canal-policy': canal('on', true),
  'canal-device': canal('on'),
  'canal-local': canal('local'),
  'canal-stack': canal('off'),
  felix: felix('iptables-legacy-restore'),
  'felix-nft': felix('iptables-nft-restore'),
};

export const contenderNames = (): string[] => Object.keys(CONTENDERS);

/**
 * Builds a contender's lab. `id` must be unique among living labs.
 * @throws CanalError('KERNEL') after taking away what was made
 */
export async function createContender(name: string, id: string, size: PolicySize): Promise<Contender> {
  const lab = BenchLab.create(id);
  try {
    const { ends, nodes } = await CONTENDERS[name]!(lab, size);
    return {
      lab,
      ends,
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

function canal(fastPath: 'off' | 'local' | 'on', directVxlan = false): Make {
  return async (lab, size) => {
    const nodes: CanalNode[] = [];
    try {
      for (const node of NODES) nodes.push(await startCanalNode(lab, { node: node.name, size, fastPath, directVxlan }));
      return { ends: endsOf, nodes };
    } catch (error) {
      await Promise.all(nodes.map((node) => node.close()));
      throw error;
    }
  };
}

/** Connection tracking's table is the machine's: closed connections leave it soon, so that it is not what is measured. */
const CONNTRACK = ['net.netfilter.nf_conntrack_tcp_timeout_time_wait=1', 'net.netfilter.nf_conntrack_tcp_timeout_close=1', 'net.netfilter.nf_conntrack_tcp_timeout_last_ack=1'];

function felix(restore: string): Make {
  return (lab, size) => {
    for (const { name } of NODES) {
      const { sets, tables } = felixRules(name, size);
      lab.run(name, ['ipset', 'restore'], sets);
      lab.run(name, [restore], tables);
      lab.run(name, ['sysctl', '-qw', ...CONNTRACK]);
    }
    return Promise.resolve({ ends: endsOf, nodes: [] });
  };
}
