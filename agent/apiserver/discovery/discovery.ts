import { apiVersionOf, type Fields } from '../kube-object.js';
import type { Kind } from '../registry/kind.js';
import type { Registry } from '../registry/registry.js';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** Namespaces are deleted one by one. */
const verbsOf = ({ strategy }: Kind): string[] => (strategy.goesAlone === true ? VERBS.filter((verb) => verb !== 'deletecollection') : VERBS);

/** Reported by /version. The models that give the schemas are of a newer Kubernetes, the behaviour is of this one. */
export const VERSION: Fields = { major: '1', minor: '33', gitVersion: 'v1.33.1+canal', gitCommit: '', gitTreeState: 'clean', buildDate: '1970-01-01T00:00:00Z', goVersion: `node ${process.version}`, compiler: 'v8', platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}` };

interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

/** Subresources of each kind beyond status and scale. */
const SUBRESOURCES: Readonly<Record<string, readonly Subresource[]>> = {
  Pod: [
    { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
  ],
  Namespace: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
  ServiceAccount: [{ name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] }],
};

export function subresourcesOf(kind: Kind): Subresource[] {
  return [
    ...(kind.hasStatus ? [{ name: 'status', kind: kind.kind, verbs: ['get', 'patch', 'update'] }] : []),
    ...(kind.scale ? [{ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: ['get', 'patch', 'update'] }] : []),
    ...(kind.custom ? [] : (SUBRESOURCES[kind.kind] ?? [])),
  ];
}

/** /api */
export function apiVersions(address: string): Fields {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }] };
}

/** /apis */
export function apiGroupList(registry: Registry): Fields {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: registry.groups().filter((group) => group !== '').map((group) => groupFields(registry, group)) };
}

/** /apis/GROUP; undefined for an unknown one. */
export function apiGroup(registry: Registry, group: string): Fields | undefined {
  return group !== '' && registry.groups().includes(group) ? { kind: 'APIGroup', apiVersion: 'v1', ...groupFields(registry, group) } : undefined;
}

function groupFields(registry: Registry, group: string): Fields {
  const versions = registry.versions(group).map((version) => ({ groupVersion: apiVersionOf(group, version), version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

/** /api/v1 and /apis/GROUP/VERSION; undefined for an unknown one. */
export function apiResourceList(registry: Registry, group: string, version: string): Fields | undefined {
  const kinds = registry.kinds.filter((kind) => kind.group === group && kind.version === version);
  if (kinds.length === 0 && group !== 'authorization.k8s.io') return undefined;
  const resources = kinds.flatMap((kind) => [
    {
      name: kind.resource,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: verbsOf(kind),
      ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
      ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    },
    ...subresourcesOf(kind).map((sub) => ({
      name: `${kind.resource}/${sub.name}`,
      singularName: '',
      namespaced: kind.namespaced,
      ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ]);
  return { kind: 'APIResourceList', ...(group === '' ? {} : { apiVersion: 'v1' }), groupVersion: apiVersionOf(group, version), resources };
}

/** Aggregated discovery v2 of /api (core) or /apis (the rest), which kubectl asks for first. */
export function aggregatedDiscovery(registry: Registry, core: boolean): Fields {
  const groups = registry.groups().filter((group) => (group === '') === core);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map((group) => ({
      metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
      versions: registry.versions(group).map((version) => ({
        version,
        resources: registry.kinds.filter((kind) => kind.group === group && kind.version === version).map(discoveredResource),
        freshness: 'Current',
      })),
    })),
  };
}

/** Built-in kinds leave group and version to the entry above them; custom ones repeat them. */
function responseKind({ custom, group, version }: Kind, kind: string): Fields {
  return custom ? { group, version, kind } : { group: '', version: '', kind };
}

function discoveredResource(kind: Kind): Fields {
  const subresources = subresourcesOf(kind).toSorted((a, b) => (a.name < b.name ? -1 : 1)).map((sub) => ({
    subresource: sub.name,
    responseKind: sub.group === undefined ? responseKind(kind, sub.kind) : { group: sub.group, version: sub.version, kind: sub.kind },
    verbs: sub.verbs,
  }));
  return {
    resource: kind.resource,
    responseKind: responseKind(kind, kind.kind),
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: verbsOf(kind),
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}
