/* eslint-disable @typescript-eslint/no-explicit-any -- answers are untyped JSON, and what they hold is what is tested */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApiServer, type ApiServer } from '../../../agent/apiserver/server.js';

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server.close());

interface Answer {
  readonly code: number;
  readonly body: Record<string, any>;
  readonly warning: string | null;
}

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer = (response.headers.get('content-type') ?? '').includes('json') ? ((await response.json()) as Record<string, any>) : { message: await response.text() };
  return { code: response.status, body: answer, warning: response.headers.get('warning') };
}

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const configMap = (name: string, extra: object = {}): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...extra } });
const pod = (name: string, extra: object = {}): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: 'x' } }, spec: { containers: [{ name: 'c', image: 'i' }], ...extra } });

/** Reads watch events until `enough` says so. */
async function watch(path: string, enough: (events: { type: string; object: any }[]) => boolean): Promise<{ type: string; object: any }[]> {
  const gone = new AbortController();
  const response = await fetch(`${server.url}${path}`, { signal: gone.signal });
  const events: { type: string; object: any }[] = [];
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) events.push(JSON.parse(line) as { type: string; object: any });
    if (enough(events)) break;
  }
  gone.abort();
  return events;
}

describe('errors', () => {
  it.each<[string, string, string, unknown, number, string, string]>([
    ['an absent object', 'GET', `${CONFIG_MAPS}/none`, undefined, 404, 'NotFound', 'configmaps "none" not found'],
    ['an unknown resource', 'GET', '/apis/apps/v1/things', undefined, 404, 'NotFound', 'the server could not find the requested resource'],
    ['a missing namespace', 'POST', '/api/v1/namespaces/none/configmaps', configMap('a'), 404, 'NotFound', 'namespaces "none" not found'],
    ['malformed JSON', 'POST', CONFIG_MAPS, '{"a":', 400, 'BadRequest', 'the object provided is unrecognized'],
    ['a bad name', 'POST', CONFIG_MAPS, configMap('A_b'), 422, 'Invalid', 'ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain'],
    ['another kind', 'POST', CONFIG_MAPS, pod('a'), 400, 'BadRequest', 'Pod in version "v1" cannot be handled as a ConfigMap'],
    ['another namespace', 'POST', CONFIG_MAPS, configMap('a', { namespace: 'other' }), 400, 'BadRequest', 'the namespace of the provided object does not match the namespace sent on the request'],
    ['an unknown method', 'PUT', CONFIG_MAPS, configMap('a'), 405, 'MethodNotAllowed', ''],
    ['an unknown field when Strict', 'POST', `${PODS}?fieldValidation=Strict`, pod('a', { foo: 1 }), 400, 'BadRequest', 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.foo"'],
  ])('%s', async (_title, method, path, body, code, reason, message) => {
    const answer = await call(method, path, body);
    expect(answer).toMatchObject({ code, body: { kind: 'Status', status: 'Failure', code, reason } });
    expect(answer.body['message']).toContain(message);
  });

  it('answers 413 to a body over 3 MiB and 415 to an unknown type', async () => {
    expect((await call('POST', CONFIG_MAPS, { ...configMap('big'), data: { a: 'x'.repeat(3 << 20) } })).code).toBe(413);
    expect((await call('POST', CONFIG_MAPS, 'x', { 'content-type': 'text/plain' })).code).toBe(415);
  });

  it('warns of an unknown field by default', async () => {
    const answer = await call('POST', `${PODS}?dryRun=All`, pod('warned', { foo: 1 }));
    expect(answer).toMatchObject({ code: 201, warning: '299 - "unknown field \\"spec.foo\\""' });
  });
});

describe('writes', () => {
  it('refuse a stale resourceVersion and take the current one', async () => {
    const { body: made } = await call('POST', CONFIG_MAPS, configMap('stale'));
    const { body: changed } = await call('PUT', `${CONFIG_MAPS}/stale`, { ...made, data: { a: '1' } });
    expect(await call('PUT', `${CONFIG_MAPS}/stale`, { ...made, data: { a: '2' } })).toMatchObject({ code: 409, body: { reason: 'Conflict' } });
    expect((await call('PUT', `${CONFIG_MAPS}/stale`, { ...changed, data: { a: '2' } })).code).toBe(200);
  });

  it('leave the version alone where nothing changes, and store nothing on a dry run', async () => {
    const { body: made } = await call('POST', CONFIG_MAPS, configMap('same'));
    expect((await call('PUT', `${CONFIG_MAPS}/same`, made)).body['metadata'].resourceVersion).toBe(made['metadata'].resourceVersion);
    expect((await call('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('dry'))).code).toBe(201);
    expect((await call('GET', `${CONFIG_MAPS}/dry`)).code).toBe(404);
  });

  it('keep status and spec apart', async () => {
    const { body: made } = await call('POST', PODS, { ...pod('apart'), status: { phase: 'Running' } });
    expect(made['status'].phase).toBe('Pending');
    const { body: after } = await call('PATCH', `${PODS}/apart/status`, { spec: { nodeName: 'n' }, status: { phase: 'Running', podIP: '10.1.1.1' } }, { 'content-type': 'application/merge-patch+json' });
    expect(after).toMatchObject({ status: { phase: 'Running', podIP: '10.1.1.1' } });
    expect(after['spec'].nodeName).toBeUndefined();
  });

  it('bind a pod once', async () => {
    await call('POST', PODS, pod('bound'));
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'bound' }, target: { kind: 'Node', name: 'n1' } };
    expect((await call('POST', `${PODS}/bound/binding`, binding)).code).toBe(201);
    expect((await call('POST', `${PODS}/bound/binding`, binding)).code).toBe(409);
    expect((await call('GET', `${PODS}?fieldSelector=spec.nodeName%3Dn1`)).body['items']).toHaveLength(1);
  });

  it('delete a bound pod in two steps and an unbound one at once', async () => {
    await call('POST', PODS, pod('two-steps', { nodeName: 'n1' }));
    await call('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
    const { body: marked } = await call('DELETE', `${PODS}/two-steps`);
    expect(marked['metadata']).toMatchObject({ deletionGracePeriodSeconds: 30 });
    expect((await call('GET', `${PODS}/two-steps`)).code).toBe(200);
    await call('DELETE', `${PODS}/two-steps`, { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 });
    expect((await call('GET', `${PODS}/two-steps`)).code).toBe(404);
  });

  it('wait for finalizers', async () => {
    await call('POST', CONFIG_MAPS, configMap('held', { finalizers: ['a.b/c'] }));
    expect((await call('DELETE', `${CONFIG_MAPS}/held`)).body['metadata'].deletionTimestamp).toBeDefined();
    await call('PATCH', `${CONFIG_MAPS}/held`, { metadata: { finalizers: null } }, { 'content-type': 'application/merge-patch+json' });
    expect((await call('GET', `${CONFIG_MAPS}/held`)).code).toBe(404);
  });

  it('note no owner for the status that the server gives', async () => {
    const { body } = await call('POST', PODS, pod('owned'));
    expect(body['status'].phase).toBe('Pending');
    expect(Object.keys(body['metadata'].managedFields[0].fieldsV1)).toEqual(['f:metadata', 'f:spec']);
  });

  it('give a job the labels of its template where it has none', async () => {
    const job = (labels: object): object => ({ apiVersion: 'batch/v1', kind: 'Job', metadata: { generateName: 'j', ...labels }, spec: { template: { metadata: { labels: { a: 'b' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } } });
    const labelsOf = async (body: object): Promise<object> => (await call('POST', '/apis/batch/v1/namespaces/default/jobs', body)).body['metadata'].labels as object;
    expect(await labelsOf(job({}))).toMatchObject({ a: 'b', 'batch.kubernetes.io/job-name': expect.stringMatching(/^j/) as string });
    expect(await labelsOf(job({ labels: { own: 'x' } }))).toEqual({ own: 'x' });
  });

  it('give services an address, keep it, and refuse one that is taken', async () => {
    const services = '/api/v1/namespaces/default/services';
    const service = (name: string, spec: object = {}): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
    const { body: made } = await call('POST', services, service('one'));
    expect(made['spec']).toMatchObject({ type: 'ClusterIP', clusterIPs: [made['spec'].clusterIP], ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }], internalTrafficPolicy: 'Cluster', sessionAffinity: 'None', ipFamilies: ['IPv4'] });
    const { body: kept } = await call('PUT', `${services}/one`, service('one', { ports: [{ port: 81 }] }));
    expect(kept['spec'].clusterIP).toBe(made['spec'].clusterIP);
    const taken = await call('POST', services, service('two', { clusterIP: made['spec'].clusterIP }));
    expect(taken.code).toBe(422);
    expect(taken.body['message']).toContain('provided IP is already allocated');
    const { body: node } = await call('POST', services, service('three', { type: 'NodePort' }));
    expect(node['spec'].ports[0].nodePort).toBeGreaterThanOrEqual(30_000);
  });
});

describe('lists', () => {
  it('show one revision on all pages, whatever changes meanwhile', async () => {
    for (const name of ['p1', 'p2', 'p3']) await call('POST', CONFIG_MAPS, configMap(name, { labels: { paged: 'yes' } }));
    const first = await call('GET', `${CONFIG_MAPS}?labelSelector=paged&limit=2`);
    expect(first.body['items']).toHaveLength(2);
    await call('DELETE', `${CONFIG_MAPS}/p3`);
    await call('POST', CONFIG_MAPS, configMap('p4', { labels: { paged: 'yes' } }));
    const second = await call('GET', `${CONFIG_MAPS}?labelSelector=paged&limit=2&continue=${String(first.body['metadata'].continue)}`);
    expect(second.body['items'].map((item: any) => item.metadata.name)).toEqual(['p3']);
    expect(second.body['metadata'].resourceVersion).toBe(first.body['metadata'].resourceVersion);
  });

  it('come as a Table with the printer columns', async () => {
    const { body } = await call('GET', '/api/v1/namespaces', undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' });
    expect(body['kind']).toBe('Table');
    expect(body['columnDefinitions'].map(({ name }: any) => name)).toEqual(['Name', 'Status', 'Age']);
    expect(body['rows'][0].cells.slice(0, 2)).toEqual(['default', 'Active']);
  });
});

describe('watches', () => {
  const WATCH = `${CONFIG_MAPS}?watch=1`;

  it('go on from a revision, and turn a label that leaves the selection into DELETED', async () => {
    const { body: list } = await call('GET', CONFIG_MAPS);
    const seen = watch(`${WATCH}&labelSelector=seen%3Dyes&resourceVersion=${String(list['metadata'].resourceVersion)}`, (events) => events.length === 3);
    await call('POST', CONFIG_MAPS, configMap('w', { labels: { seen: 'no' } }));
    for (const value of ['yes', 'yes2', 'yes']) await call('PATCH', `${CONFIG_MAPS}/w`, { metadata: { labels: { seen: value } } }, { 'content-type': 'application/merge-patch+json' });
    expect((await seen).map(({ type }) => type)).toEqual(['ADDED', 'DELETED', 'ADDED']);
  });

  it('begin with what is there, ended by a bookmark, with sendInitialEvents', async () => {
    const events = await watch(`${WATCH}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=paged`, (all) => all.at(-1)?.type === 'BOOKMARK');
    expect(events.slice(0, -1).every(({ type }) => type === 'ADDED')).toBe(true);
    expect(events.at(-1)?.object).toMatchObject({ kind: 'ConfigMap', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } });
  });

  it('end after timeoutSeconds', async () => {
    await expect(watch(`${WATCH}&timeoutSeconds=1`, () => false)).resolves.toBeDefined();
  });

  it('say 410 Expired for a revision whose changes are forgotten', async () => {
    const stale = await startApiServer();
    for (let i = 0; i < 8300; i++) stale.client.patch('namespaces', '', 'default', { metadata: { labels: { i: String(i) } } });
    const response = await fetch(`${stale.url}/api/v1/namespaces?watch=1&resourceVersion=2`);
    const text = await response.text();
    await stale.close();
    expect(text).toContain('"reason":"Expired"');
    expect(text).toContain('"code":410');
  });
});

describe('namespaces and owners', () => {
  it('deleting a namespace deletes its content, and nothing new may come meanwhile', async () => {
    await call('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going' } });
    await call('POST', '/api/v1/namespaces/going/configmaps', configMap('a', { finalizers: ['x.y/z'] }));
    await call('DELETE', '/api/v1/namespaces/going');
    const refused = await call('POST', '/api/v1/namespaces/going/configmaps', configMap('b'));
    expect(refused).toMatchObject({ code: 403, body: { reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } } });
    await expect.poll(async () => (await call('GET', '/api/v1/namespaces/going/configmaps/a')).body['metadata']?.deletionTimestamp, { timeout: 5000 }).toBeDefined();
    await call('PATCH', '/api/v1/namespaces/going/configmaps/a', { metadata: { finalizers: null } }, { 'content-type': 'application/merge-patch+json' });
    await expect.poll(async () => (await call('GET', '/api/v1/namespaces/going')).code, { timeout: 5000 }).toBe(404);
  });

  it('dependents go with their last owner', async () => {
    const { body: owner } = await call('POST', CONFIG_MAPS, configMap('owner'));
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner['metadata'].uid };
    await call('POST', CONFIG_MAPS, configMap('dependent', { ownerReferences: [reference] }));
    await call('DELETE', `${CONFIG_MAPS}/owner`);
    await expect.poll(async () => (await call('GET', `${CONFIG_MAPS}/dependent`)).code, { timeout: 5000 }).toBe(404);
  });
});

