import { native } from './library.js';

/** A chain of this network namespace's netfilter. */
export interface Chain {
  /** `legacy`: of iptables-legacy. `nft`: of nftables, which iptables-nft is too. */
  readonly way: 'legacy' | 'nft';
  /** `ip`, `ip6` or `other`. */
  readonly family: string;
  readonly table: string;
  readonly name: string;
}

/** All chains that are there. Needs no tool of the node's and makes no table. @throws CanalError('KERNEL') */
export function listChains(): Chain[] {
  for (let capacity = 65_536; ; ) {
    const out = Buffer.alloc(capacity);
    const bytes = native('canal_netfilter_chains', '', out, capacity);
    if (bytes < capacity) return out.toString('latin1', 0, bytes).split('\n').filter((line) => line !== '').map(chainOf);
    capacity = 2 * bytes;
  }
}

function chainOf(line: string): Chain {
  const [way, family = '', table = '', ...name] = line.split(' ');
  return { way: way === 'legacy' ? 'legacy' : 'nft', family, table, name: name.join(' ') };
}
