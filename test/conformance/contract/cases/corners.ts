import { textAt } from '../../../../agent/apiserver/kube-object.js';
import { MERGE, TABLE } from '../dialogue.js';
import type { Cases } from './areas.js';
import { configMap, cornersOfWrites, kindOnly, made, mine, one, part, pod } from './corners-of-writes.js';

const label = (selector: string): string => `labelSelector=${encodeURIComponent(selector)}`;
const field = (selector: string): string => `fieldSelector=${encodeURIComponent(selector)}`;

/** What few ask for, and most by mistake. */
export const corners: Cases = {
  'label selectors: what parses and what does not': async (api) => {
    await made(api);
    for (const text of ['a=b,', ',', 'a,,b', 'a in (b', 'a in b', 'a in (b c)', 'a in (b,,c)', 'a in (,)', 'a notin', '!a=b', '!', '!!a', 'a!', 'a!b', 'a==', 'a= ,!contract', 'in in (in)', 'notin', 'a=notin', 'a >1', 'a>', 'a<1.5', 'a>=1', 'a=(b)', 'a b=c', 'a/b/c=d', '/a=b', `${'x'.repeat(64)}=y`, `a=${'x'.repeat(64)}`, 'a in (b d,-)', 'a=-,b', 'a;b', 'a=b;c', 'ä=b', 'a&b', '(a)']) {
      await api.ask('GET', api.core(`configmaps?${label(text)}`), undefined, part);
    }
  },
  'field selectors: what parses and what does not': async (api) => {
    await made(api);
    for (const text of ['metadata.name=c,', ',', '=', 'metadata.name', 'metadata.name==c', 'metadata.name=c,metadata.name=d', 'metadata.name!=', 'metadata.name=a\\,b', 'metadata.name=a\\b', 'metadata.name=a=b', ' metadata.name = c ', 'metadata.uid=x']) await api.ask('GET', mine(api, `&${field(text)}`), undefined, part);
    await api.ask('GET', api.core(`secrets?${field('type=Opaque')}`), undefined, part);
    await api.ask('GET', api.core(`services?${field('spec.none=1')}`), undefined, part);
    await api.ask('GET', api.apis('apps/v1', `deployments?${field('spec.replicas=1')}`), undefined, part);
    await api.ask('GET', api.apis('batch/v1', `jobs?${field('spec.none=1')}`), undefined, part);
    await api.ask('GET', `/api/v1/nodes?${field('spec.none=1')}`, undefined, part);
    await api.ask('GET', `/api/v1/namespaces?${field('spec.none=1')}`, undefined, part);
    await api.ask('GET', api.core(`events?${field('none=1')}`), undefined, part);
    await api.watch(api.core(`configmaps?watch=true&${field('spec.none=1')}`), 1);
    await api.ask('DELETE', api.core(`configmaps?${field('spec.none=1')}`));
    await api.ask('DELETE', api.core(`configmaps?${label('a=b=c')}`));
  },
  'pages with another question': async (api) => {
    for (const name of ['a', 'b', 'c', 'd']) await api.quietly('POST', api.core('configmaps'), { metadata: { name, labels: { contract: api.token, name, set: api.token } } });
    const token = encodeURIComponent(textAt((await api.ask('GET', mine(api, '&limit=1'), undefined, part)).body, 'metadata', 'continue'));
    await api.ask('GET', api.core(`configmaps?labelSelector=name+in+(b,d),set=${api.token}&continue=${token}`), undefined, { ...part, shown: 'another selector' });
    await api.ask('GET', mine(api, `&limit=2&continue=${token}`), undefined, { ...part, shown: 'another limit' });
    await api.ask('GET', mine(api, `&continue=${token}`), undefined, { ...part, accept: TABLE, shown: 'the rest as a table' });
    await api.ask('GET', mine(api, `&continue=${token}&resourceVersion=5`), undefined, { ...part, shown: 'a version too' });
    await api.ask('GET', mine(api, `&continue=${token}&resourceVersion=0`), undefined, { ...part, shown: 'any version too' });
    await api.ask('GET', mine(api, `&continue=${token}&resourceVersionMatch=Exact&resourceVersion=1`), undefined, { ...part, shown: 'a match too' });
    for (const bad of ['%25', 'bm8', 'e30', 'eyJydiI6LTF9', 'eyJ2IjoibWV0YS5rOHMuaW8vdjkifQ']) await api.ask('GET', mine(api, `&continue=${bad}`), undefined, part);
  },
  'versions of lists': async (api) => {
    await made(api);
    for (const more of ['&resourceVersion=-1', '&resourceVersion=1.5', '&resourceVersion=&resourceVersionMatch=', '&resourceVersion=0&resourceVersionMatch=NotOlderThan', '&resourceVersion=0&limit=1', '&resourceVersionMatch=NotOlderThan', '&resourceVersionMatch=exact&resourceVersion=1', '&resourceVersion=x&resourceVersionMatch=Exact', '&resourceVersion=x&resourceVersionMatch=NotOlderThan', '&limit=-1', '&limit=1.5', '&limit=99999999999999999999', '&timeoutSeconds=x', '&timeoutSeconds=0', '&allowWatchBookmarks=maybe', '&nonsense=1', '&pretty=true']) {
      await api.ask('GET', mine(api, more), undefined, part);
    }
    await api.ask('GET', mine(api, '&resourceVersion=99999999999&resourceVersionMatch=Exact'), undefined, part);
    await api.ask('GET', mine(api, '&resourceVersion=99999999999'), undefined, part);
  },
  'versions of watches': async (api) => {
    for (const more of ['resourceVersion=-1', 'resourceVersion=1.5', 'timeoutSeconds=x', 'labelSelector=a%3Db%3Dc', 'resourceVersionMatch=Exact&resourceVersion=1', 'limit=x', 'sendInitialEvents=maybe']) await api.watch(api.core(`configmaps?watch=true&${more}`), 1);
    await api.watch(api.core('nothings?watch=true'), 1);
    await made(api);
    await api.watch(mine(api, '&watch=maybe'), 1);
  },
  'one object with parameters of lists': async (api) => {
    await made(api);
    for (const query of ['resourceVersion=0', 'resourceVersion=1', 'resourceVersion=x', 'resourceVersion=99999999999', 'labelSelector=none', 'limit=x']) await api.ask('GET', `${one(api)}?${query}`, undefined, part);
  },
  'forms that are asked for': async (api) => {
    await made(api);
    const accepts = ['application/json;as=Table;v=v9;g=meta.k8s.io', 'application/json;as=Table;v=v9;g=meta.k8s.io,application/json', 'application/json;as=Table;v=v1;g=none.example.com', 'application/json;as=Table', 'application/json;as=Nonsense;v=v1;g=meta.k8s.io', 'application/json;as=PartialObjectMetadata;v=v9;g=meta.k8s.io', 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io', 'text/html', 'text/html,*/*', '*/*', 'application/*', 'application/json;charset=utf-8', 'application/json;stream=watch', 'nonsense', 'application/json;q=0.1,text/plain', ''];
    for (const accept of accepts) await api.ask('GET', one(api), undefined, { accept, ...kindOnly });
    for (const accept of [...accepts.slice(0, 7), 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io']) await api.ask('GET', mine(api, ''), undefined, { accept, ...kindOnly });
    await api.ask('GET', mine(api, '&includeObject=Nonsense'), undefined, { accept: TABLE, ...kindOnly });
    await api.ask('POST', api.core('configmaps'), configMap({ metadata: { name: 'd' } }), { accept: TABLE, ...kindOnly });
    await api.ask('POST', api.core('configmaps'), configMap({ metadata: { name: 'e' } }), { accept: 'text/html', ...kindOnly });
    await api.ask('GET', api.core('configmaps/none'), undefined, { accept: TABLE });
    await api.watch(mine(api, '&watch=true'), 1, undefined, { accept: 'application/json;as=Table;v=v9;g=meta.k8s.io' });
    await api.ask('DELETE', one(api), undefined, { accept: TABLE, ...kindOnly });
  },
  'YAML is answered and understood': async (api) => {
    const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: made\ndata:\n  a: "1"\n';
    await api.ask('POST', api.core('configmaps'), text, { type: 'application/yaml' });
    await api.ask('POST', api.core('configmaps'), `${text}  a: "2"\n`, { type: 'application/yaml' });
    await api.ask('POST', api.core('configmaps'), 'a: [', { type: 'application/yaml', ...kindOnly });
    await api.ask('GET', api.core('configmaps/none'), undefined, { accept: 'application/yaml' });
    await api.ask('GET', api.core('configmaps/made'), undefined, { accept: 'application/yaml' });
    await api.ask('PATCH', api.core('configmaps/made'), 'data: {a: "3"}', { type: 'application/merge-patch+yaml' });
  },
  'paths that few take': async (api) => {
    await made(api);
    const paths = ['/api/v1/configmaps/c', `/api/v1/namespaces/${api.namespace}/nodes`, `/api/v1/namespaces/${api.namespace}/namespaces`, api.core('configmaps/c/nonsense'), api.core('configmaps/c/status/more'), api.core('pods/none/nonsense'), api.core('nothings/x'), api.apis('apps/v1', 'configmaps'), api.apis('apps/v1', 'deployments/none/scale'), api.apis('apps/v1beta1', 'deployments'), '/apis/none.example.com', '/apis/none.example.com/v1', '/apis/apps/v1/nothings', '/apis/apps/v1/deployments/x', '/api/v1/', '/apis/apps/', '/apis/apps/v1/', '/api/v9', '/apis/apps/v9/deployments', '/nonsense', '/api/v1/namespaces/x/', '/openapi/v3/apis/none/v1', '/openapi/nonsense', '/openapi/v3/nonsense', '/healthz/nonsense', '/livez/ping', '/readyz/ping', '/livez/nonsense', '/version/', '/version/more'];
    for (const path of paths) await api.ask('GET', path, undefined, part);
  },
  'methods that few use': async (api) => {
    await made(api);
    await api.ask('HEAD', one(api));
    await api.ask('HEAD', api.core('configmaps/none'));
    await api.ask('OPTIONS', one(api));
    await api.ask('POST', one(api), configMap());
    await api.ask('PUT', api.core('configmaps'), configMap());
    await api.ask('POST', '/api/v1/configmaps', configMap());
    await api.ask('POST', '/api/v1/pods', pod());
    await api.ask('DELETE', '/api/v1/configmaps');
    await api.ask('DELETE', '/api/v1/namespaces');
    await api.ask('PATCH', '/api/v1/configmaps', {}, { type: MERGE });
    await api.ask('POST', api.apis('apps/v1', 'deployments/d/status'), {});
    await api.ask('DELETE', api.apis('apps/v1', 'deployments/d/status'));
    await api.ask('POST', api.apis('apps/v1', 'deployments/d/scale'), {});
    await api.ask('DELETE', api.apis('apps/v1', 'deployments/d/scale'));
    await api.ask('PUT', api.core('pods/p/binding'), {});
    await api.ask('GET', api.core('pods/p/binding'));
    await api.ask('GET', api.core('pods/p/eviction'));
    await api.ask('GET', `/api/v1/namespaces/${api.namespace}/finalize`);
    await api.ask('POST', `/api/v1/namespaces/${api.namespace}/finalize`, {});
    await api.ask('PUT', api.core('configmaps/c/status'), configMap());
    await api.ask('POST', '/version', {});
    await api.ask('POST', '/apis/apps/v1', {});
  },
  ...cornersOfWrites,
};
