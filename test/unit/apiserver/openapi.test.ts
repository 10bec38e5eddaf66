import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messageEncoder } from '../../../agent/apiserver/protobuf/encode.js';
import { textOf, wireFields } from '../../../agent/apiserver/protobuf/wire.js';
import { startApiServer, type ApiServer } from '../../../agent/apiserver/server.js';

const OLD = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const NEW = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server.close());

const ask = (accept: string): Promise<Response> => fetch(`${server.url}/openapi/v2`, { headers: { accept } });

/** All values of a field, by its path of numbers. */
function valuesAt(message: Buffer, ...path: number[]): (bigint | Buffer)[] {
  const [number, ...rest] = path;
  const found = wireFields(message).filter((field) => field.number === number).map(({ value }) => value);
  return rest.length === 0 ? found : found.flatMap((value) => (Buffer.isBuffer(value) ? valuesAt(value, ...rest) : []));
}
const textsAt = (message: Buffer, ...path: number[]): string[] => valuesAt(message, ...path).map(textOf);
const named = (message: Buffer, path: number[], name: string): Buffer => {
  const found = valuesAt(message, ...path).find((pair) => Buffer.isBuffer(pair) && textsAt(pair, 1)[0] === name) as Buffer;
  return valuesAt(found, 2)[0] as Buffer;
};

describe('encoding of messages', () => {
  const encode = messageEncoder({ Outer: 'name=1 on=2:flag list=3 deep=4.1.2:Inner any=20:json x-*=5.2:json *=6:Inner', Inner: 'id=1' });
  it.each<[string, Record<string, unknown>, string]>([
    ['text', { name: 'ab' }, '0a026162'],
    ['a flag', { on: true }, '1001'],
    ['each item of a list', { list: ['a', 'b'] }, '1a01611a0162'],
    ['wrappers around each value', { deep: [{ id: 'a' }, {}] }, '22070a0512030a0161' + '22040a021200'],
    ['a field number above 15, JSON as text, lists too', { any: [1] }, 'a201035b315d'],
    ['extensions by name', { 'x-a': 1 }, '2a0a0a03782d61' + '1203120131'],
    ['other keys by name', { k: { id: 'a' } }, '32080a016b12030a0161'],
    ['a length above 127', { name: 'x'.repeat(300) }, `0aac02${'78'.repeat(300)}`],
  ])('has %s', (_what, value, bytes) => {
    expect(encode(value, 'Outer').toString('hex')).toBe(bytes);
  });

  it('leaves out what the table does not name', () => {
    expect(encode({ other: 1 }, 'Inner')).toHaveLength(0);
  });
});

describe('OpenAPI v2', () => {
  it('is served in the form that the client prefers, and in JSON where it does not say', async () => {
    expect((await ask(OLD)).headers.get('content-type')).toBe(NEW);
    expect((await ask(`${NEW}, application/json`)).headers.get('content-type')).toBe(NEW);
    expect((await ask(`application/json, ${NEW}`)).headers.get('content-type')).toBe('application/json');
    expect((await ask('*/*')).headers.get('content-type')).toBe('application/json');
    expect((await ask('text/plain')).status).toBe(406);
  });

  it('has in both forms the same paths and definitions', async () => {
    const json = (await (await ask('application/json')).json()) as { paths: object; definitions: object };
    const message = Buffer.from(await (await ask(OLD)).arrayBuffer());
    expect(textsAt(message, 1)).toEqual(['2.0']);
    expect(textsAt(message, 8, 2, 1)).toEqual(Object.keys(json.paths));
    expect(textsAt(message, 9, 1, 1)).toEqual(Object.keys(json.definitions));
  });

  it('says in protobuf that a kind can be patched with dryRun, as kubectl looks for it', async () => {
    const message = Buffer.from(await (await ask(OLD)).arrayBuffer());
    const patch = valuesAt(named(message, [8, 2], '/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/{name}'), 8)[0] as Buffer;
    expect(JSON.parse(textsAt(named(patch, [13], 'x-kubernetes-group-version-kind'), 2)[0] ?? '')).toEqual({ group: 'networking.k8s.io', version: 'v1', kind: 'NetworkPolicy' });
    expect(textsAt(patch, 8, 1, 2, 3, 4)).toContain('dryRun');
  });

  it('refers to definitions that exist, and not in allOf', async () => {
    const { definitions } = (await (await ask('application/json')).json()) as { definitions: Record<string, { properties?: Record<string, Record<string, unknown>> }> };
    const references = [...JSON.stringify(definitions).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(references.filter((name) => definitions[name] === undefined)).toEqual([]);
    expect(definitions['io.k8s.api.core.v1.Pod']?.properties?.['spec']?.['$ref']).toBe('#/definitions/io.k8s.api.core.v1.PodSpec');
  });
});
