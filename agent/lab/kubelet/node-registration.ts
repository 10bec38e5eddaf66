import { availableParallelism, release, totalmem } from 'node:os';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log.js';
import { isConflict } from '../../datastore/api-error.js';
import type { KubeClient } from '../../datastore/client.js';
import type { LabNode } from '../machine/lab-node.js';
import type { ObjectCache } from '../world/object-cache.js';
import type { Node } from '../world/objects.js';
import { NODES } from '../world/resources.js';
import type { CniRunner } from './cni-runner.js';

export interface RegistrationOptions {
  readonly node: LabNode;
  readonly client: KubeClient;
  readonly cache: ObjectCache<Node>;
  readonly cni: CniRunner;
  readonly clock: Clock;
  readonly log: Logger;
  readonly labels: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** How often an unready node looks again; a ready one looks less often. */
const UNREADY_MS = 200;
const READY_MS = 10_000;
/** A real cluster's controller gives a node up after 40 s without word. */
const HEARTBEAT_MS = 30_000;

/** As every kubelet's node has it. flanneld (0.28) panics on a node without any annotation. */
const ANNOTATIONS = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };

/** Creates the Node object; one that is there already is taken over. */
export async function registerNode({ node, client, cache, labels }: RegistrationOptions): Promise<void> {
  const all = { 'kubernetes.io/hostname': node.name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch, ...labels };
  try {
    cache.put((await client.create(NODES, undefined, { apiVersion: 'v1', kind: 'Node', metadata: { name: node.name, labels: all, annotations: ANNOTATIONS } }, { fieldManager: 'kubelet' })) as unknown as Node);
  } catch (error) {
    if (!isConflict(error)) throw error;
    cache.put((await client.patch(NODES, { name: node.name }, 'merge', { metadata: { labels: all, annotations: ANNOTATIONS } }, { fieldManager: 'kubelet' })) as unknown as Node);
  }
}

/** Keeps the node's status true until the signal aborts: Ready once its network is. */
export async function reportNode(options: RegistrationOptions): Promise<void> {
  const { clock, cni, log, node, signal } = options;
  let reported: string | undefined;
  let at = -Infinity;
  while (!signal.aborted) {
    const problem = await cni.status();
    try {
      if ((problem ?? 'ready') !== reported || clock.monotonic() - at >= HEARTBEAT_MS) {
        await writeStatus(options, problem, (problem ?? 'ready') !== reported);
        if ((problem ?? 'ready') !== reported) log.info({ node: node.name, problem }, 'node status');
        reported = problem ?? 'ready';
        at = clock.monotonic();
      }
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, node: node.name }, 'node status not written');
    }
    await clock.sleep(problem === undefined && reported === 'ready' ? READY_MS : UNREADY_MS, signal);
  }
}

async function writeStatus({ node, client, cache, clock }: RegistrationOptions, problem: string | undefined, changed: boolean): Promise<void> {
  const now = new Date(clock.now()).toISOString().replace(/\.\d+/, '');
  const old = cache.get(node.name)?.status?.conditions ?? [];
  const condition = (type: string, status: string, reason: string, message: string) => {
    const before = old.find((one) => one.type === type);
    const lastTransitionTime = before?.status === status && !changed ? before.lastTransitionTime : now;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
  };
  const ready = problem === undefined ? condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status') : condition('Ready', 'False', 'KubeletNotReady', `container runtime network not ready: ${problem}`);
  // Strategic: conditions merge by type, so flannel's NetworkUnavailable stays.
  const status = {
    addresses: [
      { type: 'InternalIP', address: node.address },
      { type: 'Hostname', address: node.name },
    ],
    conditions: [condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', ''), condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', ''), condition('PIDPressure', 'False', 'KubeletHasSufficientPID', ''), ready],
    capacity: resources(),
    allocatable: resources(),
    nodeInfo: nodeInfo(node.name),
  };
  cache.put((await client.patch(NODES, { name: node.name }, 'strategic', { status }, { subresource: 'status', fieldManager: 'kubelet' })) as unknown as Node);
}

const resources = (): Record<string, string> => ({ cpu: String(availableParallelism()), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '500' });

function nodeInfo(name: string): Record<string, string> {
  return {
    machineID: name,
    systemUUID: name,
    bootID: name,
    kernelVersion: release(),
    osImage: 'canal lab',
    containerRuntimeVersion: 'canal-lab://1.0.0',
    kubeletVersion: 'v1.33.1',
    kubeProxyVersion: '',
    operatingSystem: 'linux',
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
  };
}
