import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubeProxyIptables } from '../../agent/bench/kube-proxy-iptables.js';
import { kubeProxyNftables } from '../../agent/bench/kube-proxy-nftables.js';
import { BenchLab } from '../../agent/bench/lab.js';
import { benchServices } from '../../agent/bench/services.js';

const SERVICES = benchServices(4, { same: '10.42.0.3', across: '10.42.1.2' });
const seen = (name: string): string => readFileSync(join(import.meta.dirname, 'kube-proxy', name), 'utf8');

let lab: BenchLab;
beforeAll(() => {
  lab = BenchLab.create(`${process.pid}-kube-proxy`);
});
afterAll(() => lab.close());

describe('the rules of kube-proxy that contenders have', () => {
  it('are, in iptables mode, those that a kube-proxy wrote for the same services', () => {
    lab.run('n1', ['iptables-legacy-restore'], kubeProxyIptables(SERVICES));
    const saved = ['filter', 'nat'].map((table) => lab.run('n1', ['iptables-legacy-save', '-t', table])).join('');
    expect(iptablesRules(saved)).toEqual(iptablesRules(seen('iptables.txt')));
  });

  it('keep services in the order given, so that the last is found last', () => {
    const order = [...kubeProxyIptables(SERVICES).matchAll(/^-A KUBE-SERVICES -d (\S+)\/32/gm)].map((match) => match[1]);
    expect(order).toEqual(SERVICES.flatMap((service) => service.ports.map(() => service.clusterIp)));
  });

  it('are, in nftables mode, the table that a kube-proxy wrote for the same services', () => {
    lab.run('n2', ['nft', '-f', '-'], kubeProxyNftables(SERVICES, '10.0.0.1'));
    expect(nftBlocks(lab.run('n2', ['nft', 'list', 'table', 'ip', 'kube-proxy']))).toEqual(nftBlocks(seen('nftables.txt')));
  });
});

/** Rules in order by table and chain; of KUBE-SERVICES sorted, as a kube-proxy's order is random. */
function iptablesRules(text: string): Readonly<Record<string, string[]>> {
  const chains: Record<string, string[]> = {};
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    const name = /^:(\S+)/.exec(line)?.[1] ?? /^-A (\S+)/.exec(line)?.[1];
    if (name === undefined) continue;
    const rules = (chains[`${table} ${name}`] ??= []);
    if (line.startsWith('-A')) rules.push(line);
  }
  chains['nat KUBE-SERVICES']?.sort();
  return chains;
}

/** Chains, sets and maps by their first line, with sorted elements. */
function nftBlocks(text: string): Readonly<Record<string, string>> {
  const blocks = text.replace(/^table[^\n]*\n/, '').split(/\n\t}\n/).map((block) => block.replace(/\s+/g, ' ').trim());
  return Object.fromEntries(blocks.filter((block) => block.includes('{')).map((block) => {
    const elements = /elements = { (.*) }/.exec(block)?.[1]?.split(', ').sort().join(', ');
    return [block.slice(0, block.indexOf('{')), block.replace(/elements = { .* }/, `elements = { ${elements} }`)];
  }));
}
