import { execFileSync } from 'node:child_process';
import { beforeAll, expect, it } from 'vitest';
import { cleanUpPredecessor, predecessorProblems } from '../../agent/daemon/predecessor.js';
import { listChains } from '../../agent/kernel/netfilter.js';
import { takeNamespace } from '../support/own-namespace.js';

const run = (file: string, args: readonly string[], input = ''): string => execFileSync(file, args, { input, encoding: 'utf8' });

/** As flanneld, Felix, kube-proxy and somebody else leave them. */
const RULES = `*nat
:FLANNEL-POSTRTG - [0:0]
:KUBE-POSTROUTING - [0:0]
:cali-POSTROUTING - [0:0]
:cali-nat-outgoing - [0:0]
-A POSTROUTING -m comment --comment "cali:O3lYWMrLQYEMJtB5" -j cali-POSTROUTING
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -s 10.42.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A cali-POSTROUTING -m comment --comment "cali:Z-c7XtVd2Bq7s_hA" -j cali-nat-outgoing
COMMIT
*filter
:FLANNEL-FWD - [0:0]
:cali-FORWARD - [0:0]
:cali-from-wl-dispatch - [0:0]
-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
-A FORWARD -m comment --comment "cali:S93hcgKJrXEqnTfs" -m mark --mark 0x10000/0x10000 -j ACCEPT
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FORWARD -s 192.0.2.1/32 -j DROP
-A cali-FORWARD -i cali+ -m comment --comment "cali:8ZoYfO5HKXWbB3pk" -j cali-from-wl-dispatch
-A cali-from-wl-dispatch -m comment --comment "cali:zTj6P0TIgYvgz-md" -m comment --comment "Unknown interface" -j DROP
COMMIT
`;

beforeAll(takeNamespace);

it('knows no predecessor where there is none, and makes no table by looking', () => {
  expect(predecessorProblems('one', listChains())).toEqual([]);
  expect(run('cat', ['/proc/thread-self/net/ip_tables_names'])).toBe('');
});

it.each(['legacy', 'nft'] as const)('takes flannel’s and Calico’s rules out of iptables-%s and leaves others’', (way) => {
  run(`iptables-${way}-restore`, [], RULES);
  const [problem, ...more] = predecessorProblems('one', listChains());
  expect([problem!.object, more]).toEqual(['Node one', []]);
  expect(problem!.message).toContain('(FLANNEL-FWD, FLANNEL-POSTRTG, cali-FORWARD and 3 more)');
  const { chains } = cleanUpPredecessor(listChains, '');
  expect([...chains].sort()).toEqual([
    `${way} ip filter FLANNEL-FWD`, `${way} ip filter cali-FORWARD`, `${way} ip filter cali-from-wl-dispatch`,
    `${way} ip nat FLANNEL-POSTRTG`, `${way} ip nat cali-POSTROUTING`, `${way} ip nat cali-nat-outgoing`,
  ].sort());
  const left = run(`iptables-${way}-save`, []);
  expect(left.split('\n').filter((line) => line.startsWith('-A'))).toEqual(expect.arrayContaining(['-A FORWARD -s 192.0.2.1/32 -j DROP', '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING']));
  expect(left).not.toMatch(/cali|FLANNEL|flanneld/);
  expect(cleanUpPredecessor(listChains, '')).toEqual({ chains: [], sets: [] });
});

it('takes their own tables out of nftables, and Calico’s sets', () => {
  run('nft', ['-f', '-'], 'table ip flannel-ipv4 { chain postrtg { type nat hook postrouting priority 100; }; }\ntable ip calico { chain filter-FORWARD { type filter hook forward priority 0; }; }\ntable ip mine { chain postrtg { }; }\n');
  run('ipset', ['create', 'cali40masq-ipam-pools', 'hash:net']);
  run('ipset', ['create', 'mine', 'hash:net']);
  expect(predecessorProblems('one', listChains())).toHaveLength(1);
  expect(cleanUpPredecessor(listChains, '')).toEqual({ chains: expect.arrayContaining(['nft ip calico filter-FORWARD', 'nft ip flannel-ipv4 postrtg']) as string[], sets: ['cali40masq-ipam-pools'] });
  expect(run('nft', ['list', 'tables'])).toContain('table ip mine');
  expect(run('ipset', ['list', '-n']).trim()).toBe('mine');
});
