import { contentId } from '../../base/hash.js';
import { isFinished, isReady, isTerminating, type KubeObject, type OwnerReference, type Pod, type PodTemplate } from '../world/objects.js';
import { PODS } from '../world/resources.js';
import { refOf, type Action } from './action.js';

/** The reference by which a controller owns what it makes. */
export function ownerReference(apiVersion: string, kind: string, owner: KubeObject): OwnerReference {
  return { apiVersion, kind, name: owner.metadata.name, uid: owner.metadata.uid, controller: true, blockOwnerDeletion: true };
}

export function isOwnedBy(object: KubeObject, owner: KubeObject): boolean {
  return object.metadata.ownerReferences?.some((one) => one.controller === true && one.uid === owner.metadata.uid) ?? false;
}

/** Pods that count: owned, not on their way out, not finished. */
export function activePods(pods: readonly Pod[], owner: KubeObject): Pod[] {
  return pods.filter((pod) => isOwnedBy(pod, owner) && !isTerminating(pod) && !isFinished(pod));
}

/** Short name of a template's content: equal templates have equal ones. */
export function templateHash(template: PodTemplate): string {
  return contentId(JSON.stringify(sortedByKey(template))).toString(36).slice(0, 10);
}

/** The same with the keys of all maps in order. */
export function sortedByKey(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedByKey);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sortedByKey(inner)]));
}

export interface PodFromTemplate {
  readonly owner: OwnerReference;
  readonly namespace: string;
  readonly template: PodTemplate;
  /** One of them. */
  readonly name?: string;
  readonly generateName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

export function createPod({ owner, namespace, template, name, generateName, labels, spec }: PodFromTemplate): Action {
  const metadata = {
    ...(name === undefined ? {} : { name }),
    ...(generateName === undefined ? {} : { generateName }),
    namespace,
    labels: { ...template.metadata?.labels, ...labels },
    ...(template.metadata?.annotations === undefined ? {} : { annotations: template.metadata.annotations }),
    ownerReferences: [owner],
  };
  return { verb: 'create', resource: PODS, namespace, object: { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...template.spec, ...spec } } };
}

export function deletePod(pod: Pod): Action {
  return { verb: 'delete', resource: PODS, ref: refOf(pod), uid: pod.metadata.uid };
}

/** Ready for at least so long. */
export function isAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  if (!isReady(pod)) return false;
  if (minReadySeconds === 0) return true;
  const since = Date.parse(pod.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '');
  return nowMs - since >= minReadySeconds * 1000;
}
