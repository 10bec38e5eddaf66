import { CLUSTER_CIDR, nameHash } from './kube-proxy-names.js';
import { NAMESPACE, PORT } from './lab-plan.js';
import { SERVICE_PORT, type BenchService } from './services.js';

/**
 * `iptables-restore` text of what kube-proxy 1.33 in iptables mode has in the
 * kernel for these services on a node, in their order (its own is random).
 * `test/bench` compares it with what a kube-proxy wrote.
 */
export function kubeProxyIptables(services: readonly BenchService[]): string {
  return [...filter(), ...nat(services), ''].join('\n');
}

const said = (text: string): string => `-m comment --comment "${text}"`;
const NEW = '-m conntrack --ctstate NEW';
const FIREWALL = said('kubernetes load balancer firewall');
const PORTALS = said('kubernetes service portals');
const EXTERNAL = said('kubernetes externally-visible service portals');

/** The accounting of invalid packets (nfacct) is left out: not every kernel has it, and kube-proxy then does without. */
function filter(): string[] {
  const chains = ['KUBE-EXTERNAL-SERVICES', 'KUBE-FIREWALL', 'KUBE-FORWARD', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES'];
  return [
    '*filter', ...chains.map((name) => `:${name} - [0:0]`),
    '-A INPUT -j KUBE-FIREWALL',
    `-A INPUT ${NEW} ${FIREWALL} -j KUBE-PROXY-FIREWALL`,
    `-A INPUT ${said('kubernetes health check service ports')} -j KUBE-NODEPORTS`,
    `-A INPUT ${NEW} ${EXTERNAL} -j KUBE-EXTERNAL-SERVICES`,
    `-A FORWARD ${NEW} ${FIREWALL} -j KUBE-PROXY-FIREWALL`,
    `-A FORWARD ${said('kubernetes forwarding rules')} -j KUBE-FORWARD`,
    `-A FORWARD ${NEW} ${PORTALS} -j KUBE-SERVICES`,
    `-A FORWARD ${NEW} ${EXTERNAL} -j KUBE-EXTERNAL-SERVICES`,
    '-A OUTPUT -j KUBE-FIREWALL',
    `-A OUTPUT ${NEW} ${FIREWALL} -j KUBE-PROXY-FIREWALL`,
    `-A OUTPUT ${NEW} ${PORTALS} -j KUBE-SERVICES`,
    `-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 ${said('block incoming localnet connections')} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    `-A KUBE-FORWARD ${said('kubernetes forwarding rules')} -m mark --mark 0x4000/0x4000 -j ACCEPT`,
    `-A KUBE-FORWARD ${said('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    'COMMIT',
  ];
}

function nat(services: readonly BenchService[]): string[] {
  const chains = ['KUBE-MARK-MASQ', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-SERVICES'];
  const rules = [
    `-A PREROUTING ${PORTALS} -j KUBE-SERVICES`,
    `-A OUTPUT ${PORTALS} -j KUBE-SERVICES`,
    `-A POSTROUTING ${said('kubernetes postrouting rules')} -j KUBE-POSTROUTING`,
    '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
    `-A KUBE-POSTROUTING ${said('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
  ];
  for (const service of services) for (const port of service.ports) servicePort(service, port, chains, rules);
  rules.push(`-A KUBE-SERVICES ${said('kubernetes service nodeports; NOTE: this must be the last rule in this chain')} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`);
  return ['*nat', ...chains.map((name) => `:${name} - [0:0]`), ...rules, 'COMMIT'];
}

function servicePort(service: BenchService, port: BenchService['ports'][number], chains: string[], rules: string[]): void {
  const name = `${NAMESPACE}/${service.name}:${port.name}`;
  const protocol = port.protocol.toLowerCase();
  const chain = `KUBE-SVC-${nameHash(name + protocol, 16)}`;
  const match = `-d ${service.clusterIp}/32 -p ${protocol} ${said(`${name} cluster IP`)} -m ${protocol} --dport ${SERVICE_PORT}`;
  chains.push(chain);
  rules.push(`-A KUBE-SERVICES ${match} -j ${chain}`, `-A ${chain} ! -s ${CLUSTER_CIDR} ${match} -j KUBE-MARK-MASQ`);
  service.endpoints.forEach((address, i) => {
    const backend = `${address}:${PORT}`;
    const endpoint = `KUBE-SEP-${nameHash(name + protocol + backend, 16)}`;
    const left = service.endpoints.length - i;
    const chance = left === 1 ? '' : `-m statistic --mode random --probability ${(1 / left).toFixed(10)} `;
    chains.push(endpoint);
    rules.push(
      `-A ${chain} ${said(`${name} -> ${backend}`)} ${chance}-j ${endpoint}`,
      `-A ${endpoint} -s ${address}/32 ${said(name)} -j KUBE-MARK-MASQ`,
      `-A ${endpoint} -p ${protocol} ${said(name)} -m ${protocol} -j DNAT --to-destination ${backend}`,
    );
  });
}
