import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Kubelet } from './kubelet/kubelet.js';
import type { LabNode } from './machine/lab-node.js';
import { conditionOf, isReady } from './world/objects.js';
import type { Caches } from './world/world.js';

/** What `canal lab status --json` prints: a stable interface. Paths are the machine's. */
export interface LabStatus {
  readonly name: string;
  readonly kubeconfig: string;
  readonly dir: string;
  /** Process that runs the lab. */
  readonly pid: number;
  readonly nodes: readonly NodeStatus[];
  readonly pods: readonly PodStatus[];
}

export interface NodeStatus {
  readonly name: string;
  readonly ip: string;
  readonly podCIDR: string | null;
  /** For `nsenter --net=`. */
  readonly netns: string;
  /** Holds the node's namespaces: `nsenter -t PID -a`. */
  readonly pid: number;
  readonly cgroup: string;
  readonly agentPid: number | null;
  /** Where the agent pins its BPF objects. */
  readonly pinDir: string;
  readonly agentLog: string;
  readonly ready: boolean;
}

export interface PodStatus {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly ip: string | null;
  readonly netns: string | null;
  /** Holds the pod's namespaces. */
  readonly pid: number | null;
  /** cgroup of its processes. */
  readonly cgroup: string | null;
  readonly ready: boolean;
  readonly phase: string;
  readonly ports: readonly { readonly port: number; readonly protocol: string }[];
}

export interface StatusSources {
  readonly name: string;
  readonly dir: string;
  readonly kubeconfig: string;
  readonly nodes: readonly LabNode[];
  readonly kubelets: readonly Kubelet[];
  readonly caches: Caches;
}

export function labStatus(sources: StatusSources): LabStatus {
  const { name, dir, kubeconfig, nodes } = sources;
  return { name, kubeconfig, dir, pid: process.pid, nodes: nodes.map((node) => nodeStatus(node, sources)), pods: podStatuses(sources) };
}

function nodeStatus(node: LabNode, { caches }: StatusSources): NodeStatus {
  const object = caches.nodes.get(node.name);
  return {
    name: node.name,
    ip: node.address,
    podCIDR: object?.spec?.podCIDR ?? null,
    netns: node.netns,
    pid: node.holder.pid,
    cgroup: join(node.cgroup, 'system'),
    agentPid: node.agent.pid ?? null,
    pinDir: node.path('/sys/fs/bpf/canal'),
    agentLog: node.agent.log,
    ready: conditionOf(object?.status?.conditions, 'Ready') === 'True',
  };
}

function podStatuses({ kubelets, caches }: StatusSources): PodStatus[] {
  return caches.pods
    .list()
    .map((pod): PodStatus => {
      const { namespace = 'default', name, uid } = pod.metadata;
      const worker = kubelets.flatMap((kubelet) => kubelet.workers()).find((one) => one.pod.metadata.uid === uid);
      const holder = worker?.sandbox?.holder.pid;
      return {
        namespace,
        name,
        node: pod.spec.nodeName ?? '',
        ip: pod.status?.podIP ?? null,
        netns: holder !== undefined && existsSync(`/proc/${holder}`) ? `/proc/${holder}/ns/net` : null,
        pid: holder ?? null,
        cgroup: worker?.sandbox?.cgroup ?? null,
        ready: isReady(pod),
        phase: pod.status?.phase ?? 'Pending',
        ports: pod.spec.containers.flatMap((one) => one.ports ?? []).map(({ containerPort, protocol = 'TCP' }) => ({ port: containerPort, protocol })),
      };
    })
    .sort((a, b) => `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`));
}
