import type { V1ContainerState, V1Pod, V1PodStatus } from '@kubernetes/client-node';
import type { KubeObject } from '../kube-object.js';
import { age, ageColumn, column, nameColumn, type Column } from './column.js';

const podOf = (object: KubeObject): V1Pod => object as unknown as V1Pod;
const NONE = '<none>';

export const POD_COLUMNS: readonly Column[] = [
  nameColumn,
  column('Ready', (object) => readiness(podOf(object)), { description: 'The aggregate readiness state of this pod for accepting traffic.' }),
  column('Status', (object) => podReason(podOf(object)), { description: 'The aggregate status of the containers in this pod.' }),
  column('Restarts', (object, now) => restarts(podOf(object), now), { description: 'The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.' }),
  ageColumn,
  column('IP', (object) => podOf(object).status?.podIP ?? NONE, { wide: true }),
  column('Node', (object) => podOf(object).spec?.nodeName ?? NONE, { wide: true }),
  column('Nominated Node', (object) => podOf(object).status?.nominatedNodeName ?? NONE, { wide: true }),
  column('Readiness Gates', (object) => readinessGates(podOf(object)), { wide: true }),
];

function readiness(pod: V1Pod): string {
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always').map(({ name }) => name);
  const total = (pod.spec?.containers?.length ?? 0) + sidecars.length;
  const ready = [...(pod.status?.containerStatuses ?? []).filter((one) => one.ready && one.state?.running), ...(pod.status?.initContainerStatuses ?? []).filter((one) => sidecars.includes(one.name) && one.ready)];
  return `${ready.length}/${total}`;
}

/** The STATUS column: the phase, unless a container or the deletion says more (printPod). */
export function podReason(pod: V1Pod): string {
  const status: V1PodStatus = pod.status ?? {};
  const initial = initReason(pod);
  const reason = initial ?? containerReason(pod, status.reason ?? status.phase ?? '');
  if (pod.metadata?.deletionTimestamp === undefined) return reason;
  if (status.reason === 'NodeLost') return 'Unknown';
  return status.phase === 'Succeeded' || status.phase === 'Failed' ? reason : 'Terminating';
}

function initReason(pod: V1Pod): string | undefined {
  const total = pod.spec?.initContainers?.length ?? 0;
  for (const [index, { state, started, name }] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = pod.spec?.initContainers?.find((one) => one.name === name)?.restartPolicy === 'Always';
    if (state?.terminated?.exitCode === 0 || (sidecar && started === true)) continue;
    if (state?.terminated) return `Init:${terminatedReason(state)}`;
    if (state?.waiting?.reason && state.waiting.reason !== 'PodInitializing') return `Init:${state.waiting.reason}`;
    return `Init:${index}/${total}`;
  }
  return undefined;
}

function containerReason(pod: V1Pod, phase: string): string {
  let reason = phase;
  let running = false;
  for (const { state, ready } of (pod.status?.containerStatuses ?? []).toReversed()) {
    if (state?.waiting?.reason) reason = state.waiting.reason;
    else if (state?.terminated) reason = terminatedReason(state);
    else if (ready && state?.running) running = true;
  }
  if (reason !== 'Completed' || !running) return reason;
  const isReady = pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;
  return isReady ? 'Running' : 'NotReady';
}

function terminatedReason({ terminated }: V1ContainerState): string {
  if (terminated?.reason) return terminated.reason;
  return terminated?.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated?.exitCode ?? 0}`;
}

function restarts(pod: V1Pod, now: number): string {
  const statuses = pod.status?.containerStatuses ?? [];
  const count = statuses.reduce((sum, one) => sum + one.restartCount, 0);
  const ended = statuses.map((one) => one.lastState?.terminated?.finishedAt).filter((time) => time !== undefined).map(String).sort().at(-1);
  return count > 0 && ended !== undefined ? `${count} (${age(ended, now)} ago)` : String(count);
}

function readinessGates(pod: V1Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const met = gates.filter((gate) => pod.status?.conditions?.some((condition) => condition.type === gate.conditionType && condition.status === 'True'));
  return `${met.length}/${gates.length}`;
}
