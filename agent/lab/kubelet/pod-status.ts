import type { Condition, Pod } from '../world/objects.js';
import type { ContainerState, PodContainer, RestartPolicy } from './container.js';

/** What the kubelet knows about a pod. */
export interface PodFacts {
  readonly hostIP: string;
  readonly podIPs: readonly string[];
  /** RFC 3339. */
  readonly startTime: string;
  /** Why the sandbox or its network does not stand yet. */
  readonly problem: string | undefined;
  readonly initContainers: readonly ContainerFacts[];
  readonly containers: readonly ContainerFacts[];
  /** All containers are stopped for good. */
  readonly over: boolean;
}

export type ContainerFacts = Pick<PodContainer, 'spec' | 'state' | 'lastState' | 'restartCount' | 'started' | 'ready' | 'containerId' | 'finalExitCode'>;

/** The status that the kubelet reports, as a merge patch. Conditions of others are kept. */
export function podStatus(pod: Pod, facts: PodFacts, now: string): Record<string, unknown> {
  const phase = phaseOf(pod, facts);
  const readiness = readinessOf(pod, facts, phase);
  const conditions = Object.entries(readiness).map(([type, verdict]) => condition(pod, type, verdict, now));
  const others = (pod.status?.conditions ?? []).filter(({ type }) => readiness[type] === undefined);
  return {
    phase,
    conditions: [...others, ...conditions],
    hostIP: facts.hostIP,
    hostIPs: [{ ip: facts.hostIP }],
    podIP: facts.podIPs[0] ?? null,
    podIPs: facts.podIPs.length === 0 ? null : facts.podIPs.map((ip) => ({ ip })),
    startTime: facts.startTime,
    message: facts.problem ?? null,
    initContainerStatuses: facts.initContainers.length === 0 ? null : facts.initContainers.map((one) => containerStatus(one)),
    containerStatuses: facts.containers.length === 0 ? pod.spec.containers.map(waiting) : facts.containers.map((one) => containerStatus(one)),
  };
}

export function phaseOf(pod: Pod, facts: PodFacts): 'Pending' | 'Running' | 'Succeeded' | 'Failed' {
  const policy = (pod.spec.restartPolicy ?? 'Always') as RestartPolicy;
  const failed = (one: ContainerFacts): boolean => (one.finalExitCode ?? 0) !== 0;
  if (facts.over) return facts.containers.some((one) => one.finalExitCode === undefined || failed(one)) ? 'Failed' : 'Succeeded';
  if (policy === 'Never' && facts.initContainers.some((one) => failed(one))) return 'Failed';
  return facts.containers.some((one) => one.containerId !== undefined) ? 'Running' : 'Pending';
}

interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
}

const TRUE: Verdict = { status: 'True' };

function readinessOf(pod: Pod, facts: PodFacts, phase: string): Readonly<Record<string, Verdict>> {
  const initialized = facts.initContainers.every((one) => one.finalExitCode === 0 || (one.spec.restartPolicy === 'Always' && one.started));
  const ready = new Set(facts.containers.filter((one) => one.ready).map((one) => one.spec.name));
  const unready = pod.spec.containers.map(({ name }) => name).filter((name) => !ready.has(name));
  const done: Verdict | undefined = phase === 'Succeeded' ? { status: 'False', reason: 'PodCompleted' } : phase === 'Failed' ? { status: 'False', reason: 'PodFailed' } : undefined;
  const containersReady: Verdict =
    done ?? (unready.length === 0 && initialized ? TRUE : { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` });
  const closed = (pod.spec.readinessGates ?? []).find(({ conditionType }) => pod.status?.conditions?.find(({ type }) => type === conditionType)?.status !== 'True');
  const gates: Verdict = closed === undefined ? TRUE : { status: 'False', reason: 'ReadinessGatesNotReady', message: `the status of pod readiness gate "${closed.conditionType}" is not "True"` };
  return {
    PodReadyToStartContainers: facts.podIPs.length > 0 && !facts.over ? TRUE : { status: 'False' },
    Initialized: initialized ? TRUE : { status: 'False', reason: 'ContainersNotInitialized' },
    Ready: containersReady.status === 'True' ? gates : containersReady,
    ContainersReady: containersReady,
    PodScheduled: TRUE,
  };
}

function condition(pod: Pod, type: string, verdict: Verdict, now: string): Condition {
  const before = pod.status?.conditions?.find((one) => one.type === type);
  const lastTransitionTime = before?.status === verdict.status ? (before.lastTransitionTime ?? now) : now;
  return { type, ...verdict, lastTransitionTime };
}

/** Before there are containers: the sandbox is still being made. */
function waiting({ name, image = '' }: Pod['spec']['containers'][number]): Record<string, unknown> {
  return { name, image, imageID: '', ready: false, started: false, restartCount: 0, state: { waiting: { reason: 'ContainerCreating' } }, lastState: {} };
}

function containerStatus(one: ContainerFacts): Record<string, unknown> {
  return {
    name: one.spec.name,
    image: one.spec.image ?? '',
    imageID: '',
    ready: one.ready,
    started: one.started,
    restartCount: one.restartCount,
    ...('running' in one.state ? { resources: one.spec.resources ?? {} } : {}),
    state: one.state satisfies ContainerState,
    lastState: one.lastState ?? {},
    ...(one.containerId === undefined ? {} : { containerID: `canal-lab://${one.containerId}` }),
  };
}
