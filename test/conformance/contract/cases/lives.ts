import type { Fields } from '../../../../agent/apiserver/kube-object.js';
import { APPLY, JSON_PATCH, MERGE, STRATEGIC, TABLE, bodyOf, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';
import { KINDS, type Example } from './kinds.js';

/** The life of one object of each kind: made, read, changed in every way, gone. */
export const lives: Cases = Object.fromEntries(KINDS.map((example) => [`${example.kind} lives`, (api: Dialogue) => live(api, example)]));

async function live(api: Dialogue, example: Example): Promise<void> {
  const { all, one, object } = placed(api, example);
  if (example.cluster === true) api.removeLater(one);
  const create = (extra: Fields = {}): Fields => ({ ...object, ...extra });
  await api.ask('POST', `${all}?dryRun=All`, create());
  await api.ask('GET', one);
  await api.ask('POST', all, create(), { owners: true });
  await api.ask('POST', all, create());
  await settle(api, example, one);
  const made = bodyOf(await api.ask('GET', one));
  await api.ask('GET', `${all}?labelSelector=contract%3D${api.token}`, undefined, { accept: TABLE, part: columnsAndCells });
  await api.ask('POST', `${all}?fieldValidation=Strict`, create({ nonsense: 1 }));
  await api.ask('PUT', `${one}?dryRun=All`, { ...made, nonsense: 1 });
  await api.ask('PATCH', one, { metadata: { labels: { merged: 'yes' } } }, { type: MERGE });
  await api.ask('PATCH', one, [{ op: 'add', path: '/metadata/annotations', value: { patched: 'yes' } }], { type: JSON_PATCH });
  await api.ask('PATCH', one, { metadata: { labels: { strategic: 'yes' } } }, { type: STRATEGIC });
  await api.ask('PATCH', `${one}?fieldManager=applier`, { apiVersion: example.apiVersion, kind: example.kind, metadata: { labels: { applied: 'yes' } } }, { type: APPLY, owners: true });
  await api.ask('PUT', one, made);
  const { resourceVersion: _stale, ...metadata } = made['metadata'] as Fields;
  await api.ask('PUT', one, { ...made, metadata });
  if (example.status !== undefined) await liveStatus(api, one, example.status);
  await api.quietly('PATCH', one, { metadata: { finalizers: null } }, { type: MERGE });
  await api.ask('DELETE', `${one}?dryRun=All&propagationPolicy=Background`);
  await api.ask('DELETE', `${one}?propagationPolicy=Background`);
  await api.until(async () => (await api.quietly('GET', one)).code === 404);
}

/** A definition is established a moment after it is made. */
async function settle(api: Dialogue, { kind }: Example, one: string): Promise<void> {
  if (kind === 'CustomResourceDefinition') await api.until(async () => JSON.stringify((await api.quietly('GET', one)).body).includes('Established'));
}

async function liveStatus(api: Dialogue, one: string, status: Fields): Promise<void> {
  await api.ask('PATCH', `${one}/status`, { metadata: { labels: { inStatus: 'yes' } }, spec: { nonsense: 1 }, status }, { type: MERGE });
  await api.ask('GET', `${one}/status`);
  await api.ask('PATCH', one, { status: null, metadata: { labels: { after: 'status' } } }, { type: MERGE });
}

/** Where objects of a kind are in the case, and the kind's example there. */
export function placed(api: Dialogue, { apiVersion: version, kind, resource, object, cluster, name }: Example): { all: string; one: string; object: Fields } {
  const apiVersion = version.replace('TOKEN', api.token);
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const all = cluster === true ? `${root}/${resource}` : `${root}/namespaces/${api.namespace}/${resource}`;
  const given = name?.(api) ?? (cluster === true ? api.name('example') : 'example');
  const body = typeof object === 'function' ? object(api) : object;
  return { all, one: `${all}/${given}`, object: { apiVersion, kind, metadata: { name: given, labels: { contract: api.token } }, ...body } };
}

/** Of a Table what is printed; the objects in its rows are those that other requests show. */
function columnsAndCells(table: Fields): unknown {
  const columns = (table['columnDefinitions'] as Fields[] | undefined) ?? [];
  const ages = columns.flatMap((column, index) => (['Age', 'Last Seen', 'First Seen', 'Created At'].includes(String(column['name'])) ? [index] : []));
  const rows = ((table['rows'] as Fields[] | undefined) ?? []).map((row) => (row['cells'] as unknown[]).map((cell, index) => (ages.includes(index) ? 'AGE' : cell)));
  return { kind: table['kind'], columns: columns.map((column) => [column['name'], column['type'], column['format'], column['priority']]), rows };
}
