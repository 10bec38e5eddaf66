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
    writeFiles: (addresses) => writeFiles(holder.pid, pod, hostname, addresses),
    destroy: async () => {
      await destroyCgroup(cgroup);
      if (!hostNetwork) await must(labBinary(), ['release', '--mnt', mnt, netns]);
    },
  };
}

function writeFiles(pid: number, pod: Pod, hostname: string, addresses: readonly string[]): void {
  const write = (file: string, text: string): void => writeFileSync(`/proc/${pid}/root/etc/${file}`, text);
  write('hostname', `${hostname}\n`);
  write('hosts', hostsFile(pod, hostname, addresses));
  write('resolv.conf', resolvConf(pod));
}

/** /etc/hosts as the kubelet writes it. */
export function hostsFile(pod: Pod, hostname: string, addresses: readonly string[]): string {
  const { subdomain } = pod.spec;
  const full = subdomain === undefined ? [] : [`${hostname}.${subdomain}.${pod.metadata.namespace ?? 'default'}.svc.cluster.local`];
  const own = addresses.map((address) => [address, ...full, hostname].join('\t'));
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => [ip, ...hostnames].join('\t'));
  return ['# Kubernetes-managed hosts file.', '127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...own, ...aliases, ''].join('\n');
}

/** The lab has no DNS server: names are those that the pod brings itself. */
export function resolvConf(pod: Pod): string {
  const { nameservers = [], searches = [], options = [] } = pod.spec.dnsConfig ?? {};
  const namespace = pod.metadata.namespace ?? 'default';
  const search = [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local', ...searches];
  return [
    `search ${search.join(' ')}`,
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length > 0 ? [`options ${options.map(({ name, value }) => (value === undefined ? name : `${name}:${value}`)).join(' ')}`] : []),
    '',
  ].join('\n');
}
