import type { Fields } from '../../../../agent/apiserver/kube-object.js';
import { MERGE, bodyOf, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';

const pod = (name: string, spec: Fields = {}): Fields => ({ metadata: { name }, spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }], ...spec } });
const configMap = async (api: Dialogue, metadata: Fields): Promise<Fields> => bodyOf(await api.quietly('POST', api.core('configmaps'), { metadata }));
const gone = (api: Dialogue, path: string): Promise<void> => api.until(async () => (await api.quietly('GET', path)).code === 404);

export const deletions: Cases = {
  'a pod on a node waits for its kubelet, shorter when asked again': async (api) => {
    await api.quietly('POST', '/api/v1/nodes', { metadata: { name: api.name('node') } });
    api.removeLater(`/api/v1/nodes/${api.name('node')}`);
    const path = api.core('pods/p');
    await api.quietly('POST', api.core('pods'), pod('p', { nodeName: api.name('node') }));
    await api.ask('GET', path);
    await api.ask('DELETE', path);
    await api.ask('DELETE', path);
    await api.ask('DELETE', `${path}?gracePeriodSeconds=60`);
    await api.ask('DELETE', `${path}?gracePeriodSeconds=5`);
    await api.ask('DELETE', path, { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 });
    await gone(api, path);
  },
  'a pod on no node goes at once': async (api) => {
    await api.quietly('POST', api.core('pods'), pod('p'));
    await api.ask('DELETE', `${api.core('pods/p')}?gracePeriodSeconds=30`);
    await api.ask('GET', api.core('pods/p'));
  },
  'finalizers hold an object until they are gone': async (api) => {
    await configMap(api, { name: 'c', finalizers: ['example.com/hold'] });
    const path = api.core('configmaps/c');
    await api.ask('DELETE', path);
    await api.ask('DELETE', path);
    await api.ask('PATCH', path, { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } }, { type: MERGE });
    await api.ask('PATCH', path, { metadata: { labels: { still: 'writable' } } }, { type: MERGE });
    await api.ask('PATCH', path, { metadata: { finalizers: null } }, { type: MERGE });
    await api.ask('GET', path);
  },
  'preconditions must hold': async (api) => {
    const { metadata } = await configMap(api, { name: 'c' });
    const { uid, resourceVersion } = metadata as Fields;
    const path = api.core('configmaps/c');
    await api.ask('DELETE', path, { preconditions: { uid: 'other' } });
    await api.ask('DELETE', path, { preconditions: { uid, resourceVersion: '1' } });
    await api.ask('DELETE', path, { preconditions: { uid, resourceVersion } });
  },
  'options that are none are refused': async (api) => {
    await configMap(api, { name: 'c' });
    const path = api.core('configmaps/c');
    await api.ask('DELETE', path, { propagationPolicy: 'Sometimes' });
    await api.ask('DELETE', path, { propagationPolicy: 'Orphan', orphanDependents: true });
    await api.ask('DELETE', path, { gracePeriodSeconds: -1 }, { part: ({ code, reason, status }) => ({ code, reason, status }) });
    await api.ask('DELETE', `${path}x?gracePeriodSeconds=x`);
  },
  'a collection goes by selector': async (api) => {
    for (const name of ['a', 'b', 'c']) await configMap(api, { name, labels: { contract: api.token, name } });
    await api.ask('DELETE', api.core('configmaps?labelSelector=name+in+(a,b)'));
    await api.ask('GET', api.core(`configmaps?labelSelector=contract%3D${api.token}`));
  },
  'dependents follow their owner': async (api) => {
    const owner = await configMap(api, { name: 'owner' });
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: (owner['metadata'] as Fields)['uid'] }];
    await configMap(api, { name: 'dependent', ownerReferences });
    await api.ask('DELETE', `${api.core('configmaps/owner')}?propagationPolicy=Background`);
    await gone(api, api.core('configmaps/dependent'));
  },
  'orphans stay and forget their owner': async (api) => {
    const owner = await configMap(api, { name: 'owner' });
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: (owner['metadata'] as Fields)['uid'] }];
    await configMap(api, { name: 'dependent', ownerReferences });
    await api.ask('DELETE', `${api.core('configmaps/owner')}?propagationPolicy=Orphan`);
    await gone(api, api.core('configmaps/owner'));
    await api.ask('GET', api.core('configmaps/dependent'));
  },
  'an owner in the foreground goes after its dependents': async (api) => {
    const owner = await configMap(api, { name: 'owner' });
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: (owner['metadata'] as Fields)['uid'], blockOwnerDeletion: true }];
    await configMap(api, { name: 'dependent', ownerReferences });
    await api.ask('DELETE', `${api.core('configmaps/owner')}?propagationPolicy=Foreground`);
    await gone(api, api.core('configmaps/owner'));
    await api.ask('GET', api.core('configmaps/dependent'));
  },
  'a namespace takes its content along': async (api) => {
    const name = api.name('going');
    const path = `/api/v1/namespaces/${name}`;
    await api.ask('POST', '/api/v1/namespaces', { metadata: { name } });
    await api.quietly('POST', `${path}/configmaps`, { metadata: { name: 'c', finalizers: ['example.com/hold'] } });
    await api.ask('DELETE', path);
    await api.ask('POST', `${path}/configmaps`, { metadata: { name: 'd' } });
    await api.until(async () => ((bodyOf(await api.quietly('GET', `${path}/configmaps/c`))['metadata'] as Fields)['deletionTimestamp'] !== undefined));
    await api.quietly('PATCH', `${path}/configmaps/c`, { metadata: { finalizers: null } }, { type: MERGE });
    await gone(api, path);
  },
  'an eviction deletes': async (api) => {
    await api.quietly('POST', api.core('pods'), pod('p'));
    await api.ask('POST', api.core('pods/p/eviction'), { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } });
    await gone(api, api.core('pods/p'));
    await api.ask('POST', api.core('pods/p/eviction'), { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } });
  },
  'a binding places a pod once': async (api) => {
    await api.quietly('POST', api.core('pods'), pod('p'));
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: api.name('node') } };
    await api.quietly('POST', '/api/v1/nodes', { metadata: { name: api.name('node') } });
    api.removeLater(`/api/v1/nodes/${api.name('node')}`);
    await api.ask('GET', api.core('pods/p'));
    await api.ask('POST', api.core('pods/p/binding'), binding);
    await api.ask('POST', api.core('pods/p/binding'), binding);
    await api.ask('GET', api.core('pods/p'));
    await api.ask('POST', api.core('pods/none/binding'), { ...binding, metadata: { name: 'none' } });
  },
};
