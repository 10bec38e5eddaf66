import { conditionOf, isFinished, isTerminating, type Node, type Pod, type PodSpec, type SelectorTerm, type Taint, type Toleration } from '../world/objects.js';
import { bindingOf } from '../world/resources.js';
import type { World } from '../world/world.js';
import type { Action } from './action.js';

const SCHEDULER = 'default-scheduler';

/**
 * Binds pods to ready nodes that their node selector, node affinity and
 * tolerations allow: to the one with the fewest pods of the same owner, then
 * with the fewest pods. Resources and pod affinity are not looked at.
 */
export function scheduler(world: World): Action[] {
  const ready = world.nodes.filter((node) => conditionOf(node.status?.conditions, 'Ready') === 'True' && node.spec?.unschedulable !== true && !isTerminating(node));
  const placed: { node: string; group: string }[] = world.pods
    .filter((pod) => pod.spec.nodeName !== undefined && !isFinished(pod))
    .map((pod) => ({ node: pod.spec.nodeName!, group: groupOf(pod) }));
  return world.pods.filter(isWaiting).sort(oldestFirst).flatMap((pod) => {
    const group = groupOf(pod);
    const node = choose(ready.filter((one) => fitsNode(pod.spec, one)), placed, group);
    if (node === undefined) return [];
    placed.push({ node, group });
    return [bind(pod, node)];
  });
}

function isWaiting(pod: Pod): boolean {
  return (pod.spec.nodeName ?? '') === '' && !isTerminating(pod) && !isFinished(pod) && (pod.spec.schedulerName ?? SCHEDULER) === SCHEDULER;
}

function choose(nodes: readonly Node[], placed: readonly { node: string; group: string }[], group: string): string | undefined {
  const score = (node: Node): number => {
    const here = placed.filter((one) => one.node === node.metadata.name);
    return here.filter((one) => one.group === group).length * 10_000 + here.length;
  };
  const best = [...nodes].sort((a, b) => score(a) - score(b) || a.metadata.name.localeCompare(b.metadata.name, 'en', { numeric: true }))[0];
  return best?.metadata.name;
}

function bind(pod: Pod, node: string): Action {
  const { name, namespace = 'default', uid } = pod.metadata;
  const object = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target: { apiVersion: 'v1', kind: 'Node', name: node } };
  return { verb: 'create', resource: bindingOf(name), namespace, object };
}

const groupOf = (pod: Pod): string => pod.metadata.ownerReferences?.find((one) => one.controller)?.uid ?? `namespace ${pod.metadata.namespace ?? ''}`;
const oldestFirst = (a: Pod, b: Pod): number => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '') || (a.metadata.name < b.metadata.name ? -1 : 1);

/** Whether a pod of this specification may run on the node. */
export function fitsNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  if (!Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const fields = { 'metadata.name': node.metadata.name };
  const affine = terms === undefined || terms.some(({ matchExpressions = [], matchFields = [] }) =>
    matchExpressions.length + matchFields.length > 0 && matchExpressions.every((term) => holds(term, labels)) && matchFields.every((term) => holds(term, fields)));
  return affine && (node.spec?.taints ?? []).every((taint) => taint.effect === 'PreferNoSchedule' || (spec.tolerations ?? []).some((one) => tolerates(one, taint)));
}

function holds({ key, operator, values = [] }: SelectorTerm, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In': return value !== undefined && values.includes(value);
    case 'NotIn': return value === undefined || !values.includes(value);
    case 'Exists': return value !== undefined;
    case 'DoesNotExist': return value === undefined;
    case 'Gt': return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt': return value !== undefined && Number(value) < Number(values[0]);
    default: return false;
  }
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false;
  if (toleration.operator === 'Exists') return toleration.key === undefined || toleration.key === '' || toleration.key === taint.key;
  return toleration.key === taint.key && (toleration.value ?? '') === (taint.value ?? '');
}