describe('custom resources', () => {
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', shortNames: ['wd'] },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', required: ['size'], properties: { size: { type: 'integer', minimum: 1, description: 'How big.' }, colour: { type: 'string', enum: ['red', 'blue'], default: 'red' } } } } } } }],
    },
  };
  const widgets = '/apis/example.com/v1/namespaces/default/widgets';
  const widget = (spec: object): object => ({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' }, spec });

  it('are served as soon as their definition is there, with defaults, pruning and checks, and go with it', async () => {
    expect((await call('GET', widgets)).code).toBe(404);
    expect((await call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)).code).toBe(201);
    expect((await call('POST', `${widgets}?fieldValidation=Ignore`, widget({ size: 3, extra: 1 }))).body['spec']).toEqual({ size: 3, colour: 'red' });
    expect(await call('POST', widgets, { ...widget({ size: 0 }), metadata: { name: 'bad' } })).toMatchObject({ code: 422, body: { details: { causes: [{ field: 'spec.size' }] } } });
    expect((await call('GET', '/openapi/v2')).body['definitions']['com.example.v1.Widget'].properties.spec.properties.size).toEqual({ type: 'integer', format: 'int32', description: 'How big.' });
    await call('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com');
    expect((await call('GET', widgets)).code).toBe(404);
  });
});

describe('server-side apply', () => {
  const apply = (manager: string, data: object, force = false): Promise<Answer> =>
    call('PATCH', `${CONFIG_MAPS}/applied?fieldManager=${manager}&force=${String(force)}`, { ...configMap('applied'), data }, { 'content-type': 'application/apply-patch+yaml' });

  it('creates, shares, conflicts, takes by force and removes what its manager no longer wants', async () => {
    expect((await apply('one', { a: '1', b: '1' })).code).toBe(201);
    expect((await apply('two', { c: '2' })).body['data']).toEqual({ a: '1', b: '1', c: '2' });
    const refused = await apply('two', { a: '2', c: '2' });
    expect(refused).toMatchObject({ code: 409, body: { message: 'Apply failed with 1 conflict: conflict with "one": .data.a', details: { causes: [{ reason: 'FieldManagerConflict', field: '.data.a' }] } } });
    expect((await apply('two', { a: '2', c: '2' }, true)).body['data']).toEqual({ a: '2', b: '1', c: '2' });
    expect((await apply('one', {})).body['data']).toEqual({ a: '2', c: '2' });
  });
});
