import type { V1Pod } from '@kubernetes/client-node';
import { badRequest } from '../status.js';

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** The container a request means: the named one, the annotated default, or the only one. @throws ApiError 400 */
export function containerOf(pod: V1Pod, name: string): string {
  const containers = (pod.spec?.containers ?? []).map((container) => container.name);
  const all = [...containers, ...(pod.spec?.initContainers ?? []).map((container) => container.name)];
  const podName = pod.metadata?.name ?? '';
  const wanted = name === '' ? (pod.metadata?.annotations?.[DEFAULT_CONTAINER] ?? '') : name;
  if (wanted !== '') {
    if (all.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${podName}`);
  }
  const [only, second] = containers;
  if (only !== undefined && second === undefined) return only;
  throw badRequest(`a container name must be specified for pod ${podName}, choose one of: [${containers.join(' ')}]`);
}
