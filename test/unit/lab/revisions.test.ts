import { describe, expect, it } from 'vitest';
import { templateHash } from '../../../agent/lab/controllers/owned-pods.js';
import { revisions } from '../../../agent/lab/controllers/revisions.js';
import type { ControllerRevision, DaemonSet, Pod, StatefulSet } from '../../../agent/lab/world/objects.js';
import { meta, ownedBy, pod, summary, template, world } from './world.js';

const selector = { matchLabels: { app: 'web' } };
const set = (image: string, revisionHistoryLimit = 10): DaemonSet => ({ metadata: meta('web', { annotations: { 'kubernetes.io/change-cause': image } }), spec: { selector, revisionHistoryLimit, template: template(image) } });
const hash = (image: string): string => templateHash(template(image));
const past = (image: string, revision: number): ControllerRevision => ({ metadata: meta(`web-${hash(image)}`, { ...ownedBy(set('a')), labels: { 'controller-revision-hash': hash(image) } }), revision });
const run = (one: DaemonSet, controllerRevisions: ControllerRevision[], pods: Pod[] = []): string[] => summary(revisions(world({ daemonSets: [one], controllerRevisions, pods })));

describe('the revisions of a set', () => {
  it('have its template as a patch that replaces, with the cause of the change', () => {
    const [action] = revisions(world({ daemonSets: [set('a')] }));
    expect(action).toMatchObject({ verb: 'create', object: { metadata: { name: `web-${hash('a')}`, labels: { app: 'web' }, annotations: { 'kubernetes.io/change-cause': 'a' } }, revision: 1 } });
    const { data } = (action as unknown as { object: { data: unknown } }).object;
    expect(JSON.stringify(data)).toBe('{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":"a","name":"c"}]}}}}');
  });

  it('are numbered in order; one that comes again is the newest', () => {
    expect(run(set('b'), [past('a', 1)])).toEqual([`create ControllerRevision web-${hash('b')}`]);
    expect(run(set('a'), [past('a', 1), past('b', 2)])).toEqual([`patch ControllerRevision web-${hash('a')} {"revision":3}`]);
    expect(run(set('a'), [past('a', 3), past('b', 2)])).toEqual([]);
  });

  it('are kept up to the limit, and while a pod has them', () => {
    const pods = [pod('p', { meta: { ...ownedBy(set('a')), labels: { 'controller-revision-hash': hash('x') } } })];
    expect(run(set('a', 1), [past('x', 1), past('y', 2), past('z', 3), past('a', 4)], pods)).toEqual([`delete ControllerRevision web-${hash('y')}`]);
  });

  it('of others are left alone, and those of a set on its way out', () => {
    const strange = { ...past('b', 7), metadata: { ...past('b', 7).metadata, ownerReferences: [] } };
    expect(run(set('a'), [past('a', 1), strange])).toEqual([]);
    expect(run({ ...set('a'), metadata: { ...set('a').metadata, deletionTimestamp: 'now' } }, [])).toEqual([]);
  });

  it('are kept of StatefulSets as well', () => {
    const stateful: StatefulSet = { metadata: meta('web'), spec: { selector, template: template('a') } };
    expect(summary(revisions(world({ statefulSets: [stateful] })))).toEqual([`create ControllerRevision web-${hash('a')}`]);
  });
});
