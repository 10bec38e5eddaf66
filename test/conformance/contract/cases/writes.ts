import type { Fields } from '../../../../agent/apiserver/kube-object.js';
import { APPLY, JSON_PATCH, MERGE, STRATEGIC, bodyOf, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';

const configMap = (extra: Fields = {}): Fields => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: '1' }, ...extra });
const one = (api: Dialogue): string => api.core('configmaps/c');
const made = async (api: Dialogue, extra: Fields = {}): Promise<Fields> => bodyOf(await api.quietly('POST', api.core('configmaps'), configMap(extra)));
const containers = [
  { name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }], ports: [{ containerPort: 80 }] },
  { name: 'b', image: 'b:1' },
];
const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd', labels: { app: 'd' } }, spec: { replicas: 0, selector: { matchLabels: { app: 'd' } }, template: { metadata: { labels: { app: 'd' } }, spec: { containers } } } };
const applied = (data: Fields): Fields => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data });

export const writes: Cases = {
  'names can be generated': async (api) => {
    await api.ask('POST', api.core('configmaps'), { metadata: { generateName: 'prefix-' } });
    await api.ask('POST', api.core('configmaps'), { metadata: { generateName: 'x'.repeat(70) } }, { part: ({ metadata }) => (metadata as { name: string }).name.length });
    await api.ask('POST', api.core('configmaps'), { metadata: { generateName: 'Not_Good-' } }, { part: ({ code, reason, details }) => ({ code, reason, kind: (details as Fields | undefined)?.['kind'] }) });
    await api.ask('POST', api.core('configmaps'), { metadata: {} });
  },
  'what clients may not choose is chosen anyway': async (api) => {
    await api.ask('POST', api.core('configmaps'), { metadata: { name: 'c', uid: 'mine', creationTimestamp: '2020-01-01T00:00:00Z', generation: 7, deletionTimestamp: '2020-01-01T00:00:00Z', selfLink: '/x' } });
    await api.ask('POST', api.core('configmaps'), { metadata: { name: 'd', resourceVersion: '7' } });
    await api.ask('PATCH', one(api), { metadata: { creationTimestamp: '2020-01-01T00:00:00Z', generation: 9 } }, { type: MERGE });
    await api.ask('PATCH', one(api), { metadata: { uid: 'other' } }, { type: MERGE });
    await api.ask('PATCH', one(api), { metadata: { name: 'other' } }, { type: MERGE });
    await api.ask('PATCH', one(api), { metadata: { namespace: 'other' } }, { type: MERGE });
  },
  'objects go where the path says': async (api) => {
    await api.ask('POST', api.core('configmaps'), configMap({ metadata: { name: 'c', namespace: 'elsewhere' } }));
    await api.ask('POST', api.core('configmaps'), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'c' } });
    await api.ask('POST', api.core('configmaps'), { apiVersion: 'v2', kind: 'ConfigMap', metadata: { name: 'c' } });
    await api.ask('POST', '/api/v1/namespaces/none-such/configmaps', configMap());
    await api.ask('PUT', one(api), configMap({ metadata: { name: 'other' } }));
    await api.ask('PUT', one(api), configMap({ metadata: {} }));
    await api.ask('PUT', one(api), configMap());
  },
  'bodies that are no objects are refused': async (api) => {
    for (const body of ['', '{', '[]', '"text"', '{"apiVersion":"v1"}', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":7}}', '{"apiVersion":"v1","kind":"ConfigMap","data":{"a":7}}', '{"apiVersion":"v1","kind":"ConfigMap","data":[]}']) {
      await api.ask('POST', api.core('configmaps'), body, { part: ({ code, reason, message }) => ({ code, reason, message: body.includes('data') || body.includes('name') ? message : 'any' }) });
    }
    await api.ask('POST', api.core('configmaps'), 'x', { type: 'text/plain' });
  },
  'an update of an older version is a conflict': async (api) => {
    const first = await made(api);
    await api.ask('PUT', one(api), { ...first, data: { a: '2' } });
    await api.ask('PUT', one(api), { ...first, data: { a: '3' } });
    await api.ask('PATCH', one(api), { metadata: { resourceVersion: '1' }, data: { a: '4' } }, { type: MERGE });
    await api.ask('PUT', one(api), { ...first, metadata: { ...(first['metadata'] as Fields), resourceVersion: undefined, uid: '00000000-0000-0000-0000-000000000000' } });
    await api.ask('GET', one(api));
  },
  'a write that changes nothing leaves the version': async (api) => {
    const first = await made(api);
    const version = (object: Fields): unknown => (object['metadata'] as Fields)['resourceVersion'] === (first['metadata'] as Fields)['resourceVersion'];
    await api.ask('PUT', one(api), first, { part: version });
    await api.ask('PATCH', one(api), { data: { a: '1' } }, { type: MERGE, part: version });
    await api.ask('PATCH', one(api), { data: { a: '2' } }, { type: MERGE, part: version });
  },
  'merge patches merge': async (api) => {
    await made(api, { data: { a: '1', b: '2' } });
    await api.ask('PATCH', one(api), { data: { a: null, c: '3' } }, { type: MERGE });
    await api.ask('PATCH', one(api), { data: null }, { type: MERGE });
    await api.ask('PATCH', one(api), 'nonsense', { type: MERGE, part: ({ code, reason }) => ({ code, reason }) });
    await api.ask('PATCH', one(api), [], { type: MERGE, part: ({ code, reason }) => ({ code, reason }) });
  },
  'JSON patches do what they say or nothing': async (api) => {
    await made(api, { data: { a: '1', b: '2' } });
    const patch = (operations: object[]): Promise<unknown> => api.ask('PATCH', one(api), operations, { type: JSON_PATCH });
    await patch([{ op: 'test', path: '/data/a', value: '1' }, { op: 'replace', path: '/data/a', value: '7' }, { op: 'remove', path: '/data/b' }]);
    await patch([{ op: 'replace', path: '/data/a', value: '8' }, { op: 'test', path: '/data/a', value: 'no' }]);
    await patch([{ op: 'copy', from: '/data/a', path: '/data/c' }, { op: 'move', from: '/data/a', path: '/data/d' }]);
    await patch([{ op: 'remove', path: '/data/none' }]);
    await patch([{ op: 'replace', path: '/data/none', value: 'x' }]);
    await patch([{ op: 'invent', path: '/data/none', value: 'x' }]);
    await patch([{ op: 'add', path: '/metadata/labels/x', value: 'y' }]);
  },
  'strategic patches merge lists by their keys': async (api) => {
    const all = api.apis('apps/v1', 'deployments');
    await api.ask('POST', all, deployment);
    const patch = (spec: object): Promise<unknown> => api.ask('PATCH', `${all}/d`, { spec: { template: { spec } } }, { type: STRATEGIC });
    await patch({ containers: [{ name: 'b', image: 'b:2' }] });
    await patch({ containers: [{ name: 'c', image: 'c:1' }] });
    await patch({ containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }], ports: [{ containerPort: 81 }] }] });
    await patch({ containers: [{ name: 'c', $patch: 'delete' }] });
    await patch({ containers: [{ name: 'a', env: [{ $patch: 'replace' }, { name: 'Z', value: '3' }] }] });
    await patch({ $setElementOrder: undefined, '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'b', image: 'b:3' }] });
    await patch({ nodeSelector: { x: 'y' }, tolerations: [{ key: 'k', operator: 'Exists' }] });
    await patch({ nodeSelector: { $patch: 'replace', z: 'y' }, tolerations: [{ key: 'l', operator: 'Exists' }] });
    await patch({ $retainKeys: ['containers'], containers: [{ name: 'a', image: 'a:9' }] });
    await api.ask('PATCH', `${all}/d`, { spec: { strategy: { type: 'Recreate', $retainKeys: ['type'] } } }, { type: STRATEGIC });
    await api.ask('PATCH', `${all}/d`, { metadata: { finalizers: ['example.com/a'] } }, { type: STRATEGIC });
    await api.ask('PATCH', `${all}/d`, { metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a'] } }, { type: STRATEGIC });
  },
  'an unknown kind of patch is refused': async (api) => {
    await made(api);
    await api.ask('PATCH', one(api), {}, { type: 'application/json' });
    await api.ask('PATCH', api.core('configmaps/none'), {}, { type: MERGE });
  },
  'an apply takes what it says and gives back what it no longer says': async (api) => {
    const apply = (data: Fields, manager: string, more = ''): Promise<unknown> => api.ask('PATCH', `${one(api)}?fieldManager=${manager}${more}`, applied(data), { type: APPLY, owners: true });
    await apply({ a: '1', b: '1' }, 'one');
    await apply({ a: '1', b: '1' }, 'one');
    await apply({ b: '1', c: '2' }, 'two');
    await apply({ a: '1' }, 'one');
    await apply({ b: '9' }, 'one');
    await apply({ b: '9' }, 'one', '&force=true');
    await apply({ c: '2' }, 'two');
    await api.ask('PATCH', one(api), { data: { c: '7' } }, { type: MERGE, owners: true });
    await apply({ c: '8', d: '1' }, 'two');
    await apply({}, 'one');
  },
  'an apply merges lists by their keys': async (api) => {
    const path = `${api.apis('apps/v1', 'deployments')}/d`;
    const apply = (spec: object, manager: string): Promise<unknown> =>
      api.ask('PATCH', `${path}?fieldManager=${manager}`, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec }, { type: APPLY, owners: true });
    await apply(deployment.spec, 'one');
    await apply({ template: { spec: { containers: [{ name: 'c', image: 'c:1', ports: [{ containerPort: 90, name: 'web' }] }] } } }, 'two');
    await apply({ template: { spec: { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] } } }, 'two');
    await apply({ template: { spec: { containers: [{ name: 'a', image: 'a:2' }] } } }, 'two');
    await apply({ replicas: 0 }, 'two');
  },
  'an apply has to be one': async (api) => {
    const ask = (query: string, body: unknown): Promise<unknown> => api.ask('PATCH', `${one(api)}${query}`, body, { type: APPLY });
    await ask('', applied({}));
    await ask('?fieldManager=x', { metadata: { name: 'c' } });
    await ask('?fieldManager=x', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'c' } });
    await ask('?fieldManager=x', { ...applied({}), metadata: { name: 'c', managedFields: [{ manager: 'x', operation: 'Apply' }] } });
    await ask('?fieldManager=x', { ...applied({}), metadata: { name: 'other' } });
    await ask('?fieldManager=x', { ...applied({}), nonsense: 1 });
    await ask('?fieldManager=x&fieldValidation=Strict', { ...applied({}), nonsense: 1 });
    await api.ask('PATCH', `${one(api)}?fieldManager=x&force=true`, {}, { type: MERGE });
  },
  'a dry run shows and stores nothing': async (api) => {
    await made(api);
    await api.ask('PATCH', `${one(api)}?dryRun=All`, { data: { a: '2' } }, { type: MERGE });
    await api.ask('PATCH', `${one(api)}?dryRun=All&fieldManager=x&force=true`, applied({ z: '1' }), { type: APPLY });
    await api.ask('GET', one(api));
    await api.ask('POST', `${api.core('configmaps')}?dryRun=Some`, configMap());
    await api.ask('POST', `${api.core('configmaps')}?dryRun=All`, configMap());
    await api.ask('DELETE', `${one(api)}?dryRun=All`);
  },
  'unknown and duplicate fields are refused, told or dropped as asked': async (api) => {
    const body = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","extra":1},"spec":{"schedulerName":"nobody","automountServiceAccountToken":false,"containers":[{"name":"c","image":"i","image":"j","foo":{}}]}}';
    for (const validation of ['Strict', 'Warn', 'Ignore', 'Sometimes', '']) await api.ask('POST', api.core(`pods?dryRun=All&fieldValidation=${validation}`), body, { part: ({ code, message, spec }) => ({ code, message, spec: (spec as Fields | undefined)?.['containers'] }) });
  },
  'scale is a window on replicas': async (api) => {
    const all = api.apis('apps/v1', 'deployments');
    await api.quietly('POST', all, { ...deployment, spec: { ...deployment.spec, paused: true } });
    await api.ask('GET', `${all}/d/scale`);
    await api.ask('PATCH', `${all}/d/scale`, { spec: { replicas: 0 } }, { type: MERGE });
    await api.ask('PUT', `${all}/d/scale`, { metadata: { name: 'd', namespace: api.namespace, resourceVersion: '1' }, spec: { replicas: 2 } });
    await api.ask('PUT', `${all}/d/scale`, { metadata: { name: 'd', namespace: api.namespace }, spec: { replicas: -1 } });
    await api.ask('GET', api.apis('apps/v1', 'daemonsets/d/scale'));
  },
};
