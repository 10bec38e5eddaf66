import { ask, DEFAULT_SOCKET } from '../../agent/cli/admin-client.js';
import { ApiError, isConflict } from '../../agent/datastore/api-error.js';
import { NAMESPACES, NETWORK_POLICIES, PODS, type Resource } from '../../agent/datastore/resource.js';
import type { LabOptions } from '../../agent/lab/lab-options.js';
import { startLab, type Lab } from '../../agent/lab/lab.js';
import type { StatusView } from '../../agent/observe/views.js';

/** A lab for one test file, under a name that no other run has. Whoever starts it closes it. */
export function startTestLab(title: string, options: Omit<LabOptions, 'name'> = {}): Promise<Lab> {
  return startLab({ name: `${title}-${process.pid}`, ...options });
}

export type Labels = Readonly<Record<string, string>>;
export type Port = readonly [port: number, protocol: 'TCP' | 'UDP', name?: string];

export interface PodOptions {
  readonly node?: string;
  readonly labels?: Labels;
  readonly ports?: readonly Port[];
  /** More of its spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** More of its container. */
  readonly container?: Readonly<Record<string, unknown>>;
}

export async function createNamespace(lab: Lab, name: string, labels: Labels = {}): Promise<void> {
  await create(lab, NAMESPACES, undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
}

/** The client does not repeat a create whose connection broke: it might be done twice. Here that is known to be one. */
async function create(lab: Lab, resource: Resource, namespace: string | undefined, body: unknown): Promise<void> {
  try {
    await lab.client.create(resource, namespace, body);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== undefined) throw error;
    await lab.client.create(resource, namespace, body).catch((again: unknown) => {
      if (!isConflict(again)) throw again;
    });
  }
}

/** `who` is `namespace/name`. Without a command it serves its ports. */
export async function createPod(lab: Lab, who: string, options: PodOptions = {}): Promise<void> {
  const [namespace, name] = split(who);
  const ports = (options.ports ?? []).map(([containerPort, protocol, portName]) => ({ containerPort, protocol, ...(portName === undefined ? {} : { name: portName }) }));
  await create(lab, PODS, namespace, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: options.labels ?? {} },
    spec: {
      ...(options.node === undefined ? {} : { nodeName: options.node }),
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'none', ports, ...options.container }],
      ...options.spec,
    },
  });
  // So that who waits for pods to be ready waits for this one too.
  await lab.until(`${who} is known`, () => lab.caches.pods.get(who) !== undefined);
}

/** Resolves once nothing of it is left. */
export async function deletePods(lab: Lab, pods: readonly string[]): Promise<void> {
  await Promise.all(
    pods.map((who) => {
      const [namespace, name] = split(who);
      return lab.client.remove(PODS, { namespace, name }, { gracePeriodSeconds: 0 });
    }),
  );
  await lab.until('pods are gone', () => pods.every((who) => lab.caches.pods.get(who) === undefined && lab.nodes.every((_, i) => lab.kubelet(i + 1).worker(...split(who)) === undefined)));
}

export type PolicyManifest = Readonly<Record<string, unknown>>;

/** Creates it, or replaces its spec. */
export async function applyPolicy(lab: Lab, namespace: string, policy: PolicyManifest): Promise<void> {
  const { name } = policy['metadata'] as { name: string };
  const { items } = await lab.client.list(NETWORK_POLICIES, { namespace, fieldSelector: `metadata.name=${name}` });
  if (items.length === 0) await create(lab, NETWORK_POLICIES, namespace, policy);
  else await lab.client.patch(NETWORK_POLICIES, { namespace, name }, 'json', [{ op: 'replace', path: '/spec', value: policy['spec'] }]);
}

export async function deletePolicies(lab: Lab, namespace?: string): Promise<void> {
  const { items } = await lab.client.list(NETWORK_POLICIES, namespace === undefined ? {} : { namespace });
  const policies = items as readonly { metadata: { namespace: string; name: string } }[];
  await Promise.all(policies.map(({ metadata: { namespace: of, name } }) => lab.client.remove(NETWORK_POLICIES, { namespace: of, name })));
}

/** Sets labels; null removes one. */
export async function labelPod(lab: Lab, who: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
  const [namespace, name] = split(who);
  await lab.client.patch(PODS, { namespace, name }, 'merge', { metadata: { labels } });
}

export async function labelNamespace(lab: Lab, name: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
  await lab.client.patch(NAMESPACES, { name }, 'merge', { metadata: { labels } });
}

export const addressOf = (lab: Lab, who: string): string => lab.caches.pods.get(who)!.status!.podIP!;

/** What `canal status --json` says on the nth node. */
export const agentStatus = (lab: Lab, node: number): Promise<StatusView> => askAgent<StatusView>(lab, node, '/v1/status');

export const askAgent = <T>(lab: Lab, node: number, path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<T> => ask<T>(lab.node(node).path(DEFAULT_SOCKET), path, query);

export function split(who: string): [namespace: string, name: string] {
  const [namespace, name] = who.split('/');
  return [namespace!, name!];
}
