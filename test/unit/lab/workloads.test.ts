import { describe, expect, it } from 'vitest';
import { daemonSets } from '../../../agent/lab/controllers/daemon-sets.js';
import { bounds, deployments } from '../../../agent/lab/controllers/deployments.js';
import { templateHash } from '../../../agent/lab/controllers/owned-pods.js';
import { replicaSets } from '../../../agent/lab/controllers/replica-sets.js';
import { statefulSets } from '../../../agent/lab/controllers/stateful-sets.js';
import type { DaemonSet, Deployment, Pod, ReplicaSet, StatefulSet } from '../../../agent/lab/world/objects.js';
import { meta, node, NOW, ownedBy, pod, statusIn, summary, template, world } from './world.js';

const selector = { matchLabels: { app: 'web' } };

describe('ReplicaSets', () => {
  const set = (replicas: number): ReplicaSet => ({ metadata: meta('web'), spec: { replicas, selector, template: template() } });
  const owned = (name: string, more: Parameters<typeof pod>[1] = {}): Pod => pod(name, { ...more, meta: { ...ownedBy(set(0)), ...more.meta } });

  it('make the pods that are missing', () => {
    expect(summary(replicaSets(world({ replicaSets: [set(3)], pods: [owned('a')] }), NOW))).toEqual(['create Pod', 'create Pod']);
  });

  it('do not count pods that are finished, on their way out, or of others', () => {
    const pods = [owned('a', { phase: 'Failed' }), owned('b', { meta: { deletionTimestamp: 'now' } }), pod('c')];
    expect(summary(replicaSets(world({ replicaSets: [set(1)], pods }), NOW))).toEqual(['create Pod']);
  });

  it('delete unscheduled pods before unready ones, and those before the youngest', () => {
    const pods = [owned('old'), owned('young', { meta: { creationTimestamp: '2025-12-31T12:00:00Z' } }), owned('unready', { ready: false }), owned('pending', { ready: false, spec: { nodeName: undefined as never } })];
    const without = (replicas: number) => summary(replicaSets(world({ replicaSets: [set(replicas)], pods }), NOW));
    expect(without(3)).toEqual(['delete Pod pending']);
    expect(without(1)).toEqual(['delete Pod pending', 'delete Pod unready', 'delete Pod young']);
  });

  it('say how many are ready, and write nothing when that is known', () => {
    const pods = [owned('a'), owned('b', { ready: false })];
    const status = statusIn(replicaSets(world({ replicaSets: [set(2)], pods }), NOW));
    expect(status).toMatchObject({ replicas: 2, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 });
    expect(replicaSets(world({ replicaSets: [{ ...set(2), status: status! }], pods }), NOW)).toEqual([]);
  });

  it('count a pod as available only after minReadySeconds', () => {
    const slow = (seconds: number): ReplicaSet => ({ ...set(1), spec: { ...set(1).spec, minReadySeconds: seconds } });
    const available = (seconds: number) => statusIn(replicaSets(world({ replicaSets: [slow(seconds)], pods: [owned('a')] }), NOW))!['availableReplicas'];
    expect([available(10), available(11)]).toEqual([1, 0]);
  });
});

describe('Deployments', () => {
  const deployment = (image: string, more: Partial<Deployment['spec']> = {}): Deployment => ({ metadata: meta('web'), spec: { replicas: 4, selector, template: template(image), ...more } });
  const hash = (image: string): string => templateHash(template(image));
  const set = (image: string, replicas: number, available = replicas, revision = '1'): ReplicaSet => ({
    metadata: meta(`web-${hash(image)}`, { ...ownedBy(deployment('a')), labels: { 'pod-template-hash': hash(image) }, annotations: { 'deployment.kubernetes.io/revision': revision } }),
    spec: { replicas, selector, template: template(image) },
    status: { replicas, readyReplicas: available, availableReplicas: available },
  });
  const run = (one: Deployment, replicaSetList: ReplicaSet[]): string[] => summary(deployments(world({ deployments: [one], replicaSets: replicaSetList }), NOW)).filter((line) => !line.startsWith('patch Deployment'));
  const scaled = (image: string, replicas: number): string => `patch ReplicaSet web-${hash(image)} {"spec":{"replicas":${replicas}}}`;

  it('make one ReplicaSet a template, whatever the order of its keys', () => {
    expect(run(deployment('a'), [])).toEqual([`create ReplicaSet web-${hash('a')}`]);
    expect(templateHash({ spec: { containers: [{ image: 'a', name: 'c' }] }, metadata: { labels: { app: 'web' } } })).toBe(hash('a'));
    expect(hash('a')).not.toBe(hash('b'));
  });

  it('roll over within maxSurge and maxUnavailable', () => {
    // 4 replicas: 1 more and 1 less are allowed.
    expect(run(deployment('b'), [set('a', 4), set('b', 0, 0, '2')])).toEqual([scaled('b', 1), scaled('a', 3)]);
    expect(run(deployment('b'), [set('a', 3), set('b', 1, 0, '2')])).toEqual([scaled('b', 2)]);
    expect(run(deployment('b'), [set('a', 3), set('b', 2, 2, '2')])).toEqual([scaled('a', 1)]);
    expect(run(deployment('b'), [set('a', 1), set('b', 4, 4, '2')])).toEqual([scaled('a', 0)]);
    expect(run(deployment('b'), [set('a', 0), set('b', 4, 4, '2')])).toEqual([]);
  });

  it('take away what was never available before what serves', () => {
    expect(run(deployment('b'), [set('a', 4, 1), set('b', 1, 1, '2')])).toContain(scaled('a', 1));
  });

  it('with Recreate wait until the last old pod is gone', () => {
    const recreate = deployment('b', { strategy: { type: 'Recreate' } });
    const gone = { ...set('a', 0), status: { replicas: 1 } };
    expect(run(recreate, [set('a', 4), set('b', 0, 0, '2')])).toEqual([scaled('a', 0)]);
    expect(run(recreate, [gone, set('b', 0, 0, '2')])).toEqual([]);
    expect(run(recreate, [set('a', 0), set('b', 0, 0, '2')])).toEqual([scaled('b', 4)]);
  });

  it('give a template that comes back the highest revision', () => {
    const lines = run(deployment('a'), [set('a', 4, 4, '1'), set('b', 0, 0, '2')]);
    expect(lines).toEqual([`patch ReplicaSet web-${hash('a')} {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"3"}}}`]);
  });

  it('keep no more old sets than revisionHistoryLimit', () => {
    const lines = run(deployment('c', { revisionHistoryLimit: 1 }), [set('a', 0, 0, '1'), set('b', 0, 0, '2'), set('c', 4, 4, '3')]);
    expect(lines).toEqual([`delete ReplicaSet web-${hash('a')}`]);
  });

  it('never stand still because both bounds are zero', () => {
    const strategy = { rollingUpdate: { maxSurge: 0, maxUnavailable: '10%' } };
    expect(bounds(deployment('a', { strategy }))).toEqual({ surge: 0, unavailable: 1 });
    expect(bounds(deployment('a', { replicas: 10, strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } } }))).toEqual({ surge: 3, unavailable: 2 });
  });

  it('do not roll while paused, but follow their size', () => {
    expect(run(deployment('b', { paused: true, replicas: 6 }), [set('a', 4)])).toEqual([scaled('a', 6)]);
  });
});

