import { textAt, type Fields } from '../../../../agent/apiserver/kube-object.js';
import type { Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';
import { KINDS } from './kinds.js';

const GROUPS = [...new Set(KINDS.map(({ apiVersion }) => apiVersion))];
const root = (apiVersion: string): string => (apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`);

/** A real server has resources that this repository has no use for: only those of the examples are compared. */
const known = new Set(KINDS.map(({ resource }) => resource));
const resources = (list: Fields): unknown => ({
  ...list,
  resources: (list['resources'] as Fields[] | undefined)
    ?.filter(({ name }) => known.has(String(name)))
    .map(({ storageVersionHash: _hash, ...rest }) => rest)
    .toSorted((a, b) => (String(a['name']) < String(b['name']) ? -1 : 1)),
});

/** Of subresources, those that every kind may have; the rest are for kubelets and schedulers. */
function withoutRareSubresources({ subresources, ...resource }: Fields): Fields {
  const common = ((subresources ?? []) as Fields[]).filter(({ subresource }) => subresource === 'status' || subresource === 'scale');
  return { ...resource, subresources: common };
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const aggregated = ({ kind, apiVersion, items }: Fields): unknown => ({
  kind,
  apiVersion,
  items: (items as Fields[])
    .map(({ metadata, versions }) => ({ name: textAt(metadata, 'name'), versions: (versions as Fields[]).filter(({ version }) => version === 'v1').map((one) => ({ ...one, resources: (one['resources'] as Fields[]).filter(({ resource }) => known.has(String(resource))).map(withoutRareSubresources).toSorted((a, b) => (String(a['resource']) < String(b['resource']) ? -1 : 1)) })) }))
    .filter(({ name, versions }) => GROUPS.includes(name === '' ? 'v1' : `${name}/v1`) && versions.length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
});

/** What kubectl's explain, validation and apply read of a kind: its name, its fields and their types. */
const fieldsOfKind = (kind: string) => (document: Fields): unknown => {
  const { schemas } = document['components'] as { schemas: Record<string, Fields> };
  const [, schema] = Object.entries(schemas).find(([, one]) => (one['x-kubernetes-group-version-kind'] as Fields[] | undefined)?.some((gvk) => gvk['kind'] === kind)) ?? [];
  const properties = (schema?.['properties'] ?? {}) as Record<string, Fields>;
  return { gvk: schema?.['x-kubernetes-group-version-kind'], required: (schema?.['required'] as string[] | undefined)?.toSorted(), properties: Object.fromEntries(Object.entries(properties).map(([name, { type }]) => [name, type ?? 'reference'])) };
};

async function eachGroup(ask: (apiVersion: string) => Promise<unknown>): Promise<void> {
  for (const apiVersion of GROUPS) await ask(apiVersion);
}

export const discovery: Cases = {
  'each group lists its resources': (api: Dialogue) => eachGroup((apiVersion) => api.ask('GET', root(apiVersion), undefined, { part: resources })),
  'each group tells its versions': (api) => eachGroup(async (apiVersion) => (apiVersion === 'v1' ? undefined : api.ask('GET', `/apis/${apiVersion.split('/')[0] ?? ''}`, undefined, { part: ({ kind, apiVersion: own, name, preferredVersion }) => ({ kind, apiVersion: own, name, preferredVersion }) }))),
  'the core API tells its version': async (api) => {
    await api.ask('GET', '/api', undefined, { part: ({ kind, versions }) => ({ kind, versions }) });
  },
  'aggregated discovery tells all at once': async (api) => {
    await api.ask('GET', '/api', undefined, { accept: AGGREGATED, part: aggregated });
    await api.ask('GET', '/apis', undefined, { accept: AGGREGATED, part: aggregated });
  },
  'the version is that of Kubernetes': async (api) => {
    await api.ask('GET', '/version', undefined, { part: ({ major, minor }) => ({ major, minor }) });
  },
  'health is told in a word': async (api) => {
    for (const path of ['/healthz', '/livez', '/readyz']) await api.ask('GET', path);
  },
  'OpenAPI v3 has a document for each group': async (api) => {
    await api.ask('GET', '/openapi/v3', undefined, { part: ({ paths }) => GROUPS.map((apiVersion) => [apiVersion, root(apiVersion).slice(1) in (paths as Fields)]) });
  },
  'OpenAPI v3 describes each kind': async (api) => {
    for (const { apiVersion, kind } of KINDS) await api.ask('GET', `/openapi/v3${root(apiVersion)}`, undefined, { part: fieldsOfKind(kind) });
  },
};
