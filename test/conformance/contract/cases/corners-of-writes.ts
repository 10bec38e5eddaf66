import { textAt, type Fields } from '../../../../agent/apiserver/kube-object.js';
import { APPLY, JSON_PATCH, MERGE, STRATEGIC, bodyOf, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';

export const configMap = (extra: Fields = {}): Fields => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: '1' }, ...extra });
export const one = (api: Dialogue): string => api.core('configmaps/c');
export const made = async (api: Dialogue, extra: Fields = {}): Promise<Fields> => bodyOf(await api.quietly('POST', api.core('configmaps'), configMap({ ...extra, metadata: { name: 'c', labels: { contract: api.token }, ...(extra['metadata'] as Fields | undefined) } })));
export const mine = (api: Dialogue, more: string): string => api.core(`configmaps?labelSelector=contract%3D${api.token}${more}`);
export const pod = (spec: Fields = {}): Fields => ({ metadata: { name: 'p' }, spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }], ...spec } });
const names = (list: Fields): unknown => (list['kind'] === 'Status' ? list : { kind: list['kind'], metadata: list['metadata'], names: ((list['items'] ?? list['rows'] ?? []) as Fields[]).map((item) => textAt(item, 'metadata', 'name') || textAt(item, 'object', 'metadata', 'name')) });
export const part = { part: names };
/** Of an answer that depends on the server, or is long: whether it is one. */
export const kindOnly = { part: ({ kind, apiVersion, code, reason, message }: Fields): unknown => ({ kind, apiVersion, code, reason, message }) };
/** Without the whole object that a patch was refused for, which stands in the message. */
const refused = { part: ({ kind, message, ...rest }: Fields): unknown => (kind === 'Status' ? { code: rest['code'], reason: rest['reason'], message: String(message).replace(/"\{.*\}"/, 'OBJECT') } : { kind, data: rest['data'] }) };

