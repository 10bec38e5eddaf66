import { createHash } from 'node:crypto';
import { apiVersionOf, type Fields } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import type { Registry } from '../registry/registry.js';
import { definitionName, schemaDefinitions } from './openapi-schemas.js';

/** /openapi/v3: where each group version's document is. The hash lets clients cache. */
export function openApiIndex(registry: Registry): Fields {
  const paths: Fields = {};
  for (const group of registry.groups()) {
    for (const version of registry.versions(group)) {
      const path = rootOf(group, version).slice(1);
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(registry, group, version)}` };
    }
  }
  return { paths };
}

/** /openapi/v3/api/v1 and the like; undefined for a group version that is not served. */
export function openApiV3(registry: Registry, group: string, version: string): Fields | undefined {
  const kinds = registry.kinds.filter((kind) => kind.group === group && kind.version === version);
  if (kinds.length === 0) return undefined;
  const paths: Fields = {};
  for (const kind of kinds) Object.assign(paths, pathsOf(kind, parametersV3));
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: 'v1.33.1' }, paths, components: { schemas: schemaDefinitions(kinds, 3) } };
}

/** /openapi/v2. */
export function openApiV2(registry: Registry): Fields {
  const paths: Fields = {};
  for (const kind of registry.kinds) Object.assign(paths, pathsOf(kind, parametersV2));
  return { swagger: '2.0', info: { title: 'Kubernetes', version: 'v1.33.1' }, paths, definitions: schemaDefinitions(registry.kinds, 2) };
}

const rootOf = (group: string, version: string): string => (group === '' ? `/api/${version}` : `/apis/${apiVersionOf(group, version)}`);

function hashOf(registry: Registry, group: string, version: string): string {
  const kinds = registry.kinds.filter((kind) => kind.group === group && kind.version === version);
  return createHash('sha256').update(JSON.stringify(kinds.map((kind) => [kind.kind, kind.custom ? JSON.stringify(kind.schema, schemaReplacer) : ''])).concat(process.version)).digest('hex').toUpperCase();
}

const schemaReplacer = (_key: string, value: unknown): unknown => (value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value);

type Parameters = (names: readonly string[]) => Fields[];

const parametersV3: Parameters = (names) => names.map((name) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } }));
const parametersV2: Parameters = (names) => names.map((name) => ({ name, in: 'query', type: 'string', uniqueItems: true }));

/** Operations as far as kubectl looks at them: their kind and their query parameters. */
function pathsOf(kind: Kind, parameters: Parameters): Fields {
  const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
  const root = `${rootOf(kind.group, kind.version)}${kind.namespaced ? '/namespaces/{namespace}' : ''}/${kind.resource}`;
  const operation = (action: string, names: readonly string[]): Fields => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
    operationId: `${action}${definitionName(kind)}`,
    parameters: parameters(names),
    responses: { '200': { description: 'OK' } },
  });
  const write = ['dryRun', 'fieldManager', 'fieldValidation'];
  const read = ['allowWatchBookmarks', 'continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion', 'resourceVersionMatch', 'sendInitialEvents', 'timeoutSeconds', 'watch'];
  return {
    [root]: { get: operation('list', read), post: operation('post', write), delete: operation('deletecollection', [...read, 'dryRun']) },
    [`${root}/{name}`]: {
      get: operation('get', []),
      put: operation('put', write),
      patch: operation('patch', [...write, 'force']),
      delete: operation('delete', ['dryRun', 'gracePeriodSeconds', 'propagationPolicy']),
    },
  };
}
