import type { Fields } from '../../../../agent/apiserver/kube-object.js';
import { APPLY, JSON_PATCH, MERGE, STRATEGIC, TABLE, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const schema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 9 },
        colour: { type: 'string', enum: ['red', 'blue'], default: 'red' },
        code: { type: 'string', pattern: '^[a-z]+$', maxLength: 5 },
        replicas: { type: 'integer' },
        parts: { type: 'array', maxItems: 2, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, count: { type: 'integer', default: 1 } } } },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, phase: { type: 'string' } } },
  },
};

/** Defines `things`, and waits until they are served. @returns the path of those of the case */
async function define(api: Dialogue): Promise<string> {
  const group = `g-${api.token}.example.com`;
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } }, additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }, { name: 'Phase', type: 'string', jsonPath: '.status.phase', priority: 1 }] };
  await api.quietly('POST', DEFINITIONS, { metadata: { name: `things.${group}` }, spec: { group, scope: 'Namespaced', names: { plural: 'things', kind: 'Thing', shortNames: ['th'] }, versions: [version] } });
  api.removeLater(`${DEFINITIONS}/things.${group}`);
  const path = api.apis(`${group}/v1`, 'things');
  await api.until(async () => (await api.quietly('GET', path)).code === 200);
  return path;
}

const thing = (api: Dialogue, spec: Fields, extra: Fields = {}): Fields => ({ apiVersion: `g-${api.token}.example.com/v1`, kind: 'Thing', metadata: { name: 'x' }, spec, ...extra });

export const custom: Cases = {
  'a custom object lives': async (api) => {
    const all = await define(api);
    await api.ask('POST', all, thing(api, { size: 1, parts: [{ name: 'a' }], free: { any: [1] } }, { status: { phase: 'ignored' } }), { owners: true });
    await api.ask('GET', all);
    await api.ask('GET', all, undefined, { accept: TABLE, part: ({ columnDefinitions, rows }) => ({ columns: (columnDefinitions as Fields[]).map(({ name, type, priority }) => ({ name, type, priority })), cells: ((rows as Fields[])[0]?.['cells'] as unknown[]).slice(0, 3) }) });
    await api.ask('PATCH', `${all}/x`, { spec: { size: 2 } }, { type: MERGE });
    await api.ask('PATCH', `${all}/x`, { metadata: { labels: { a: 'b' } } }, { type: MERGE });
    await api.ask('PATCH', `${all}/x`, [{ op: 'add', path: '/spec/parts/-', value: { name: 'b', count: 3 } }], { type: JSON_PATCH });
    await api.ask('PATCH', `${all}/x`, { spec: { size: 3 } }, { type: STRATEGIC });
    await api.ask('PATCH', `${all}/x?fieldManager=other`, thing(api, { size: 2, parts: [{ name: 'b', count: 4 }] }), { type: APPLY });
    await api.ask('PATCH', `${all}/x?fieldManager=other&force=true`, thing(api, { size: 2, parts: [{ name: 'b', count: 4 }] }), { type: APPLY, owners: true });
    await api.ask('PATCH', `${all}/x/status`, { spec: { size: 7 }, status: { phase: 'Done', replicas: 2 } }, { type: MERGE });
    await api.ask('GET', `${all}/x/scale`);
    await api.ask('PATCH', `${all}/x/scale`, { spec: { replicas: 4 } }, { type: MERGE });
    await api.ask('GET', `${all}/x`);
    await api.ask('PUT', `${all}/x`, thing(api, { size: 1 }));
    await api.ask('DELETE', `${all}/x`);
  },
  'its schema is held': async (api) => {
    const all = await define(api);
    const bad: Fields[] = [{}, { size: 0 }, { size: 10 }, { size: 'one' }, { size: 1.5 }, { size: 1, colour: 'green' }, { size: 1, code: 'ABC' }, { size: 1, code: 'abcdef' }, { size: 1, parts: [{ count: 1 }] }, { size: 1, parts: [{ name: 'a' }, { name: 'a' }] }, { size: 1, parts: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] }, { size: 1, unknown: 'x' }];
    for (const spec of bad) await api.ask('POST', `${all}?dryRun=All`, thing(api, spec));
    await api.ask('POST', `${all}?dryRun=All&fieldValidation=Strict`, thing(api, { size: 1, unknown: 'x' }));
    await api.ask('POST', `${all}?dryRun=All`, { ...thing(api, {}), spec: undefined });
  },
  'a definition has to make sense': async (api) => {
    const group = `g-${api.token}.example.com`;
    const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } };
    const names = { plural: 'things', kind: 'Thing' };
    const specs: Fields[] = [{}, { group, names, scope: 'Perhaps', versions: [version] }, { group, names, scope: 'Cluster', versions: [] }, { group, names, scope: 'Cluster', versions: [{ ...version, storage: false }] }, { group, names, scope: 'Cluster', versions: [{ ...version, schema: undefined }] }, { group: 'other.example.com', names, scope: 'Cluster', versions: [version] }];
    for (const spec of specs) await api.ask('POST', `${DEFINITIONS}?dryRun=All`, { metadata: { name: `things.${group}` }, spec });
  },
  'its objects go with the definition': async (api) => {
    const all = await define(api);
    await api.quietly('POST', all, thing(api, { size: 1 }));
    await api.quietly('DELETE', `${DEFINITIONS}/things.g-${api.token}.example.com`);
    await api.until(async () => (await api.quietly('GET', all)).code === 404);
    await api.ask('GET', `${DEFINITIONS}/things.g-${api.token}.example.com`);
  },
};
