import { randomBytes, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { destroyCgroup, makeCgroup } from '../machine/cgroup.js';
import { holdDirectly, type Holder } from '../machine/holder.js';
import type { LabNode } from '../machine/lab-node.js';
import { labBinary } from '../machine/layout.js';
import { placeOf, placeOptions, type Place } from '../machine/place.js';
import { must } from '../machine/process.js';
import type { Pod } from '../world/objects.js';

/** A pod's namespaces and cgroup, and the process that holds them. */
export interface Sandbox {
  /** 64 hex digits, as container runtimes name it. */
  readonly id: string;
  /** The network namespace's file in the node; that of the node itself for hostNetwork. */
  readonly netns: string;
  readonly holder: Holder;
  /** For the pod's processes. */
  readonly place: Place;
  readonly cgroup: string;
  /** Writes what the pod reads about itself, once its addresses are known. */
  writeFiles(addresses: readonly string[]): void;
  /** Kills everything in the pod and removes its namespaces. */
  destroy(): Promise<void>;
}

export async function createSandbox(node: LabNode, pod: Pod): Promise<Sandbox> {
  const id = randomBytes(32).toString('hex');
  const cgroup = join(node.cgroup, 'pods', pod.metadata.uid);
  makeCgroup(cgroup);
  const hostNetwork = pod.spec.hostNetwork === true;
  const netns = hostNetwork ? node.netns : `/var/run/netns/cni-${randomUUID()}`;
  const hostname = hostNetwork ? node.name : (pod.spec.hostname ?? pod.metadata.name).slice(0, 63);
  const mnt = `/proc/${node.holder.pid}/ns/mnt`;
  const network = hostNetwork ? { net: node.netns } : {};
  const options = [...placeOptions({ cgroup, mnt, ...network }), ...(hostNetwork ? [] : ['--bind-net', netns])];
  const holder = await holdDirectly(labBinary(), ['sandbox', ...options, '--hostname', hostname]);
  return {
    id,
    netns,
    holder,
    cgroup,
    place: placeOf(holder.pid, cgroup),
    writeFiles: (addresses) => writeFiles({ pid: holder.pid, pod, hostname, addresses, clusterDns: node.clusterDns }),
    destroy: async () => {
      await destroyCgroup(cgroup);
      if (!hostNetwork) await must(labBinary(), ['release', '--mnt', mnt, netns]);
    },
  };
}

function writeFiles({ pid, pod, hostname, addresses, clusterDns }: { pid: number; pod: Pod; hostname: string; addresses: readonly string[]; clusterDns: string | undefined }): void {
  const write = (file: string, text: string): void => writeFileSync(`/proc/${pid}/root/etc/${file}`, text);
  write('hostname', `${hostname}\n`);
  write('hosts', hostsFile(pod, hostname, addresses));
  write('resolv.conf', resolvConf(pod, clusterDns));
}

/** /etc/hosts as the kubelet writes it. */
export function hostsFile(pod: Pod, hostname: string, addresses: readonly string[]): string {
  const { subdomain } = pod.spec;
  const full = subdomain === undefined ? [] : [`${hostname}.${subdomain}.${pod.metadata.namespace ?? 'default'}.svc.cluster.local`];
  const own = addresses.map((address) => [address, ...full, hostname].join('\t'));
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => [ip, ...hostnames].join('\t'));
  return ['# Kubernetes-managed hosts file.', '127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...own, ...aliases, ''].join('\n');
}

/** /etc/resolv.conf as the kubelet writes it; the nodes themselves have no name server. */
export function resolvConf(pod: Pod, clusterDns: string | undefined): string {
  const { nameservers = [], searches = [], options = [] } = pod.spec.dnsConfig ?? {};
  const { dnsPolicy = 'ClusterFirst', hostNetwork } = pod.spec;
  const inCluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && hostNetwork !== true);
  const namespace = pod.metadata.namespace ?? 'default';
  const search = [...(inCluster ? [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'] : []), ...searches];
  const servers = [...(inCluster && clusterDns !== undefined ? [clusterDns] : []), ...nameservers];
  const all = new Map([...(inCluster && clusterDns !== undefined ? [['ndots', '5'] as const] : []), ...options.map(({ name, value }) => [name, value] as const)]);
  return [
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...servers.map((address) => `nameserver ${address}`),
    ...(all.size > 0 ? [`options ${[...all].map(([name, value]) => (value === undefined ? name : `${name}:${value}`)).join(' ')}`] : []),
    '',
  ].join('\n');
}
