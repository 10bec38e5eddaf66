import { isOwnedBy, ownerReference, sortedByKey, templateHash } from './owned-pods.js';
import { isTerminating, type ControllerRevision, type DaemonSet, type Pod, type StatefulSet } from '../world/objects.js';
import { CONTROLLER_REVISIONS } from '../world/resources.js';
import type { World } from '../world/world.js';
import { refOf, type Action } from './action.js';

const HASH = 'controller-revision-hash';
const DEFAULT_LIMIT = 10;

/**
 * The templates that StatefulSets and DaemonSets have had, as ControllerRevisions:
 * what `kubectl rollout history` and `undo` read. The current one has the highest number.
 */
export function revisions(world: World): Action[] {
  return [...world.statefulSets.map((set) => ['StatefulSet', set] as const), ...world.daemonSets.map((set) => ['DaemonSet', set] as const)].flatMap(([kind, set]) => {
    if (isTerminating(set)) return [];
    const own = world.controllerRevisions.filter((one) => isOwnedBy(one, set) && !isTerminating(one));
    return reconcile(kind, set, own, world.pods.filter((pod) => isOwnedBy(pod, set)));
  });
}

function reconcile(kind: string, set: StatefulSet | DaemonSet, own: readonly ControllerRevision[], pods: readonly Pod[]): Action[] {
  const hash = templateHash(set.spec.template);
  const current = own.find(({ metadata }) => metadata.name === nameOf(set, hash));
  const old = own.filter((one) => one !== current);
  const highest = Math.max(0, ...old.map(({ revision }) => revision));
  if (current === undefined) return [create(kind, set, hash, highest + 1), ...dropHistory(set, old, pods)];
  const rolledBack: Action[] = current.revision > highest ? [] : [{ verb: 'patch', resource: CONTROLLER_REVISIONS, ref: refOf(current), body: { revision: highest + 1 }, kind: 'merge' }];
  return [...rolledBack, ...dropHistory(set, old, pods)];
}

const nameOf = (set: StatefulSet | DaemonSet, hash: string): string => `${set.metadata.name}-${hash}`;

function create(kind: string, set: StatefulSet | DaemonSet, hash: string, revision: number): Action {
  const { namespace = 'default', annotations } = set.metadata;
  const { template } = set.spec;
  const metadata = {
    name: nameOf(set, hash),
    namespace,
    labels: { ...template.metadata?.labels, [HASH]: hash },
    // The cause of a change is among them.
    ...(annotations === undefined ? {} : { annotations }),
    ownerReferences: [ownerReference('apps/v1', kind, set)],
  };
  // A strategic merge patch, its keys in Go's order: kubectl compares it byte by byte with what there is.
  const data = sortedByKey({ spec: { template: { ...template, $patch: 'replace' } } });
  return { verb: 'create', resource: CONTROLLER_REVISIONS, namespace, object: { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata, data, revision } };
}

/** The oldest beyond the limit, but none that a pod still has. */
function dropHistory(set: StatefulSet | DaemonSet, old: readonly ControllerRevision[], pods: readonly Pod[]): Action[] {
  const used = new Set(pods.map(({ metadata }) => metadata.labels?.[HASH]));
  const unused = old.filter(({ metadata }) => !used.has(metadata.name) && !used.has(metadata.labels?.[HASH])).sort((a, b) => a.revision - b.revision);
  const excess = unused.slice(0, Math.max(0, unused.length - (set.spec.revisionHistoryLimit ?? DEFAULT_LIMIT)));
  return excess.map((one) => ({ verb: 'delete', resource: CONTROLLER_REVISIONS, ref: refOf(one), uid: one.metadata.uid }));
}