/** Writes that few make, and most by mistake. */
export const cornersOfWrites: Cases = {
  'an update of what is not there': async (api) => {
    const put = (path: string, body: Fields): Promise<unknown> => api.ask('PUT', path, { metadata: { name: 'new' }, ...body });
    await put(api.core('services/new'), { spec: { clusterIP: 'None', selector: { a: 'b' }, ports: [{ port: 80 }] } });
    await put(api.core('endpoints/new'), { subsets: [] });
    await put(api.core('events/new'), { involvedObject: { namespace: api.namespace, kind: 'Pod', name: 'p' } });
    await put(api.core('limitranges/new'), { spec: { limits: [{ type: 'Pod', max: { cpu: '1' } }] } });
    await put(api.core('secrets/new'), {});
    await put(api.core('serviceaccounts/new'), {});
    await put(api.core('pods/new'), { spec: pod()['spec'] });
    await put(api.apis('coordination.k8s.io/v1', 'leases/new'), {});
    await put(api.apis('rbac.authorization.k8s.io/v1', 'roles/new'), { rules: [] });
    await put(api.apis('discovery.k8s.io/v1', 'endpointslices/new'), { addressType: 'IPv4', endpoints: [] });
    await put(api.apis('networking.k8s.io/v1', 'networkpolicies/new'), { spec: { podSelector: {} } });
    await api.ask('PUT', api.core('services/other'), { metadata: { name: 'other', resourceVersion: '5' }, spec: { clusterIP: 'None' } });
    await api.ask('PUT', api.apis('coordination.k8s.io/v1', 'leases/other'), { metadata: { name: 'other', uid: 'x' } });
  },
  'names that are too long or empty': async (api) => {
    for (const name of ['x'.repeat(254), 'a..b', '.a', 'a_b', 'A', 'a/b', '..', 'a%2Fb', ' ']) await api.ask('POST', api.core('configmaps?dryRun=All'), configMap({ metadata: { name } }));
    await api.ask('POST', api.core('services?dryRun=All'), { metadata: { name: 'x'.repeat(64) }, spec: { ports: [{ port: 80 }] } });
    await api.ask('POST', api.core('services?dryRun=All'), { metadata: { name: '0x' }, spec: { ports: [{ port: 80 }] } });
    await api.ask('POST', api.core('pods?dryRun=All'), { ...pod(), metadata: { name: 'x'.repeat(254) } });
    await api.ask('POST', api.core('serviceaccounts?dryRun=All'), { metadata: { name: 'A' } });
    await api.ask('POST', api.core('secrets?dryRun=All'), { metadata: { name: 'a', namespace: 'b' } });
    await api.ask('POST', api.apis('rbac.authorization.k8s.io/v1', 'roles?dryRun=All'), { metadata: { name: 'a/b' }, rules: [] });
    await api.ask('POST', '/api/v1/nodes?dryRun=All', { metadata: { name: 'x'.repeat(254) } });
    await api.ask('POST', api.core('configmaps?dryRun=All'), configMap({ metadata: { name: 'g', generateName: 'g-' } }));
    await api.ask('POST', api.core('configmaps?dryRun=All'), configMap({ metadata: { name: '', generateName: '' } }));
    await api.ask('PUT', api.core('configmaps/A'), configMap({ metadata: { name: 'A' } }));
    await api.ask('GET', api.core('configmaps/A%20b'));
  },
  'metadata that is not valid': async (api) => {
    const metadata: readonly Fields[] = [
      { labels: { 'a b': 'c' } },
      { labels: { a: 'b c' } },
      { labels: { a: 'x'.repeat(64) } },
      { labels: { ['x'.repeat(64)]: 'a' } },
      { labels: { 'UPPER.example.com/a': 'b' } },
      { labels: { '': 'b' } },
      { labels: { a: 1 } },
      { labels: { a: null } },
      { labels: [] },
      { annotations: { 'a b': 'c' } },
      { annotations: { a: 'x'.repeat(262_145) } },
      { annotations: { A: 'b' } },
      { finalizers: ['a'] },
      { finalizers: ['a/b/c'] },
      { finalizers: ['example.com/a', 'example.com/a'] },
      { ownerReferences: [{}] },
      { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: '' }] },
      { ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'o', uid: 'u' }] },
      { ownerReferences: [{ apiVersion: 'a/b/c', kind: 'X', name: 'o', uid: 'u' }] },
      { generation: -1 },
      { generateName: 'A_' },
      { creationTimestamp: 'yesterday' },
      { deletionGracePeriodSeconds: 'x' },
      { managedFields: [{ manager: 'm' }] },
      { managedFields: [{ manager: 'm', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV2', fieldsV1: {} }] },
    ];
    for (const one of metadata) await api.ask('POST', api.core('configmaps?dryRun=All'), configMap({ metadata: { name: 'c', ...one } }), { part: ({ metadata: _metadata, ...rest }) => rest });
  },
  'dry runs that are none': async (api) => {
    await made(api);
    await api.ask('PUT', `${one(api)}?dryRun=Some`, configMap());
    await api.ask('PATCH', `${one(api)}?dryRun=Some`, {}, { type: MERGE });
    await api.ask('PATCH', `${one(api)}?dryRun=Some&fieldManager=m`, configMap(), { type: APPLY });
    await api.ask('DELETE', `${one(api)}?dryRun=Some`);
    await api.ask('DELETE', one(api), { dryRun: ['Some', 'All'] });
    await api.ask('DELETE', `${api.core('configmaps')}?dryRun=Some`);
    await api.ask('POST', `${api.core('configmaps')}?dryRun=`, configMap({ metadata: { name: 'd' } }));
    await api.ask('POST', `${api.core('configmaps')}?dryRun=All&dryRun=All`, configMap({ metadata: { name: 'e' } }));
    await api.ask('POST', `${api.core('configmaps')}?dryRun=true`, configMap({ metadata: { name: 'e' } }));
    await api.ask('DELETE', mine(api, '&dryRun=All'), undefined, part);
    await api.ask('GET', one(api), undefined, part);
  },
  'managers that are none': async (api) => {
    await made(api);
    await api.ask('PATCH', `${one(api)}?fieldManager=${'m'.repeat(129)}`, {}, { type: MERGE });
    await api.ask('PATCH', `${one(api)}?fieldManager=${'m'.repeat(129)}`, configMap(), { type: APPLY });
    await api.ask('PUT', `${one(api)}?fieldManager=a%07b`, configMap());
    await api.ask('POST', `${api.core('configmaps')}?fieldManager=${'m'.repeat(129)}`, configMap({ metadata: { name: 'd' } }));
    await api.ask('PATCH', `${one(api)}?fieldManager=m&force=maybe`, configMap(), { type: APPLY });
    await api.ask('PATCH', one(api), { metadata: { managedFields: [{}] } }, { type: MERGE, owners: true });
    await api.ask('PATCH', `${one(api)}?fieldManager=n`, configMap({ metadata: { name: 'c', resourceVersion: '1' } }), { type: APPLY });
    await api.ask('PATCH', `${one(api)}?fieldManager=n`, configMap({ metadata: { name: 'c', uid: 'other' } }), { type: APPLY });
    await api.ask('PATCH', `${api.core('configmaps/none')}?fieldManager=n`, configMap({ metadata: { name: 'none', resourceVersion: '1' } }), { type: APPLY });
    await api.ask('PATCH', `${api.core('configmaps/none')}?fieldManager=n`, configMap({ metadata: { name: 'none', uid: '00000000-0000-0000-0000-000000000000' } }), { type: APPLY });
    await api.ask('PATCH', `${api.core('configmaps/d')}?fieldManager=n`, 'apiVersion: v1\nkind: ConfigMap\ndata: {a: "1", a: "2"}\n', { type: APPLY });
    await api.ask('PATCH', `${api.core('configmaps/d')}?fieldManager=n`, { apiVersion: 'v1', kind: 'ConfigMap', data: { a: 1 } }, { type: APPLY });
    await api.ask('PATCH', `${api.core('configmaps/d')}?fieldManager=n`, { apiVersion: 'v1', kind: 'ConfigMap', data: ['a'] }, { type: APPLY });
    await api.ask('PATCH', `${api.core('pods/p')}?fieldManager=n`, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i', nonsense: 1 }] } }, { type: APPLY });
  },
  'field validation of every write': async (api) => {
    await made(api);
    for (const validation of ['Strict', 'Warn', 'Sometimes']) {
      const query = `fieldValidation=${validation}&dryRun=All`;
      await api.ask('PUT', `${one(api)}?${query}`, configMap({ nonsense: 1 }));
      await api.ask('PATCH', `${one(api)}?${query}`, { nonsense: 1, metadata: { more: 2 } }, { type: MERGE, ...refused });
      await api.ask('PATCH', `${one(api)}?${query}`, [{ op: 'add', path: '/nonsense', value: 1 }], { type: JSON_PATCH, ...refused });
      await api.ask('PATCH', `${one(api)}?${query}`, { nonsense: 1 }, { type: STRATEGIC });
      await api.ask('PATCH', `${one(api)}?${query}`, '{"data":{"a":"1","a":"2"}}', { type: MERGE, ...refused });
      await api.ask('POST', `${api.core('configmaps')}?${query}`, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"},"Data":{}}');
    }
  },
  'patches of a wrong form': async (api) => {
    await made(api);
    const patch = (type: string, body: unknown): Promise<unknown> => api.ask('PATCH', one(api), body, { type, ...refused });
    await patch(MERGE, { data: { a: 1 } });
    await patch(MERGE, { data: 'x' });
    await patch(MERGE, { kind: 'Secret' });
    await patch(MERGE, { apiVersion: 'v2' });
    await patch(MERGE, '"x"');
    await patch(MERGE, 'null');
    await patch(MERGE, '');
    await patch(STRATEGIC, { data: { a: 1 } });
    await patch(STRATEGIC, { data: { $patch: 'nonsense' } });
    await patch(STRATEGIC, { metadata: { finalizers: 'x' } });
    await patch(STRATEGIC, []);
    await patch(STRATEGIC, '');
    await patch(JSON_PATCH, {});
    await patch(JSON_PATCH, [{ op: 'add' }]);
    await patch(JSON_PATCH, [{ op: 'replace', path: 'data', value: 1 }]);
    await patch(JSON_PATCH, [{ op: 'remove', path: '/metadata/name' }]);
    await patch(JSON_PATCH, [{ op: 'replace', path: '', value: {} }]);
    await patch(JSON_PATCH, [{ op: 'add', path: '/data/b', value: 1 }]);
    await patch(JSON_PATCH, []);
    await patch(JSON_PATCH, '[');
    await patch('application/json-patch+yaml', []);
    await patch('text/plain', 'x');
    await patch(MERGE, {});
  },
  'finalizers that come and go': async (api) => {
    await made(api, { metadata: { finalizers: ['example.com/a', 'example.com/b'] } });
    await api.ask('PATCH', one(api), { metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a'] } }, { type: STRATEGIC });
    await api.ask('DELETE', `${one(api)}?propagationPolicy=Foreground`);
    await api.ask('DELETE', `${one(api)}?propagationPolicy=Orphan`);
    await api.ask('PUT', one(api), configMap({ metadata: { name: 'c', finalizers: ['example.com/c'] } }));
    await api.ask('PATCH', `${one(api)}?dryRun=All`, [{ op: 'remove', path: '/metadata/finalizers' }], { type: JSON_PATCH, part: ({ metadata }) => ({ finalizers: (metadata as Fields)['finalizers'] }) });
    await api.ask('PATCH', one(api), { metadata: { deletionTimestamp: null, finalizers: ['example.com/b'] } }, { type: MERGE, part: ({ metadata }) => ({ finalizers: (metadata as Fields)['finalizers'], deleted: (metadata as Fields)['deletionTimestamp'] !== undefined }) });
    await api.quietly('PATCH', one(api), { metadata: { finalizers: null } }, { type: MERGE });
    await api.until(async () => (await api.quietly('GET', one(api))).code === 404);
  },
  'deletions with strange options': async (api) => {
    const end = async (): Promise<void> => {
      await api.quietly('PATCH', one(api), { metadata: { finalizers: null } }, { type: MERGE });
      await api.quietly('DELETE', one(api));
      await api.until(async () => (await made(api))['kind'] === 'ConfigMap');
    };
    await made(api);
    for (const query of ['propagationPolicy=Sometimes', 'propagationPolicy=background', 'orphanDependents=maybe', 'orphanDependents=true&propagationPolicy=Orphan', 'gracePeriodSeconds=x', 'gracePeriodSeconds=1.5', 'ignoreStoreReadErrorWithClusterBreakingPotential=true']) await api.ask('DELETE', `${one(api)}?${query}`, undefined, { part: ({ kind, code, reason, message, metadata }) => ({ kind, code, reason, message, finalizers: (metadata as Fields)['finalizers'] }) }).then(end);
    for (const body of [{ kind: 'Nonsense', apiVersion: 'v1' }, { kind: 'DeleteOptions', apiVersion: 'v9' }, { gracePeriodSeconds: 'x' }, { gracePeriodSeconds: 1.5 }, { propagationPolicy: 1 }, { preconditions: { uid: 1 } }, { preconditions: 'x' }, { nonsense: 1, dryRun: ['All'] }, 'nonsense', '[]']) await api.ask('DELETE', one(api), body).then(end);
    await api.ask('DELETE', one(api), '', { type: 'text/plain' }).then(end);
    await api.ask('DELETE', one(api)).then(end);
    await api.ask('DELETE', api.core('configmaps?propagationPolicy=Sometimes'));
    await api.ask('DELETE', api.core('configmaps'), { preconditions: { uid: 'x' } }, kindOnly);
  },
  'bodies of other sizes and types': async (api) => {
    await api.ask('POST', api.core('configmaps?dryRun=All'), configMap({ data: { a: 'x'.repeat(1_100_000) } }), kindOnly);
    await api.ask('POST', api.core('configmaps'), configMap({ data: { a: 'x'.repeat(3_200_000) } }), kindOnly);
    await api.ask('POST', api.core('secrets'), { metadata: { name: 's' }, stringData: { a: 'x'.repeat(1_048_577) } }, kindOnly);
    for (const type of ['application/json;charset=utf-8', 'application/xml', 'application/json; nonsense', 'json']) await api.ask('POST', api.core('configmaps?dryRun=All'), configMap(), { type });
    await api.ask('POST', api.core('configmaps?dryRun=All'), { apiVersion: 'v1', kind: 'ConfigMapList', items: [] });
    await api.ask('POST', api.core('configmaps?dryRun=All'), { apiVersion: 'v1', kind: 'List', items: [] });
    await api.ask('POST', api.core('configmaps?dryRun=All'), { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'c' } });
    await api.ask('POST', api.core('configmaps?dryRun=All'), { apiVersion: 'none.example.com/v1', kind: 'Thing', metadata: { name: 'c' } });
    await api.ask('POST', api.core('configmaps?dryRun=All'), { kind: 'ConfigMap', metadata: { name: 'c' } });
    await api.ask('POST', api.core('configmaps?dryRun=All'), { apiVersion: 'v1', metadata: { name: 'c' } });
    await api.ask('POST', api.core('configmaps?dryRun=All'), '{"metadata":{"name":"c"}} trailing');
    await api.ask('POST', api.core('configmaps?dryRun=All'), 'null');
    await api.ask('POST', api.core('configmaps?dryRun=All'), {});
  },
  'what may not change': async (api) => {
    const patch = (path: string, body: Fields): Promise<unknown> => api.ask('PATCH', path, body, { type: MERGE });
    await made(api, { immutable: true });
    await patch(one(api), { data: { a: '2' } });
    await patch(one(api), { immutable: false });
    await api.quietly('POST', api.core('secrets'), { metadata: { name: 's' }, type: 'example.com/a' });
    await patch(api.core('secrets/s'), { type: 'example.com/b' });
    const template = { metadata: { labels: { a: 'b' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
    await api.quietly('POST', api.apis('batch/v1', 'jobs'), { metadata: { name: 'j' }, spec: { suspend: true, parallelism: 0, template } });
    await patch(api.apis('batch/v1', 'jobs/j'), { spec: { completions: 7 } });
    await patch(api.apis('batch/v1', 'jobs/j'), { spec: { backoffLimit: 1 } });
    await patch(api.apis('batch/v1', 'jobs/j'), { spec: { completionMode: 'Indexed' } });
    await api.quietly('POST', api.apis('batch/v1', 'jobs'), { metadata: { name: 'k' }, spec: { parallelism: 0, template } });
    const image = { template: { spec: { containers: [{ name: 'c', image: 'j' }] } } };
    await api.ask('PATCH', api.apis('batch/v1', 'jobs/k'), { spec: image }, { type: MERGE, part: ({ code, reason, details }) => ({ code, reason, fields: ((details as Fields)['causes'] as Fields[]).map((cause) => cause['field']) }) });
    const always = { ...template, spec: { ...template.spec, restartPolicy: 'Always' } };
    await api.quietly('POST', api.apis('apps/v1', 'statefulsets'), { metadata: { name: 's' }, spec: { replicas: 0, serviceName: 's', selector: { matchLabels: { a: 'b' } }, template: always } });
    await patch(api.apis('apps/v1', 'statefulsets/s'), { spec: { serviceName: 'other' } });
    await patch(api.apis('apps/v1', 'statefulsets/s'), { spec: { podManagementPolicy: 'Parallel' } });
    await api.quietly('POST', api.apis('apps/v1', 'daemonsets'), { metadata: { name: 's' }, spec: { selector: { matchLabels: { a: 'b' } }, template: { ...always, spec: { ...always.spec, nodeSelector: { contract: 'none' } } } } });
    await patch(api.apis('apps/v1', 'daemonsets/s'), { spec: { selector: { matchLabels: { a: 'c' } } } });
    await api.quietly('POST', api.core('persistentvolumeclaims'), { metadata: { name: 's' }, spec: { storageClassName: 'none', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } });
    await patch(api.core('persistentvolumeclaims/s'), { spec: { accessModes: ['ReadOnlyMany'] } });
    await api.quietly('POST', api.apis('discovery.k8s.io/v1', 'endpointslices'), { metadata: { name: 's' }, addressType: 'IPv4', endpoints: [] });
    await patch(api.apis('discovery.k8s.io/v1', 'endpointslices/s'), { addressType: 'IPv6' });
    await api.quietly('POST', api.apis('rbac.authorization.k8s.io/v1', 'rolebindings'), { metadata: { name: 's' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' } });
    await patch(api.apis('rbac.authorization.k8s.io/v1', 'rolebindings/s'), { roleRef: { name: 'other' } });
  },
  'subresources of what is not there': async (api) => {
    await api.quietly('POST', api.core('pods'), pod());
    await api.ask('POST', api.core('pods/none/eviction'), { metadata: { name: 'none' } });
    await api.ask('POST', api.core('pods/p/eviction'), { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'other' } });
    await api.ask('POST', api.core('pods/p/eviction'), { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' }, deleteOptions: { dryRun: ['Some'] } });
    await api.ask('POST', api.core('pods/p/binding'), { metadata: { name: 'p' }, target: { kind: 'Node' } });
    await api.ask('POST', api.core('pods/p/binding'), { metadata: { name: 'other' }, target: { kind: 'Node', name: 'n' } });
    await api.ask('POST', api.core('pods/p/binding'), { metadata: { name: 'p' }, target: { kind: 'Pod', name: 'n' } });
    await api.ask('PUT', api.core('pods/none/status'), { metadata: { name: 'none' }, status: {} });
    await api.ask('PATCH', api.core('pods/none/status'), { status: {} }, { type: MERGE });
    await api.ask('PATCH', api.apis('apps/v1', 'deployments/none/scale'), { spec: { replicas: 1 } }, { type: MERGE });
    await api.ask('PUT', `/api/v1/namespaces/${api.name('none')}/finalize`, { metadata: { name: api.name('none') }, spec: {} });
    await api.ask('POST', api.core('serviceaccounts/none/token'), { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } });
  },
};
