import { isFinished, isReady, isTerminating, type DaemonSet, type Node, type Pod } from '../world/objects.js';
import { DAEMON_SETS } from '../world/resources.js';
import type { World } from '../world/world.js';
import { statusPatch, type Action } from './action.js';
import { share } from './deployments.js';
import { createPod, deletePod, isOwnedBy, ownerReference, templateHash } from './owned-pods.js';
import { fitsNode } from './scheduler.js';

const HASH = 'controller-revision-hash';
/** DaemonSets run on nodes that are not ready: among them is what makes them ready. */
const ANYWHERE = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' },
];

/** DaemonSet to one pod on each node that fits. */
export function daemonSets(world: World): Action[] {
  return world.daemonSets.flatMap((set) => (isTerminating(set) ? [] : reconcile(set, world)));
}

function reconcile(set: DaemonSet, world: World): Action[] {
  const hash = templateHash(set.spec.template);
  const tolerations = [...(set.spec.template.spec.tolerations ?? []), ...ANYWHERE];
  const nodes = world.nodes.filter((node) => !isTerminating(node) && fitsNode({ ...set.spec.template.spec, tolerations }, node));
  const names = new Set(nodes.map((node) => node.metadata.name));
  const pods = world.pods.filter((pod) => isOwnedBy(pod, set));
  const on = (node: Node): Pod[] => pods.filter((pod) => pod.spec.nodeName === node.metadata.name);
  const missing = nodes.filter((node) => on(node).length === 0).map((node) => make(set, node, hash, tolerations));
  const misplaced = pods.filter((pod) => !names.has(pod.spec.nodeName ?? '') || isFinished(pod));
  const extra = nodes.flatMap((node) => on(node).slice(1));
  const unwanted = [...new Set([...misplaced, ...extra])].filter((pod) => !isTerminating(pod));
  const old = updates(set, pods.filter((pod) => !unwanted.includes(pod)), nodes.length, hash);
  return [...missing, ...[...unwanted, ...old].map(deletePod), ...statusPatch(DAEMON_SETS, set, statusOf(set, nodes, pods, hash))];
}

function make(set: DaemonSet, node: Node, hash: string, tolerations: readonly object[]): Action {
  const { namespace = 'default', name } = set.metadata;
  return createPod({
    owner: ownerReference('apps/v1', 'DaemonSet', set),
    namespace,
    template: set.spec.template,
    generateName: `${name}-`,
    labels: { [HASH]: hash },
    spec: { nodeName: node.metadata.name, tolerations },
  });
}

/** Old pods to replace now: unready ones at once, others while few enough are away. */
function updates(set: DaemonSet, pods: readonly Pod[], wanted: number, hash: string): Pod[] {
  if (set.spec.updateStrategy?.type === 'OnDelete') return [];
  const limit = Math.max(1, share(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, wanted, Math.ceil));
  const active = pods.filter((pod) => !isTerminating(pod));
  const old = active.filter((pod) => pod.metadata.labels?.[HASH] !== hash);
  const away = wanted - active.filter(isReady).length;
  return [...old.filter((pod) => !isReady(pod)), ...old.filter(isReady).slice(0, Math.max(0, limit - away))];
}

function statusOf(set: DaemonSet, nodes: readonly Node[], pods: readonly Pod[], hash: string): Record<string, unknown> {
  const active = pods.filter((pod) => !isTerminating(pod));
  const ready = active.filter(isReady).length;
  return {
    observedGeneration: set.metadata.generation ?? 0,
    desiredNumberScheduled: nodes.length,
    currentNumberScheduled: active.length,
    updatedNumberScheduled: active.filter((pod) => pod.metadata.labels?.[HASH] === hash).length,
    numberReady: ready,
    numberAvailable: ready,
    numberUnavailable: Math.max(0, nodes.length - ready),
    numberMisscheduled: 0,
  };
}
