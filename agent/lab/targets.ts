import { CanalError } from '../base/errors.js';
import { placeOf, type Place } from './machine/place.js';
import type { LabStatus, PodStatus } from './status.js';

/** Where a command for `NODE`, `NAMESPACE/POD` or `POD` (in namespace default) runs. Throws CanalError CONFIG when there is no such thing. */
export function placeOfTarget(status: LabStatus, target: string): Place {
  const node = status.nodes.find(({ name }) => name === target);
  if (node !== undefined) return placeOf(node.pid, node.cgroup);
  const [pod] = podsNamed(status, [target]);
  if (pod === undefined || pod.pid === null) throw new CanalError('CONFIG', `pod ${target} does not run`);
  return placeOf(pod.pid, pod.cgroup ?? undefined);
}

/** The pods of that name, `NAMESPACE/POD` or `POD`; of `NAMESPACE/` all; of no name all that run. */
export function podsNamed(status: LabStatus, names: readonly string[] | undefined): PodStatus[] {
  if (names === undefined || names.length === 0) return status.pods.filter((pod) => pod.pid !== null && pod.ip !== null);
  return names.flatMap((text) => {
    const [namespace, name] = text.includes('/') ? (text.split('/') as [string, string]) : ['default', text];
    const found = status.pods.filter((pod) => pod.namespace === namespace && (name === '' || pod.name === name));
    if (found.length === 0) throw new CanalError('CONFIG', `there is no pod ${namespace}/${name} in lab ${status.name}`);
    return found;
  });
}
