import { createHash } from 'node:crypto';
import { NODES, PODS, PORT, type NodeName, type PodPlan } from './lab-plan.js';
import { cidrsOf } from './policies.js';
import type { Size } from './size.js';

/** What Felix 3.2x writes for one node: `ipset restore` text, then `iptables-restore` text. */
export interface FelixRules {
  readonly sets: string;
  readonly tables: string;
}

/** Bits of the packet's mark (compat.md 6): accepted, passed, from a pod's device. */
const ACCEPT = '0x10000';
const PASS = '0x20000';
const SCRATCH = '0x40000';

/**
 * Felix's chains and sets for the same policies that canal gets: each is a set
 * of its peers, a chain, and two rules in each pod's chain, walked in order.
 * To be added to what is there (`--noflush`): Felix puts itself before it.
 */
export function felixRules(node: NodeName, size: Size): FelixRules {
  const pods = PODS.filter((pod) => pod.node === node);
  return { sets: ipSets(size), tables: [raw(), mangle(), nat(), filter(pods, size.policies)].join('') };
}

const hash = (text: string, length: number): string => createHash('sha256').update(text).digest('base64url').slice(0, length);
const setName = (policy: number): string => `cali40s:${hash(`set ${policy}`, 22)}`;
const policyChain = (policy: number): string => `cali-pi-_${hash(`policy ${policy}`, 19)}`;

function ipSets(size: Size): string {
  const lines: string[] = [];
  for (let policy = 0; policy < size.policies; policy++) {
    const name = setName(policy);
    const pods = policy === size.policies - 1 ? PODS.map((pod) => pod.address) : [];
    lines.push(`create ${name} hash:net family inet maxelem 1048576`, ...[...cidrsOf(size, policy), ...pods].map((member) => `add ${name} ${member}`));
  }
  return `${lines.join('\n')}\n`;
}

/** One table: its chains, what jumps to them, and their rules. Each rule carries Felix's hash comment. */
class TableText {
  readonly #chains: string[] = [];
  readonly #rules: string[] = [];
  constructor(private readonly name: string) {}

  chain(name: string, ...rules: readonly string[]): this {
    if (name.startsWith('cali-')) this.#chains.push(`:${name} - [0:0]`);
    return this.#add('-A', name, rules);
  }

  first(chain: string, ...rules: readonly string[]): this {
    return this.#add('-I', chain, rules);
  }

  text(): string {
    return [`*${this.name}`, ...this.#chains, ...this.#rules, 'COMMIT', ''].join('\n');
  }

  #add(verb: string, chain: string, rules: readonly string[]): this {
    for (const rule of rules) this.#rules.push(`${verb} ${chain} -m comment --comment "cali:${hash(`${this.name} ${chain} ${this.#rules.length}`, 16)}" ${rule}`);
    return this;
  }
}

const marked = (bits: string): string => `-m mark --mark ${bits}/${bits}`;
const unmarked = (bits: string): string => `-m mark --mark 0x0/${bits}`;
const set = (bits: string): string => `-j MARK --set-xmark ${bits}/${bits}`;
const clear = (bits: string): string => `-j MARK --set-xmark 0x0/${bits}`;
const said = (text: string): string => `-m comment --comment "${text}"`;

function raw(): string {
  return new TableText('raw')
    .chain('cali-from-host-endpoint')
    .chain('cali-rpf-skip')
    .chain('cali-OUTPUT', clear('0xf0000'))
    .chain('cali-PREROUTING',
      clear('0xf0000'), `-i cali+ ${set(SCRATCH)}`, `${marked(SCRATCH)} -j cali-rpf-skip`,
      `${marked(SCRATCH)} -m rpfilter --validmark --invert -j DROP`, `${unmarked(SCRATCH)} -j cali-from-host-endpoint`, `${marked(ACCEPT)} -j ACCEPT`)
    .first('PREROUTING', '-j cali-PREROUTING')
    .first('OUTPUT', '-j cali-OUTPUT')
    .text();
}

function mangle(): string {
  return new TableText('mangle')
    .chain('cali-from-host-endpoint')
    .chain('cali-to-host-endpoint')
    .chain('cali-PREROUTING', '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', `${marked(ACCEPT)} -j ACCEPT`, '-j cali-from-host-endpoint', `${said('Host endpoint policy accepted packet.')} ${marked(ACCEPT)} -j ACCEPT`)
    .chain('cali-POSTROUTING', `${marked(ACCEPT)} -j RETURN`, clear('0xf0000'), '-m conntrack --ctstate DNAT -j cali-to-host-endpoint', `${said('Host endpoint policy accepted packet.')} ${marked(ACCEPT)} -j RETURN`)
    .first('PREROUTING', '-j cali-PREROUTING')
    .first('POSTROUTING', '-j cali-POSTROUTING')
    .text();
}

