import { startCanalNode, type CanalNode } from './canal-node.js';
import { BenchLab } from './lab.js';
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
 * canal as it is by default; `canal-local` and `canal-stack` leave packets to
 * the host stack across nodes, and always.
 */
const CONTENDERS: Readonly<Record<string, Make>> = {
  bare: () => Promise.resolve({ ends: endsOf, nodes: [] }),
  limit: () => Promise.resolve({ ends: limitEndsOf, nodes: [] }),
  'canal-policy': canal('on'),
  'canal-local': canal('local'),
  'canal-stack': canal('off'),
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

function canal(fastPath: 'off' | 'local' | 'on'): Make {
  return async (lab, size) => {
    const nodes: CanalNode[] = [];
    try {
      for (const node of NODES) nodes.push(await startCanalNode(lab, { node: node.name, size, fastPath }));
      return { ends: endsOf, nodes };
    } catch (error) {
      await Promise.all(nodes.map((node) => node.close()));
      throw error;
    }
  };
}
