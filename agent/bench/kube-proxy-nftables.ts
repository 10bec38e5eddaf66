import { CLUSTER_CIDR, nameHash } from './kube-proxy-names.js';
import { NAMESPACE, PORT } from './lab-plan.js';
import { SERVICE_PORT, type BenchService } from './services.js';

/**
 * `nft -f` text of the table that kube-proxy 1.33 in nftables mode has in the
 * kernel for these services on the node with `nodeAddress`. `test/bench`
 * compares it with what a kube-proxy wrote.
 */
export function kubeProxyNftables(services: readonly BenchService[], nodeAddress: string): string {
  const elements = services.flatMap((service) => service.ports.map((port) => portOf(service, port)));
  return [
    'table ip kube-proxy {', 'comment "rules for kube-proxy"',
    ...set('cluster-ips', 'ipv4_addr', 'Active ClusterIPs', services.map((service) => service.clusterIp!)),
    ...set('nodeport-ips', 'ipv4_addr', 'IPs that accept NodePort traffic', [nodeAddress]),
    ...map('no-endpoint-services', 'ipv4_addr . inet_proto . inet_service', 'vmap to drop or reject packets to services with no endpoints', []),
    ...map('no-endpoint-nodeports', 'inet_proto . inet_service', 'vmap to drop or reject packets to service nodeports with no endpoints', []),
    ...map('firewall-ips', 'ipv4_addr . inet_proto . inet_service', 'destinations that are subject to LoadBalancerSourceRanges', []),
    ...map('service-nodeports', 'inet_proto . inet_service', 'NodePort traffic', []),
    ...FIXED,
    ...elements.flatMap(({ chains }) => chains),
    // After the chains it leads to.
    ...map('service-ips', 'ipv4_addr . inet_proto . inet_service', 'ClusterIP, ExternalIP and LoadBalancer IP traffic', elements.map(({ element }) => element)),
    ...chain('services', 'ip daddr . meta l4proto . th dport vmap @service-ips', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports'),
    ...chain('nat-prerouting', 'type nat hook prerouting priority -100 ;', 'jump services'),
    ...chain('nat-output', 'type nat hook output priority -100 ;', 'jump services'),
    '}', '',
  ].join('\n');
}

const chain = (name: string, ...lines: readonly string[]): string[] => [`chain ${name} {`, ...lines, '}'];

function set(name: string, type: string, comment: string, elements: readonly string[]): string[] {
  return [`set ${name} {`, `type ${type}`, `comment "${comment}"`, ...some(elements), '}'];
}

function map(name: string, type: string, comment: string, elements: readonly string[]): string[] {
  return [`map ${name} {`, `type ${type} : verdict`, `comment "${comment}"`, ...some(elements), '}'];
}

const some = (elements: readonly string[]): string[] => (elements.length === 0 ? [] : [`elements = { ${elements.join(', ')} }`]);

const NEW = 'ct state new jump';
const FIXED = [
  ...chain('reject-chain', 'comment "helper for @no-endpoint-services / @no-endpoint-nodeports"', 'reject'),
  ...chain('mark-for-masquerade', 'mark set mark or 0x4000'),
  ...chain('masquerading', 'mark and 0x4000 == 0 return', 'mark set mark xor 0x4000', 'masquerade fully-random'),
  ...chain('nodeport-endpoints-check', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports'),
  ...chain('service-endpoints-check', 'ip daddr . meta l4proto . th dport vmap @no-endpoint-services'),
  ...chain('firewall-check', 'ip daddr . meta l4proto . th dport vmap @firewall-ips'),
  ...chain('cluster-ips-check', 'ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"'),
  ...chain('filter-prerouting', 'type filter hook prerouting priority -110 ;', `${NEW} firewall-check`),
  ...chain('filter-input', 'type filter hook input priority -110 ;', `${NEW} nodeport-endpoints-check`, `${NEW} service-endpoints-check`),
  ...chain('filter-forward', 'type filter hook forward priority -110 ;', `${NEW} service-endpoints-check`, `${NEW} cluster-ips-check`),
  ...chain('filter-output', 'type filter hook output priority -110 ;', `${NEW} service-endpoints-check`, `${NEW} firewall-check`),
  ...chain('filter-output-post-dnat', 'type filter hook output priority -90 ;', `${NEW} cluster-ips-check`),
  ...chain('nat-postrouting', 'type nat hook postrouting priority 100 ;', 'jump masquerading'),
];

/** Chains of one port, and its element of `service-ips`. */
function portOf(service: BenchService, port: BenchService['ports'][number]): { readonly chains: string[]; readonly element: string } {
  const protocol = port.protocol.toLowerCase();
  const base = `${NAMESPACE}/${service.name}/${protocol}/${port.name}`;
  const name = `service-${hashed(base)}`;
  const endpoints = service.endpoints.map((address) => ({ address, name: `endpoint-${hashed(`${base}__${address}/${PORT}`)}` }));
  const choice = endpoints.map((endpoint, i) => `${i} : goto ${endpoint.name}`).join(', ');
  return {
    chains: [
      ...endpoints.flatMap((endpoint) => chain(endpoint.name, `ip saddr ${endpoint.address} jump mark-for-masquerade`, `meta l4proto ${protocol} dnat to ${endpoint.address}:${PORT}`)),
      ...chain(name, `ip daddr ${service.clusterIp} ${protocol} dport ${SERVICE_PORT} ip saddr != ${CLUSTER_CIDR} jump mark-for-masquerade`, `numgen random mod ${endpoints.length} vmap { ${choice} }`),
    ],
    element: `${service.clusterIp} . ${protocol} . ${SERVICE_PORT} : goto ${name}`,
  };
}

const hashed = (name: string): string => `${nameHash(name, 8)}-${name}`;
