import { spawnSync } from 'node:child_process';
import { CanalError, type Problem } from '../base/errors.js';
import type { Chain } from '../kernel/netfilter.js';

/** Chains of flannel and of Felix (compat.md 3.9, 3.10, 13.1), in tables of others' too. */
const CHAIN = /^(cali-.*|FLANNEL-POSTRTG|FLANNEL-FWD)$/;
/** Tables of nftables that are theirs as a whole. */
const OWN_TABLES = new Set(['ip calico', 'ip6 calico', 'ip flannel-ipv4', 'ip6 flannel-ipv6']);
/** Rules of theirs in others' chains: jumps to their own, and what they signed. */
const RULE = / -[jg] "?(?:cali-|FLANNEL-(?:POSTRTG|FWD))|--comment "?(?:cali:|flanneld (?:masq|forward)"?)/;
const SETS = /^cali[46]0/;

/** Those of the chains that flannel and Calico have left. */
export const predecessorChains = (chains: readonly Chain[]): readonly Chain[] =>
  chains.filter(({ way, family, table, name }) => (way === 'nft' && OWN_TABLES.has(`${family} ${table}`)) || CHAIN.test(name));

/** What they do beside canal: masquerade by their own rules, and drop what comes from devices they do not know. */
export function predecessorProblems(nodeName: string, chains: readonly Chain[]): readonly Problem[] {
  const names = [...new Set(predecessorChains(chains).map(({ name }) => name))].sort();
  if (names.length === 0) return [];
  const others = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return [{ object: `Node ${nodeName}`, field: 'netfilter', message: `flannel's or Calico's rules are still there (${names.slice(0, 3).join(', ')}${others}) and may drop what pods send to the node: \`canal cleanup --predecessor\` removes them once flanneld and calico-node are gone` }];
}

export interface PredecessorReport {
  /** `WAY FAMILY TABLE CHAIN`. */
  readonly chains: readonly string[];
  readonly sets: readonly string[];
}

/**
 * Takes flannel's and Calico's rules, chains, tables and sets out of netfilter
 * with the node's own tools; others' rules stay. Each table changes at once.
 * @param list chains that are there now
 * @param root the node's root directory; empty: this one
 * @throws CanalError('CONFIG') where a tool is missing, CanalError('KERNEL') where one fails or something is left
 */
export function cleanUpPredecessor(list: () => readonly Chain[], root: string): PredecessorReport {
  const run = (command: readonly string[], input = ''): string => runTool(root, command, input);
  const found = predecessorChains(list());
  for (const table of new Set(found.filter(isOwnTable).map(({ family, table: name }) => `${family} ${name}`))) run(['nft', 'delete', 'table', ...table.split(' ')]);
  const shared = new Map<string, Chain[]>();
  for (const chain of found.filter((one) => !isOwnTable(one))) {
    const of = `${chain.family === 'ip6' ? 'ip6tables' : 'iptables'}-${chain.way} ${chain.table}`;
    shared.set(of, [...(shared.get(of) ?? []), chain]);
  }
  for (const [of, chains] of shared) {
    const [tool = '', table = ''] = of.split(' ');
    run([`${tool}-restore`, '--noflush'], withoutChains(table, run([`${tool}-save`, '-t', table]), chains.map(({ name }) => name)));
  }
  const left = predecessorChains(list());
  if (left.length > 0) throw new CanalError('KERNEL', `still there: ${left.map(chainText).join(', ')}: does flanneld or calico-node still run?`, { subject: 'netfilter' });
  return { chains: found.map(chainText), sets: destroySets(run) };
}

const isOwnTable = ({ way, family, table }: Chain): boolean => way === 'nft' && OWN_TABLES.has(`${family} ${table}`);
const chainText = ({ way, family, table, name }: Chain): string => `${way} ${family} ${table} ${name}`;

/** What iptables-restore is to do so that nothing of these chains is left: rules that lead to them, their own, and they themselves. */
export function withoutChains(table: string, saved: string, chains: readonly string[]): string {
  const own = new Set(chains);
  const rules = saved.split('\n').filter((line) => line.startsWith('-A ') && !own.has(line.split(' ')[1]!) && RULE.test(line));
  return [`*${table}`, ...rules.map((line) => `-D${line.slice(2)}`), ...chains.map((chain) => `-F ${chain}`), ...chains.map((chain) => `-X ${chain}`), 'COMMIT', ''].join('\n');
}

/** Felix's; a node without ipset has none. */
function destroySets(run: (command: readonly string[]) => string): string[] {
  let names: string[];
  try {
    names = run(['ipset', 'list', '-n']).split('\n').filter((name) => SETS.test(name));
  } catch (error) {
    if (error instanceof CanalError && error.code === 'CONFIG') return [];
    throw error;
  }
  for (const name of names) run(['ipset', 'destroy', name]);
  return names;
}

function runTool(root: string, [tool = '', ...args]: readonly string[], input: string): string {
  const [file, all] = root === '' ? [tool, args] : ['chroot', [root, tool, ...args]];
  const { status, stdout, stderr, error } = spawnSync(file, all, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error !== undefined || status === 127) throw new CanalError('CONFIG', `${tool} is not there${root === '' ? ': run it on the node, or give --host-root' : ''}`, { subject: tool, cause: error });
  if (status !== 0) throw new CanalError('KERNEL', `${tool} ${args.join(' ')}: ${stderr.trim()}`, { subject: tool });
  return stdout;
}