/** With flannel's masquerade rules, which Canal leaves to flannel. */
function nat(): string {
  const subnets = NODES.map((node) => `-s 10.42.0.0/16 -d ${node.podCidr} ${said('flanneld masq')} -j RETURN`);
  return new TableText('nat')
    .chain('cali-fip-dnat').chain('cali-fip-snat').chain('cali-nat-outgoing')
    .chain('cali-PREROUTING', '-j cali-fip-dnat')
    .chain('cali-OUTPUT', '-j cali-fip-dnat')
    .chain('cali-POSTROUTING', '-j cali-fip-snat', '-j cali-nat-outgoing')
    .first('PREROUTING', '-j cali-PREROUTING')
    .first('OUTPUT', '-j cali-OUTPUT')
    .first('POSTROUTING', '-j cali-POSTROUTING')
    .chain('POSTROUTING', ...subnets, `-s 10.42.0.0/16 ! -d 224.0.0.0/4 ${said('flanneld masq')} -j MASQUERADE --random-fully`)
    .text();
}

function filter(pods: readonly PodPlan[], policies: number): string {
  const table = new TableText('filter');
  for (const chain of ['cali-from-hep-forward', 'cali-to-hep-forward', 'cali-cidr-block']) table.chain(chain);
  for (const chain of ['cali-pro-kns.bench', 'cali-pri-kns.bench']) table.chain(chain, `${said('Profile kns.bench')} ${set(ACCEPT)}`, `${marked(ACCEPT)} -j RETURN`);
  for (let policy = 0; policy < policies; policy++) policyRules(table, policy);
  for (const { device } of pods) {
    table.chain(`cali-fw-${device}`, ...fromPod());
    table.chain(`cali-tw-${device}`, ...toPod(policies));
  }
  dispatch(table, pods);
  return table
    .chain('cali-FORWARD', clear('0xe0000'), `${unmarked(ACCEPT)} -j cali-from-hep-forward`, '-i cali+ -j cali-from-wl-dispatch', '-o cali+ -j cali-to-wl-dispatch', '-j cali-to-hep-forward', '-j cali-cidr-block')
    .first('FORWARD', '-j cali-FORWARD')
    .chain('FORWARD', `${said('Policy explicitly accepted packet.')} ${marked(ACCEPT)} -j ACCEPT`, set(ACCEPT), `-s 10.42.0.0/16 ${said('flanneld forward')} -j ACCEPT`, `-d 10.42.0.0/16 ${said('flanneld forward')} -j ACCEPT`)
    .text();
}

function policyRules(table: TableText, policy: number): void {
  const rules = ['tcp', 'udp'].flatMap((protocol) => [
    `-p ${protocol} ${said(`Policy bench/knp.default.p${policy} ingress`)} -m set --match-set ${setName(policy)} src -m multiport --dports ${PORT} ${set(ACCEPT)}`,
    `${marked(ACCEPT)} -j RETURN`,
  ]);
  table.chain(policyChain(policy), ...rules);
}

const KNOWN = ['-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', '-m conntrack --ctstate INVALID -j DROP', clear(ACCEPT)];
const profile = (chain: string): string[] => [`-j ${chain}`, `${said('Return if profile accepted')} ${marked(ACCEPT)} -j RETURN`, `${said('Drop if no profiles matched')} -j DROP`];

const fromPod = (): string[] => [
  ...KNOWN,
  `-p udp ${said('Drop VXLAN encapped packets originating in workloads')} -m multiport --dports 4789 -j DROP`,
  `-p ipencap ${said('Drop IPinIP encapped packets originating in workloads')} -j DROP`,
  ...profile('cali-pro-kns.bench'),
];

function toPod(policies: number): string[] {
  if (policies === 0) return [...KNOWN, ...profile('cali-pri-kns.bench')];
  const walk = Array.from({ length: policies }, (_, policy) => [
    `${unmarked(PASS)} -j ${policyChain(policy)}`,
    `${said('Return if policy accepted')} ${marked(ACCEPT)} -j RETURN`,
  ]).flat();
  return [...KNOWN, `${said('Start of policies')} ${clear(PASS)}`, ...walk, `${said('Drop if no policies passed packet')} ${unmarked(PASS)} -j DROP`, ...profile('cali-pri-kns.bench')];
}

function dispatch(table: TableText, pods: readonly PodPlan[]): void {
  const unknown = `${said('Unknown interface')} -j DROP`;
  table.chain('cali-from-wl-dispatch', ...pods.map(({ device }) => `-i ${device} -g cali-fw-${device}`), unknown);
  table.chain('cali-to-wl-dispatch', ...pods.map(({ device }) => `-o ${device} -g cali-tw-${device}`), unknown);
}
