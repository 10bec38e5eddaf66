import type { World } from '../../../agent/lab/world/world.js';
import type { Action } from '../../../agent/lab/controllers/action.js';
import type { Condition, KubeObject, Meta, Node, Pod, PodTemplate } from '../../../agent/lab/world/objects.js';

export const NOW = Date.parse('2026-01-01T00:00:00Z');

const EMPTY: World = { namespaces: [], nodes: [], pods: [], services: [], serviceAccounts: [], endpointSlices: [], deployments: [], replicaSets: [], statefulSets: [], daemonSets: [], controllerRevisions: [], jobs: [] };

export const world = (some: Partial<World>): World => ({ ...EMPTY, ...some });

export const meta = (name: string, more: Partial<Meta> = {}): Meta => ({ name, namespace: 'ns', uid: `uid-${name}`, creationTimestamp: '2025-12-31T00:00:00Z', generation: 1, ...more });

export const ownedBy = (owner: KubeObject): Partial<Meta> => ({
  ownerReferences: [{ apiVersion: 'v1', kind: 'Owner', name: owner.metadata.name, uid: owner.metadata.uid, controller: true }],
});

const ready = (status: string): Condition[] => [{ type: 'Ready', status, lastTransitionTime: '2025-12-31T23:59:50Z' }];

export function pod(name: string, more: { meta?: Partial<Meta>; spec?: Partial<Pod['spec']>; ready?: boolean; phase?: string; ip?: string } = {}): Pod {
  return {
    metadata: meta(name, more.meta),
    spec: { nodeName: 'node1', containers: [{ name: 'c' }], ...more.spec },
    status: { phase: more.phase ?? 'Running', conditions: ready(more.ready === false ? 'False' : 'True'), ...(more.ip === undefined ? {} : { podIP: more.ip, podIPs: [{ ip: more.ip }] }) },
  };
}

export function node(name: string, more: Partial<Node> & { ready?: boolean } = {}): Node {
  const { ready: isReady = true, ...rest } = more;
  return { metadata: { ...meta(name), labels: { 'kubernetes.io/hostname': name } }, status: { conditions: ready(isReady ? 'True' : 'False') }, ...rest };
}

export const template = (image = 'a', labels: Record<string, string> = { app: 'web' }): PodTemplate => ({ metadata: { labels }, spec: { containers: [{ name: 'c', image }] } });

/** Actions in a line each, without statuses: `create Pod`, `patch ReplicaSet web-1 {"spec":…}`, `delete Pod web-1-a`. */
export function summary(actions: readonly Action[]): string[] {
  return actions.flatMap((action) => {
    if (action.verb === 'create') return [`create ${action.resource.kind}${'name' in metadataOf(action.object) ? ` ${String(metadataOf(action.object)['name'])}` : ''}`];
    if (action.verb === 'delete') return [`delete ${action.resource.kind} ${action.ref.name}`];
    return action.subresource === 'status' ? [] : [`patch ${action.resource.kind} ${action.ref.name} ${JSON.stringify(action.body)}`];
  });
}

export const statusIn = (actions: readonly Action[]): Record<string, unknown> | undefined =>
  actions.flatMap((action) => (action.verb === 'patch' && action.subresource === 'status' ? [(action.body as { status: Record<string, unknown> }).status] : []))[0];

const metadataOf = (object: object): Record<string, unknown> => (object as { metadata: Record<string, unknown> }).metadata;