describe('StatefulSets', () => {
  const set = (more: Partial<StatefulSet['spec']> = {}): StatefulSet => ({ metadata: meta('db'), spec: { replicas: 3, serviceName: 'db', selector, template: template(), ...more } });
  const revision = `db-${templateHash(template())}`;
  const member = (i: number, more: Parameters<typeof pod>[1] = {}): Pod => pod(`db-${i}`, { ...more, meta: { ...ownedBy(set()), labels: { 'controller-revision-hash': revision }, ...more.meta } });
  const run = (one: StatefulSet, pods: Pod[]): string[] => summary(statefulSets(world({ statefulSets: [one], pods })));

  it('make their pods one after the other, each once the one before is ready', () => {
    expect(run(set(), [])).toEqual(['create Pod db-0']);
    expect(run(set(), [member(0, { ready: false })])).toEqual([]);
    expect(run(set(), [member(0)])).toEqual(['create Pod db-1']);
  });

  it('make them all at once when Parallel', () => {
    expect(run(set({ podManagementPolicy: 'Parallel' }), [member(1)])).toEqual(['create Pod db-0', 'create Pod db-2']);
  });

  it('remove the highest first when they shrink', () => {
    expect(run(set({ replicas: 1 }), [member(0), member(1), member(2)])).toEqual(['delete Pod db-2']);
    expect(run(set({ replicas: 1 }), [member(0), member(1), member(2, { meta: { deletionTimestamp: 'now' } })])).toEqual([]);
  });

  it('update from the highest, wait for each, and stop at the partition', () => {
    const old = (i: number): Pod => member(i, { meta: { labels: { 'controller-revision-hash': 'db-old' } } });
    expect(run(set(), [old(0), old(1), old(2)])).toEqual(['delete Pod db-2']);
    expect(run(set(), [old(0), old(1), member(2)])).toEqual(['delete Pod db-1']);
    expect(run(set({ updateStrategy: { rollingUpdate: { partition: 2 } } }), [old(0), old(1), member(2)])).toEqual([]);
    expect(run(set({ updateStrategy: { type: 'OnDelete' } }), [old(0), old(1), old(2)])).toEqual([]);
  });

  it('replace a pod that has failed', () => {
    expect(run(set(), [member(0, { phase: 'Failed', ready: false })])).toEqual(['delete Pod db-0']);
  });
});

describe('DaemonSets', () => {
  const set = (more: Partial<DaemonSet['spec']> = {}): DaemonSet => ({ metadata: meta('agent'), spec: { selector, template: template(), ...more } });
  const on = (nodeName: string, more: Parameters<typeof pod>[1] = {}, hash = templateHash(template())): Pod => pod(`agent-${nodeName}`, { ...more, spec: { nodeName }, meta: { ...ownedBy(set()), labels: { 'controller-revision-hash': hash }, ...more.meta } });
  const nodes = [node('node1'), node('node2', { ready: false })];
  const run = (one: DaemonSet, pods: Pod[]): string[] => summary(daemonSets(world({ daemonSets: [one], nodes, pods })));

  it('run on every node, ready or not', () => {
    expect(run(set(), [on('node1')])).toEqual(['create Pod']);
  });

  it('run only where node selector and taints allow', () => {
    const tainted = [node('node1', { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } }), node('node2')];
    expect(summary(daemonSets(world({ daemonSets: [set()], nodes: tainted })))).toEqual(['create Pod']);
    const narrow = set({ template: { ...template(), spec: { ...template().spec, nodeSelector: { 'kubernetes.io/hostname': 'node2' } } } });
    expect(summary(daemonSets(world({ daemonSets: [narrow], nodes, pods: [on('node1', {}, templateHash(narrow.spec.template))] })))).toEqual(['create Pod', 'delete Pod agent-node1']);
  });

  it('replace old pods one at a time', () => {
    expect(run(set(), [on('node1', {}, 'old'), on('node2', {}, 'old')])).toEqual(['delete Pod agent-node1']);
    expect(run(set(), [on('node1', { ready: false }), on('node2', {}, 'old')])).toEqual([]);
  });
});
